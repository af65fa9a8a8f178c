// SPDX-License-Identifier: AGPL-3.0-or-later
//! What must hold when all is at rest again, whenever the controller was killed. Judged by what happened to machines
//! and their disks, and by Git; what the controller says of itself is compared with that.

use std::collections::{BTreeMap, BTreeSet};

use shoal_schema::api::{JobView, ServerView};
use shoal_schema::status::{RecordState, ServerStatus, StatusSummary};
use shoal_testbed::bmc::{BootDevice, Enabled, Event, Record, What};
use shoal_testbed::machine::{Happening, Stage, read_back};

use tokio::task::block_in_place;

use crate::person::Agreed;
use crate::scene::{Scene, name};

/// All that a BMC may be told to do with the power.
const HARMLESS: [&str; 4] = ["On", "ForceOff", "GracefulShutdown", "PushPowerButton"];

/// What is not as it must be.
pub(crate) type Wrong = Vec<String>;

/// Judges a scene at rest. `version` is what every server was to run in the end.
pub(crate) async fn judge(scene: &mut Scene, seen: &[ServerView], agreed: &Agreed, version: &str) -> Wrong {
    let jobs: Vec<JobView> = scene.peer().json("/api/v1/jobs").await.expect("jobs");
    // Published once more as it ends.
    scene.stop_controller().await;
    block_in_place(|| judge_at_rest(scene, seen, &jobs, agreed, version))
}

fn judge_at_rest(
    scene: &Scene,
    seen: &[ServerView],
    jobs: &[JobView],
    agreed: &Agreed,
    version: &str,
) -> Wrong {
    let mut wrong = Wrong::new();
    ledger(scene, &mut wrong);
    for (index, server) in seen.iter().enumerate() {
        let mut own = Wrong::new();
        let name = name(index);
        let entries: BTreeSet<&str> =
            agreed.entries.iter().filter(|(who, _)| *who == name).map(|(_, entry)| entry.as_str()).collect();
        let jobs: Vec<&JobView> = jobs.iter().filter(|job| job.server == name).collect();
        if jobs.len() != entries.len() || jobs.iter().any(|job| job.outcome.as_deref() != Some("succeeded")) {
            own.push(format!("{} entries were agreed to, and these are its jobs: {jobs:?}", entries.len()));
        }
        let attempts: u32 = jobs.iter().map(|job| job.attempt).sum();
        machine(scene, index, entries.len(), attempts as usize, &mut own);
        bmc(scene, index, entries.len(), &mut own);
        published(scene, index, server, &entries, version, &mut own);
        wrong.extend(own.into_iter().map(|what| format!("{name}: {what}")));
    }
    wrong
}

/// What happened inside of the machine.
fn machine(scene: &Scene, index: usize, installs: usize, attempts: usize, wrong: &mut Wrong) {
    let report = scene.machines.simulated[index].report();
    let mut granted: BTreeSet<&str> = BTreeSet::new();
    let mut wrote: BTreeSet<&str> = BTreeSet::new();
    let mut heard: BTreeSet<&str> = BTreeSet::new();
    let mut unread = 0;
    for event in &report.events {
        let boot = event.boot_id.as_str();
        match &event.what {
            Happening::PermitAsked { decision, .. } if decision.as_deref() == Some("granted") => {
                granted.insert(boot);
            }
            Happening::StepStarted { unit } if unit == Stage::Partition.unit() => {
                if !granted.contains(boot) {
                    wrong.push(format!("boot {boot} writes without a permit"));
                }
                if !wrote.insert(boot) {
                    wrong.push(format!("boot {boot} writes twice"));
                }
            }
            Happening::StepEnded { unit, error: Some(error) } => wrong.push(format!("{unit}: {error}")),
            Happening::WebhookTried { status, answer: Some(200..=299), .. } if status == "success" => {
                heard.insert(boot);
            }
            Happening::Stopped { cause } if wrote.contains(boot) && !heard.contains(boot) => {
                wrong.push(format!("{cause:?} while boot {boot} writes"));
            }
            Happening::NotBooted { .. } => unread += 1,
            _ => {}
        }
    }
    if wrote.len() != installs || report.installs != installs as u64 {
        wrong.push(format!("{installs} were agreed to, and {} installs were begun", wrote.len()));
    }
    if heard.len() != installs {
        wrong.push(format!("{} successes were heard of {installs}", heard.len()));
    }
    // A machine that could not read its medium, because nobody served it, costs an attempt.
    if attempts > installs + unread {
        wrong.push(format!("{attempts} attempts for {installs} installs, {unread} media were not readable"));
    }
}

/// What the BMC was told, and how it stands.
fn bmc(scene: &Scene, index: usize, installs: usize, wrong: &mut Wrong) {
    let bmc = &scene.machines.farm.bmcs()[index];
    let mut boots: BTreeMap<String, usize> = BTreeMap::new();
    let mut inserted: BTreeMap<String, usize> = BTreeMap::new();
    let mut from_disk = 0;
    for record in bmc.log(0) {
        let What::Event(event) = record.what else { continue };
        match event {
            Event::Boot { device: BootDevice::Disk, .. } => from_disk += 1,
            Event::Boot { image: Some(image), .. } => *boots.entry(image).or_default() += 1,
            Event::Inserted { image, .. } => *inserted.entry(image).or_default() += 1,
            Event::Reset { kind } if !HARMLESS.contains(&kind.as_str()) => {
                wrong.push(format!("it was sent {kind}"));
            }
            Event::Ejected { while_running: true, image, .. } => {
                wrong.push(format!("{image} was taken out of a machine that ran"));
            }
            _ => {}
        }
    }
    for (what, counts) in [("booted", &boots), ("inserted", &inserted)] {
        for (image, count) in counts.iter().filter(|(_, count)| **count > 1) {
            wrong.push(format!("{image} was {what} {count} times"));
        }
    }
    if from_disk != installs {
        wrong.push(format!("it booted from its disk {from_disk} times after {installs} installs"));
    }
    let state = bmc.state();
    if let Some(slot) = state.slots.iter().find(|slot| slot.image.is_some()) {
        wrong.push(format!("{:?} is still in", slot.image));
    }
    if state.boot_override.enabled != Enabled::Disabled {
        wrong.push(format!("a boot override stands: {:?}", state.boot_override));
    }
}

/// What the status branch and the disk say, beside what the API said.
fn published(
    scene: &Scene,
    index: usize,
    seen: &ServerView,
    entries: &BTreeSet<&str>,
    version: &str,
    wrong: &mut Wrong,
) {
    let path = format!("shoal/status:servers/{}.json", name(index));
    let text = scene.programs.git(&scene.place.bare(), &["show", &path]).unwrap_or_default();
    let Ok(status) = serde_json::from_str::<ServerStatus>(&text) else {
        return wrong.push(format!("its status is not on the branch: {text:?}"));
    };
    let installed =
        status.record.installed.as_ref().filter(|_| status.record.state == RecordState::Installed);
    if installed.is_none_or(|installed| installed.version != version) {
        wrong.push(format!("the status branch does not say that it has {version}: {text}"));
    }
    // Whether it was seen to start may have been learnt in between.
    let mut told = seen.status.record.clone();
    if let (Some(told), Some(installed)) = (&mut told.installed, installed) {
        told.boot_observed |= installed.boot_observed;
    }
    if status.record != told {
        wrong.push(format!("the status branch has another record than the API: {text}"));
    }
    let disk = scene.machines.simulated[index].disks()[0].path().to_owned();
    let stamp = read_back(&disk).expect("the disk can be read").and_then(|found| found.stamp);
    let Some(stamp) = stamp else { return wrong.push("its disk has no stamp".to_owned()) };
    if installed.and_then(|installed| installed.job.as_ref()) != Some(&stamp.job_id) {
        wrong.push(format!("its disk was written by job {}, and the branch says {text}", stamp.job_id));
    }
    if !entries.contains(stamp.entry_digest.to_string().as_str()) {
        wrong.push(format!("its disk was written for {}, which nobody agreed to", stamp.entry_digest));
    }
}

/// One database wrote the branch, and never went back.
fn ledger(scene: &Scene, wrong: &mut Wrong) {
    let git = |args: &[&str]| scene.programs.git(&scene.place.bare(), args).expect("git");
    let mut last: Option<StatusSummary> = None;
    for commit in git(&["rev-list", "--reverse", "shoal/status"]).lines() {
        let text = git(&["show", &format!("{commit}:summary.json")]);
        let summary: StatusSummary = serde_json::from_str(&text).expect("a summary");
        if let Some(last) = &last
            && (last.ledger != summary.ledger || last.counter > summary.counter)
        {
            wrong.push(format!("the status branch went from {last:?} to {summary:?}"));
        }
        last = Some(summary);
    }
    if last.is_none() {
        wrong.push("nothing was published".to_owned());
    }
}

/// Whether a record of a BMC is worth a line in what a failed test tells.
pub(crate) fn is_worth_telling(record: &Record) -> bool {
    match &record.what {
        What::Event(Event::SessionOpened { .. } | Event::SessionClosed { .. }) => false,
        What::Event(_) => true,
        What::Request(request) => {
            !matches!(request.method.as_str(), "GET" | "HEAD") && !request.path.contains("/Sessions")
        }
    }
}
