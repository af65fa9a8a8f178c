// SPDX-License-Identifier: AGPL-3.0-or-later
//! The Redfish calls of one job: how many of which kind, and how long the controller takes from one answer to its
//! next call.
//!
//! The emulator's log is the witness. A gap is a pause on purpose where the very same resource is read again, which is
//! how the client waits for an effect to show, or where a login follows a logout, which is how the controller waits
//! for the machine. Every other gap is the controller's own time.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use shoal_testbed_site::{Addresses, Controller, Peer, Place, Programs};
use tokio::time::Instant;

use super::emulator::Emulator;
use super::fleet;
use super::report::{print, say};

/// A job takes no longer than this.
const PATIENCE: Duration = Duration::from_secs(1800);

/// The Redfish calls of one job, by kind, and the gaps between them
///
/// Needs `cargo build --release -p shoal -p shoal-testbed`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// BMC models; may be said more than once
    #[arg(long = "profile", value_name = "NAME", default_values_t = ["idrac9-6".to_owned(), "smc-x13-single".to_owned()])]
    profiles: Vec<String>,
    /// Multiplier for power, POST and mount times; 1 is as slow as real hardware
    #[arg(long, value_name = "FACTOR", default_value = "0")]
    time_scale: String,
}

pub(crate) fn main(args: &Args) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    print("| BMC | kind | calls |\n|---|---|---:|\n")?;
    let mut gaps =
        String::from("\n| BMC | gaps | number | median | longest | sum |\n|---|---|---:|---:|---:|---:|\n");
    for profile in &args.profiles {
        let calls = runtime.block_on(run(profile, &args.time_scale))?;
        let mut kinds: BTreeMap<&str, u32> = BTreeMap::new();
        for call in &calls {
            *kinds.entry(kind(call)).or_default() += 1;
        }
        kinds.insert("all", u32::try_from(calls.len())?);
        for (kind, number) in &kinds {
            print(&format!("| {profile} | {kind} | {number} |\n"))?;
        }
        let mut by_sort: BTreeMap<&str, Vec<SignedDuration>> = BTreeMap::new();
        for pair in calls.windows(2) {
            by_sort
                .entry(sort(&pair[0], &pair[1]))
                .or_default()
                .push(pair[1].began().duration_since(pair[0].at));
        }
        for (sort, mut found) in by_sort {
            found.sort_unstable();
            let seconds = |gap: SignedDuration| gap.as_secs_f64();
            gaps.push_str(&format!(
                "| {profile} | {sort} | {} | {:.4} s | {:.4} s | {:.3} s |\n",
                found.len(),
                seconds(found[found.len() / 2]),
                found.last().map_or(0.0, |gap| seconds(*gap)),
                found.iter().map(|gap| seconds(*gap)).sum::<f64>(),
            ));
        }
    }
    print(&gaps)
}

/// A record of the emulator's log.
#[derive(Clone, Debug, Deserialize)]
struct Call {
    at: Timestamp,
    #[serde(rename = "type")]
    record: String,
    #[serde(default)]
    method: String,
    #[serde(default)]
    path: String,
    #[serde(default)]
    took_ms: i64,
}

impl Call {
    fn began(&self) -> Timestamp {
        self.at - SignedDuration::from_millis(self.took_ms)
    }
}

#[derive(Deserialize)]
struct Job {
    status: String,
    outcome: Option<String>,
    created_at: Timestamp,
    last_update: Timestamp,
}

/// Every call of one job, in order.
async fn run(profile: &str, time_scale: &str) -> Result<Vec<Call>> {
    let place = Place::new("shoal-bench-", None)?;
    let programs = Programs::find(&place)?;
    let emulator = Emulator::start(&["--profile", profile, "--powered-on", "--time-scale", time_scale])?;
    fleet::make(&programs, &place, &emulator.bmcs, fleet::plain("blankOnly"))?;
    let settings = ["--log-level", "warn"].map(str::to_owned);
    let (controller, _) = Controller::start(&programs, &place, &Addresses::any(), &settings).await?;
    let peer = Peer::Socket(place.socket());
    let deadline = Instant::now() + PATIENCE;
    let job = loop {
        let jobs: Vec<Job> = peer.json("/api/v1/jobs").await?;
        if let Some(job) = jobs.into_iter().find(|job| job.status == "complete") {
            break job;
        }
        if Instant::now() >= deadline {
            bail!("the job does not end in {} s", PATIENCE.as_secs());
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    };
    if job.outcome.as_deref() != Some("succeeded") {
        bail!("the job ended as {:?}; the log is in {}", job.outcome, place.root().display());
    }
    let log: Vec<Call> = emulator.control.json("/control/bmc/0/log").await?;
    controller.stop().await.context("stop shoal")?;
    let took = job.last_update.duration_since(job.created_at).as_secs_f64();
    say(&format!("{profile}: the job took {took:.1} s"));
    let within = |call: &Call| call.record == "request" && call.at >= job.created_at;
    // Looks of the sweep begin again when the job is over; its last call is its last logout.
    let calls: Vec<Call> = log.into_iter().filter(within).collect();
    let end = calls.iter().rposition(|call| call.at <= job.last_update).context("the job made no call")?;
    let last = calls[end..].iter().position(|call| call.method == "DELETE").map_or(end, |more| end + more);
    Ok(calls[..=last].to_vec())
}

/// What a call is about.
fn kind(call: &Call) -> &'static str {
    let is = |part: &str| call.path.contains(part);
    match call.method.as_str() {
        "POST" | "DELETE" if is("/Sessions") => "logins and logouts",
        "POST" if is("Reset") => "power",
        "POST" | "PATCH" if is("VirtualMedia") => "media in and out",
        "PATCH" => "boot override",
        "GET" if is("VirtualMedia/") => "a slot read",
        "GET" if call.path.split('/').nth_back(1) == Some("Systems") => "the system read",
        "GET" => "other resources read",
        _ => "others",
    }
}

/// Whose time it is between two calls.
fn sort(before: &Call, next: &Call) -> &'static str {
    if before.method == "GET" && next.method == "GET" && before.path == next.path {
        "waiting for an effect"
    } else if before.method == "DELETE" {
        "waiting for the machine"
    } else {
        "the controller's own"
    }
}
