// SPDX-License-Identifier: AGPL-3.0-or-later
//! Runs seeds, tells the story of one, and shows that planted mistakes are found.

mod many;
mod planted;
mod story;

use std::process::ExitCode;

use clap::Parser;

/// Runs the controller in simulated worlds, one per seed, and judges each after every step.
///
/// A seed gives the same run every time. Where one is not as it must be, its events are reduced to those that it takes,
/// and what is left is told. Exits with 1 then.
#[derive(Parser)]
#[command(name = "shoal-simulation")]
struct Args {
    /// How many seeds
    #[arg(default_value_t = 100)]
    seeds: u64,
    /// The first one
    #[arg(long, default_value_t = 0)]
    first: u64,
    /// Tell the whole story of one seed; RUST_LOG adds what the controller says
    #[arg(long, value_name = "SEED", conflicts_with_all = ["seeds", "first", "planted", "table"])]
    story: Option<u64>,
    /// Only these of its events, by their places in the list
    #[arg(long, value_name = "PLACES", value_delimiter = ',', requires = "story")]
    only: Option<Vec<usize>>,
    /// Plant each known mistake in turn, or the one that is named, and go through the seeds until it is found
    #[arg(long, value_name = "MISTAKE", num_args = 0..=1, default_missing_value = "all", value_parser = planted::parse)]
    planted: Option<planted::Which>,
    /// Show how often each event met a job in each phase; fails where one never did
    #[arg(long, conflicts_with = "planted")]
    table: bool,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let fine = match (args.story, args.planted) {
        (Some(seed), which) => {
            if let Some(planted::Which::One(mistake)) = which {
                mistake.plant();
            }
            story::tell(seed, args.only.as_deref())
        }
        (None, Some(which)) => planted::find(which, args.first, args.seeds),
        (None, None) => many::run_all(args.first, args.seeds, args.table),
    };
    if fine { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
