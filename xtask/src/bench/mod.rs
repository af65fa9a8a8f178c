// SPDX-License-Identifier: AGPL-3.0-or-later
//! Benchmarks beside what people use today: real programs, one machine, one run.

mod client;
mod content;
mod peers;
mod registry;
mod report;

use std::process::ExitCode;

use clap::Subcommand;

/// Measure beside what people use today
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    Registry(registry::Args),
}

pub(crate) fn main(args: &Args) -> ExitCode {
    let result = match &args.what {
        What::Registry(args) => registry::main(args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let mut line = String::new();
            for cause in error.chain() {
                line.push_str(&format!("{}{cause}", if line.is_empty() { "" } else { ": " }));
            }
            report::say(&format!("error: {line}"));
            ExitCode::FAILURE
        }
    }
}
