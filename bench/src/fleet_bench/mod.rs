// SPDX-License-Identifier: AGPL-3.0-or-later
//! What a large fleet costs: from files to a plan, cold and after one change; nothing to do; idle; status.
//!
//! The BMCs of the controller's fleet are emulated, and each was looked at once before anything is measured: what is
//! measured is Git, the inventory, plans, the database and the status branch, with all that is known of BMCs in memory.

mod cold;
mod steady;

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use shoal_testbed_site::{Place, Programs};

use super::emulator::Bmc;
use super::fleet;
use super::report::{print, say};

/// From files to a plan, cold and after one change, beside check-jsonschema and ajv-cli
///
/// Needs `cargo build --release -p shoal -p shoal-testbed`, and the peers: `just bench` installs them.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// How many servers
    #[arg(long, value_name = "COUNT", default_value_t = 10_000)]
    servers: usize,
    /// And how many to see that it grows no faster than they do; 0 leaves them out
    #[arg(long, value_name = "COUNT", default_value_t = 100_000)]
    large: usize,
    /// Rounds of ours
    #[arg(long, value_name = "COUNT", default_value_t = 5)]
    rounds: usize,
    /// Rounds of the peers; 0 leaves them out
    #[arg(long, value_name = "COUNT", default_value_t = 2)]
    peer_rounds: usize,
    /// Seconds that the idle controller is watched
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    idle: u64,
    /// check-jsonschema
    #[arg(long, value_name = "FILE", default_value = "target/bench-python/bin/check-jsonschema")]
    check_jsonschema: PathBuf,
    /// ajv-cli
    #[arg(long, value_name = "FILE", default_value = "target/bench-node/node_modules/.bin/ajv")]
    ajv: PathBuf,
    /// Keep everything in this directory
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
}

/// One line of a table: what, how much, and the aim.
pub(super) struct Line(pub(super) String, pub(super) String, pub(super) &'static str);

pub(crate) fn main(args: &Args) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(run(args))
}

async fn run(args: &Args) -> Result<()> {
    let mut lines = vec![Line("load while this ran".to_owned(), load()?, "")];
    let place = Place::new("shoal-bench-", args.keep.clone())?;
    let programs = Programs::find(&place)?;
    say(&format!("{} servers", args.servers));
    make(&programs, &place, args.servers)?;
    let small = cold::measure(&programs, &place, args.rounds)?;
    cold::lines(args.servers, &small, &mut lines);
    let peers = cold::peers(args, &place)?;
    if args.large > 0 {
        say(&format!("{} servers", args.large));
        let large = Place::new("shoal-bench-", None)?;
        make(&programs_of(&large)?, &large, args.large)?;
        let many = cold::measure(&programs_of(&large)?, &large, args.rounds.min(3))?;
        cold::growth(args, &small, &many, &mut lines);
    }
    steady::measure(args, &mut lines).await?;
    print(&format!("\n{}\n", table(&lines)))?;
    print(&cold::beside(&small, &peers))
}

fn programs_of(place: &Place) -> Result<Programs> {
    Programs::find(place).context("find the programs")
}

fn make(programs: &Programs, place: &Place, count: usize) -> Result<()> {
    fleet::make(programs, place, &addresses(count), SHAPE)
}

/// Files of 1 KB, with which nothing is wrong.
pub(crate) const SHAPE: fleet::Shape =
    fleet::Shape { first_install: "approve", known_disks: true, padding: 560 };

/// BMCs that nobody looks at: addresses of this host on which nothing listens.
pub(crate) fn addresses(count: usize) -> Vec<Bmc> {
    let bmc = |n: usize| Bmc {
        url: format!("https://127.{}.{}.{}", 16 + n / 62_500, n / 250 % 250, n % 250 + 1),
        serial: format!("SN{n:08}"),
        sha256: "0".repeat(64),
    };
    (0..count).map(bmc).collect()
}

/// The machine's load as the kernel says, over 1 and 5 minutes.
pub(crate) fn load() -> Result<String> {
    let text = std::fs::read_to_string("/proc/loadavg")?;
    Ok(text.split(' ').take(2).collect::<Vec<_>>().join(", "))
}

pub(super) fn table(lines: &[Line]) -> String {
    let mut out = String::from("| what | measured | aim |\n|---|---:|---:|\n");
    for Line(what, measured, aim) in lines {
        out.push_str(&format!("| {what} | {measured} | {aim} |\n"));
    }
    out
}
