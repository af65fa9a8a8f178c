// SPDX-License-Identifier: AGPL-3.0-or-later
//! Evidence over HTTP and from files: jobs from the controller, boots and slots from the emulators'
//! control endpoint, stamps and seeds from the disks.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use shoal_schema::api::JobView;
use shoal_schema::plan::{Class, Plan};
use shoal_testbed::bmc::{Event, Record, Snapshot, What};
use shoal_testbed::machine::{Installed, read_back};

use super::cast::Player;
use super::collect_git::word;
use super::evidence::{Api, Boot, DiskFound, JobFound, Machine, StampFound};
use shoal_testbed_site::Peer;

/// What a resumed job says of itself.
const RESUMED: &str = "the controller came back";
/// A disk that nobody wrote to begins with this many zero bytes.
const LOOKED_AT: usize = 1 << 20;

/// What the controller says.
pub(crate) async fn api(controller: &Peer) -> anyhow::Result<Api> {
    let listed: Vec<JobView> = controller.json("/api/v1/jobs").await?;
    let mut jobs = Vec::new();
    for job in listed {
        // The list leaves the events out.
        jobs.push(job_found(controller.json(&format!("/api/v1/jobs/{}", job.job_id)).await?));
    }
    let plan: Plan = controller.json("/api/v1/plan").await?;
    let destructive = plan.entries.iter().filter(|entry| entry.class == Class::Destructive);
    Ok(Api {
        ready: controller.get("/readyz").await?.0 == 200,
        jobs,
        pending: destructive.map(|entry| entry.server.clone()).collect(),
    })
}

fn job_found(job: JobView) -> JobFound {
    JobFound {
        resumed: job.events.iter().any(|event| event.message.starts_with(RESUMED)),
        id: job.job_id.to_string(),
        server: job.server,
        status: job.status,
        outcome: job.outcome,
        attempt: job.attempt,
        failed_step: job.failed_step.map(|step| step.key().to_owned()),
    }
}

/// The records of a BMC behind a number, as the control endpoint has them.
pub(crate) async fn log(control: &Peer, index: usize, after: u64) -> anyhow::Result<Vec<Record>> {
    control.json(&format!("/control/bmc/{index}/log?after={after}")).await
}

/// What really happened to each machine, and how it stands now.
pub(crate) async fn machines(
    control: &Peer,
    players: &[Player],
) -> anyhow::Result<BTreeMap<String, Machine>> {
    let states: Vec<Snapshot> = control.json("/control/bmcs").await?;
    let mut found = BTreeMap::new();
    for (index, (player, state)) in players.iter().zip(states).enumerate() {
        let log = log(control, index, 0).await?;
        found.insert(player.name().to_owned(), machine(&log, state));
    }
    Ok(found)
}

fn machine(log: &[Record], state: Snapshot) -> Machine {
    let mut machine = Machine {
        boots: Vec::new(),
        stops: Vec::new(),
        resets: Vec::new(),
        inserted: Vec::new(),
        media: state.slots.into_iter().filter_map(|slot| slot.image).collect(),
        boot_override: word(&state.boot_override.enabled),
        power: word(&state.power),
        progress: word(&state.progress),
        refused_logins: state.counters.logins_refused,
    };
    for record in log {
        let What::Event(event) = &record.what else { continue };
        match event {
            Event::Boot { image, .. } => machine.boots.push(Boot { at: record.at, image: image.clone() }),
            Event::PoweredOff | Event::Stopped { .. } => machine.stops.push(record.at),
            Event::Reset { kind } => machine.resets.push(kind.clone()),
            Event::Inserted { image, .. } => machine.inserted.push(image.clone()),
            _ => {}
        }
    }
    machine
}

/// What a person would call something that happened to a machine; nothing for looking and for the
/// machine's own progress.
pub(crate) fn happened(record: &Record) -> Option<String> {
    match &record.what {
        What::Event(Event::SessionOpened { .. } | Event::SessionClosed { .. } | Event::Progress { .. }) => {
            None
        }
        What::Event(event) => Some(format!("{event:?}")),
        What::Request(request) => {
            let looking = matches!(request.method.as_str(), "GET" | "HEAD");
            let session = request.path.contains("/Sessions");
            (!looking && !session).then(|| format!("{} {}", request.method, request.path))
        }
    }
}

/// What is on each machine's disks.
pub(crate) fn disks(
    players: &[Player],
    files: &[Vec<PathBuf>],
) -> anyhow::Result<BTreeMap<String, DiskFound>> {
    let mut found = BTreeMap::new();
    for (player, files) in players.iter().zip(files) {
        let (first, others) = files.split_first().context("find the disk of a machine")?;
        let installed = read_back(first).with_context(|| format!("read the disk of {}", player.name()))?;
        let mut disk = disk(installed);
        for (file, other) in others.iter().zip(&player.identity.disks[1..]) {
            if !begins_with_zeros(file)? {
                disk.others_written.push(other.path.clone());
            }
        }
        found.insert(player.name().to_owned(), disk);
    }
    Ok(found)
}

fn disk(installed: Option<Installed>) -> DiskFound {
    let Some(installed) = installed else {
        return DiskFound {
            partitions: Vec::new(),
            misplaced: Vec::new(),
            stamp: None,
            bootable: false,
            hostname: None,
            others_written: Vec::new(),
        };
    };
    let mut misplaced = Vec::new();
    let mut end = 0;
    for partition in &installed.partitions {
        if partition.offset < end || partition.len == 0 {
            misplaced.push(format!("partition {} begins inside of the one before", partition.number));
        }
        end = partition.offset + partition.len;
    }
    let user_data = installed.seed.and_then(|seed| seed.user_data);
    DiskFound {
        partitions: installed.partitions.into_iter().map(|partition| partition.name).collect(),
        misplaced,
        stamp: installed.stamp.map(|stamp| StampFound {
            job: stamp.job_id.to_string(),
            entry: stamp.entry_digest.to_string(),
            ledger: stamp.ledger.to_string(),
            server: stamp.server,
        }),
        bootable: installed.boot_loader,
        hostname: user_data.as_deref().and_then(hostname),
        others_written: Vec::new(),
    }
}

/// `hostname: "web-01"`
fn hostname(user_data: &str) -> Option<String> {
    let line = user_data.lines().find_map(|line| line.strip_prefix("hostname:"))?;
    Some(line.trim().trim_matches('"').to_owned())
}

fn begins_with_zeros(path: &Path) -> anyhow::Result<bool> {
    let mut bytes = Vec::with_capacity(LOOKED_AT);
    let file = File::open(path).with_context(|| format!("open {}", path.display()))?;
    file.take(LOOKED_AT as u64)
        .read_to_end(&mut bytes)
        .with_context(|| format!("read {}", path.display()))?;
    Ok(bytes.iter().all(|byte| *byte == 0))
}
