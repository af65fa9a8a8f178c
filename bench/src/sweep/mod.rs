// SPDX-License-Identifier: AGPL-3.0-or-later
//! Sweeps of many emulated BMCs: by a controller, by sushy, by curl.
//!
//! The emulator counts; nothing that is measured is asked about itself. The controller is told to look at everything
//! every 100 ms, which it cannot do, so that one sweep follows another: a second apart, as its clock ticks. Its wall
//! clock is from the first request of a sweep to the last.

mod others;
mod watch;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use shoal_testbed_site::{Addresses, Controller, Peer, Place, Programs, Repository};

use super::emulator::Emulator;
use super::report::{Row, print, say, table};
use super::{fleet, process};
use others::{Looked, curl, sushy};
use watch::Watch;

/// Sweeps of many emulated BMCs, beside sushy and curl
///
/// Needs `cargo build --release -p shoal -p shoal-testbed`, and a Python that has sushy.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// How many BMCs; may be said more than once
    #[arg(long = "bmcs", value_name = "COUNT", default_values_t = [1000])]
    counts: Vec<usize>,
    /// Sweeps by the controller: the first one discovers, the others are steady
    #[arg(long, value_name = "COUNT", default_value_t = 6)]
    sweeps: u64,
    /// Rounds of the others; 0 leaves them out
    #[arg(long, value_name = "COUNT", default_value_t = 3)]
    rounds: usize,
    /// With more BMCs sushy is left out: it would take the better part of an hour
    #[arg(long, value_name = "COUNT", default_value_t = 1000)]
    sushy_most: usize,
    /// BMC model
    #[arg(long, value_name = "NAME", default_value = "idrac9-6")]
    profile: String,
    /// The Python that has sushy
    #[arg(long, value_name = "FILE", default_value = "target/bench-python/bin/python")]
    python: PathBuf,
    /// Somebody changes power, override and media of every BMC in between, so that ETags prove themselves
    #[arg(long)]
    changed: bool,
    /// Every server waits for an approval of its install; without this all are as they should be
    #[arg(long)]
    waiting: bool,
    /// Keep everything in this directory
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
}

/// Servers that are adopted by one file: the controller reads none over 1 MiB.
const ADOPTED_AT_ONCE: usize = 1000;
/// Adoption takes no longer than this.
const PATIENCE: Duration = Duration::from_secs(900);
const PEERS: [&str; 3] = ["shoal", "sushy", "curl"];

pub(crate) fn main(args: &Args) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    args.counts.iter().try_for_each(|count| runtime.block_on(run(args, *count)))
}

async fn run(args: &Args, count: usize) -> Result<()> {
    let keep = args.keep.as_ref().map(|dir| dir.join(count.to_string()));
    let place = Place::new("shoal-bench-", keep)?;
    let programs = Programs::find(&place)?;
    say(&format!("{count} BMCs of {}", args.profile));
    let emulator = Emulator::start(&[
        "--profile",
        &args.profile,
        "--count",
        &count.to_string(),
        "--no-machines",
        "--powered-on",
        "--time-scale",
        "0",
    ])?;
    fleet::make(&programs, &place, &emulator.bmcs, fleet::plain("approve"))?;
    let isos = place.storage().join("static/isos");
    std::fs::create_dir_all(&isos)?;
    std::fs::copy(place.maintenance_iso(), isos.join("other.iso"))?;

    if !args.waiting {
        adopt(&programs, &place, count).await.context("adopt every server")?;
    }
    let settings = ["--sweep-interval", "100ms", "--log-level", "warn"].map(str::to_owned);
    let mut watch = Watch::new(&emulator, count).await?;
    let (controller, addresses) =
        Controller::start(&programs, &place, &Addresses::any(), &settings).await.context("start shoal")?;
    watch.controller(controller.pid());
    let mut sweeps = Vec::new();
    for number in 0..args.sweeps {
        let sweep = watch.sweep().await?;
        say(&format!("sweep {}: {}", number + 1, sweep.said(count)));
        sweeps.push(sweep);
    }
    if args.changed {
        let image = format!("http://{}/static/isos/other.iso", addresses.api);
        for way in [others::CHANGED, others::BACK] {
            others::change(&emulator, &place, &args.profile, way, &image)?;
            watch.catch_up().await?;
            // One may have been under way.
            for _ in 0..2 {
                say(&format!("after a change: {}", watch.sweep().await?.said(count)));
            }
        }
        for _ in 0..2 {
            say(&format!("with proven ETags: {}", watch.sweep().await?.said(count)));
        }
    }
    let metrics = Peer::Socket(place.socket()).get("/metrics").await?.1;
    std::fs::write(place.root().join("metrics.txt"), &metrics)?;
    let paths = others::paths(&emulator).await?;
    let peak = process::memory(controller.pid(), "VmHWM")?;
    controller.stop().await?;

    let (mut by_sushy, mut by_curl) = (Vec::new(), Vec::new());
    for round in 0..args.rounds {
        if count <= args.sushy_most {
            by_sushy.push(sushy(&emulator, &args.python, &paths).await?);
        }
        by_curl.push(curl(&emulator, &place, &paths).await?);
        say(&format!("round {} of {} done", round + 1, args.rounds));
    }
    let steady = &sweeps[1..];
    let ours: Vec<Looked> = steady.iter().map(|sweep| Looked { peak, ..sweep.looked }).collect();
    print(&format!(
        "\n{count} BMCs ({}), steady sweeps\n\n{}",
        args.profile,
        table(&PEERS, &rows(count, [&ours, &by_sushy, &by_curl]))
    ))?;
    print(&format!("\nsweep by sweep\n\n{}", watch::growth(&sweeps, count)))
}

/// Every server is recorded as it is, so that nothing is to be done.
pub(crate) async fn adopt(programs: &Programs, place: &Place, count: usize) -> Result<()> {
    #[derive(serde::Deserialize)]
    struct Plan {
        entries: Vec<serde::de::IgnoredAny>,
    }
    let settings =
        ["--poll-interval", "2s", "--sweep-interval", "1h", "--log-level", "warn"].map(str::to_owned);
    let (controller, _) = Controller::start(programs, place, &Addresses::any(), &settings).await?;
    let repository = Repository::of(programs, place);
    until(|| async {
        repository.fetch()?;
        Ok(programs.git(&place.checkout(), &["rev-parse", "--quiet", "origin/shoal/status"]).is_ok())
    })
    .await
    .context("wait for the status branch")?;
    let names: Vec<String> = (0..count).map(fleet::name).collect();
    for names in names.chunks(ADOPTED_AT_ONCE) {
        let mut arguments = vec!["adopt", "--reason", "they run"];
        arguments.extend(names.iter().map(String::as_str));
        programs.shoal(&place.checkout(), &arguments)?.expect_success("shoal adopt")?;
    }
    repository.push()?;
    let peer = Peer::Socket(place.socket());
    until(|| async { Ok(peer.json::<Plan>("/api/v1/plan").await?.entries.is_empty()) })
        .await
        .context("wait until nothing is to be done")?;
    controller.stop().await.map(drop)
}

/// Waits until something holds, but not forever.
pub(crate) async fn until<F: Future<Output = Result<bool>>>(holds: impl Fn() -> F) -> Result<()> {
    let began = Instant::now();
    while !holds().await? {
        if began.elapsed() > PATIENCE {
            bail!("not within {} s", PATIENCE.as_secs());
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    Ok(())
}

fn rows(count: usize, by: [&[Looked]; 3]) -> Vec<Row> {
    let per = |of: fn(&Looked) -> f64| by.map(|looked| looked.iter().map(of).collect()).to_vec();
    let each = |of: fn(&Looked) -> f64| {
        by.map(|looked| looked.iter().map(|looked| of(looked) / count as f64).collect()).to_vec()
    };
    let row = |what: &str, unit, rounds| Row { what: what.to_owned(), unit, rounds };
    vec![
        row("wall clock", "s", per(|looked| looked.wall)),
        row("processor time of the client", "s", per(|looked| looked.cpu)),
        row("processor time of the emulator", "s", per(|looked| looked.emulator_cpu)),
        row("looks per BMC", "", each(|looked| looked.reads as f64)),
        row("logins and logouts per BMC", "", each(|looked| looked.sessions as f64)),
        row("peak memory", "MiB", per(|looked| looked.peak)),
    ]
}
