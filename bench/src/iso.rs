// SPDX-License-Identifier: AGPL-3.0-or-later
//! The task medium of a job, in memory, beside xorriso as a process that writes a file.

use std::process::Command;
use std::time::Instant;

use anyhow::{Context as _, Result};
use shoal_controller::keys::Keys;
use shoal_controller::task_medium;
use shoal_core::ledger::Ledger;
use shoal_schema::wire::task::Callback;
use shoal_schema::{LedgerId, SecretString};
use shoal_taskiso::reader::Volume;
use shoal_testbed_site::{Place, Programs};

use super::report::{Row, print, table};
use super::{at_work, fleet, fleet_bench, ran};

/// The task medium of a job, beside the xorriso process
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Media of ours
    #[arg(long, value_name = "COUNT", default_value_t = 1000)]
    rounds: usize,
    /// Runs of xorriso; 0 leaves it out
    #[arg(long, value_name = "COUNT", default_value_t = 20)]
    peer_rounds: usize,
}

pub(crate) fn main(args: &Args) -> Result<()> {
    let place = Place::new("shoal-bench-", None)?;
    let programs = Programs::find(&place)?;
    fleet::make(&programs, &place, &fleet_bench::addresses(1), fleet_bench::SHAPE)?;
    let desired = at_work::desired(&place)?;
    let ledger = Ledger { id: LedgerId::from_bytes([7; 16]), counter: 1, epoch: 1, replaces: None };
    let job = at_work::job(desired.first().context("no server")?, &ledger, 1)?;
    let keys = Keys::new(SecretString::new("only for measuring, and long enough".to_owned()), None);
    let callback = Callback { url: "https://shoal.example.org:8443".to_owned(), pins: vec!["0".repeat(64)] };
    let mut ours = Vec::new();
    let mut size = 0;
    for _ in 0..args.rounds {
        let callback = callback.clone();
        let began = Instant::now();
        let iso = task_medium(&job, callback, &keys)?;
        ours.push(began.elapsed().as_secs_f64() * 1000.0);
        size = iso.bytes.len();
    }
    // The same files, for the other one.
    let iso = task_medium(&job, callback, &keys)?;
    let tree = place.root().join("task");
    std::fs::create_dir_all(&tree)?;
    let volume = Volume::open(&*iso.bytes).context("read the medium back")?;
    for name in ["recipe.json", "recipe.schema.json", "task.json"] {
        std::fs::write(tree.join(name), volume.read(name, 1 << 20).with_context(|| format!("read {name}"))?)?;
    }
    let mut theirs = Vec::new();
    for _ in 0..args.peer_rounds {
        let mut xorriso = Command::new("xorriso");
        xorriso.args(["-as", "mkisofs", "-quiet", "-R", "-J", "-V", "TASK", "-o"]);
        xorriso.arg(place.root().join("task.iso")).arg(&tree);
        theirs.push(ran::run(&mut xorriso, &[0])?.wall * 1000.0);
    }
    let row =
        Row { what: format!("one task medium of {size} bytes"), unit: "ms", rounds: vec![ours, theirs] };
    print(&format!("\n{}", table(&["shoal", "xorriso"], &[row])))
}
