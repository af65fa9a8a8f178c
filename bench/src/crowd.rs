// SPDX-License-Identifier: AGPL-3.0-or-later
//! Many jobs at once, each on an emulated BMC with a blank simulated machine.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use serde::Deserialize;
use shoal_testbed_site::{Addresses, Controller, Peer, Place, Programs};

use super::emulator::Emulator;
use super::report::print;
use super::{fleet, process};

/// All jobs take no longer than this.
const PATIENCE: Duration = Duration::from_secs(1800);

/// Many jobs at once on emulated BMCs
///
/// Needs `cargo build --release -p shoal -p shoal-testbed`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// How many
    #[arg(long, value_name = "COUNT", default_value_t = 200)]
    jobs: usize,
    /// BMC model
    #[arg(long, value_name = "NAME", default_value = "idrac9-6")]
    profile: String,
    /// Multiplier for power, POST and mount times; 1 is as slow as real hardware
    #[arg(long, value_name = "FACTOR", default_value = "0.05")]
    time_scale: String,
}

#[derive(Deserialize)]
struct Job {
    status: String,
    outcome: Option<String>,
}

pub(crate) fn main(args: &Args) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(run(args))
}

async fn run(args: &Args) -> Result<()> {
    let place = Place::new("shoal-bench-", None)?;
    let programs = Programs::find(&place)?;
    let count = args.jobs.to_string();
    let emulator = Emulator::start(&[
        "--profile",
        &args.profile,
        "--count",
        &count,
        "--powered-on",
        "--time-scale",
        &args.time_scale,
    ])?;
    fleet::make(&programs, &place, &emulator.bmcs, fleet::plain("blankOnly"))?;
    let settings = ["--worker-concurrency", &count, "--log-level", "warn"].map(str::to_owned);
    let began = Instant::now();
    let (controller, _) = Controller::start(&programs, &place, &Addresses::any(), &settings).await?;
    let peer = Peer::Socket(place.socket());
    let mut most = 0;
    let jobs = loop {
        let jobs: Vec<Job> = peer.json("/api/v1/jobs").await?;
        most = most.max(jobs.iter().filter(|job| job.status != "complete" && job.status != "queued").count());
        if jobs.len() >= args.jobs && jobs.iter().all(|job| job.status == "complete") {
            break jobs;
        }
        if began.elapsed() > PATIENCE {
            bail!("not all jobs ended in {} s; see {}", PATIENCE.as_secs(), place.root().display());
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    };
    let took = began.elapsed().as_secs_f64();
    let succeeded = jobs.iter().filter(|job| job.outcome.as_deref() == Some("succeeded")).count();
    let cpu = process::cpu(controller.pid())?;
    let peak = process::memory(controller.pid(), "VmHWM")?;
    controller.stop().await?;
    print(&format!(
        "\n| jobs | measured | aim |\n|---|---:|---:|\n| succeeded | {succeeded} of {} | all |\n\
         | at once, at most | {most} | {} |\n| all of them | {took:.1} s | |\n\
         | processor time of the controller | {cpu:.1} s | |\n| peak memory | {peak:.0} MiB | |\n",
        jobs.len(),
        args.jobs
    ))
}
