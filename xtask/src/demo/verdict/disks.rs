// SPDX-License-Identifier: AGPL-3.0-or-later
//! Facts from the disk files: what a machine would find on itself.

use super::{Check, Found, all};
use crate::demo::evidence::{Actor, DiskFound, Evidence};

pub(super) const FACTS: &[Check] = &[
    Check { name: "every disk has the partitions of its recipe", source: "disk files", judge: partitions },
    Check {
        name: "every stamp names the job, entry and database that Git names",
        source: "disk files, git",
        judge: stamps,
    },
    Check { name: "every seed has the machine's own host name", source: "disk files", judge: seeds },
    Check {
        name: "the disk of the machine that failed passes for no install",
        source: "disk files",
        judge: failed,
    },
    Check { name: "no disk but the one that Git names was written", source: "disk files", judge: others },
];

/// Each installed machine with its disk.
fn each(evidence: &Evidence, mut check: impl FnMut(&Actor, &DiskFound) -> Vec<String>) -> Vec<String> {
    let mut wrong = Vec::new();
    for actor in evidence.cast.iter().filter(|actor| actor.fails_in.is_none()) {
        match evidence.disks.get(&actor.name) {
            Some(disk) => wrong.extend(check(actor, disk)),
            None => wrong.push(format!("the disk of {} was not read", actor.name)),
        }
    }
    wrong
}

fn partitions(evidence: &Evidence) -> Found {
    let mut count = 0;
    let wrong = each(evidence, |actor, disk| {
        count += disk.partitions.len();
        let mut wrong: Vec<String> =
            disk.misplaced.iter().map(|what| format!("{}: {what}", actor.name)).collect();
        if disk.partitions != actor.partitions || actor.partitions.is_empty() {
            wrong.push(format!("{} has {:?}, not {:?}", actor.name, disk.partitions, actor.partitions));
        }
        if !disk.bootable {
            wrong.push(format!("{} has no boot loader", actor.name));
        }
        wrong
    });
    all(wrong, || format!("{count} partitions, none overlap, a boot loader on each"))
}

fn stamps(evidence: &Evidence) -> Found {
    let wrong = each(evidence, |actor, disk| {
        let name = &actor.name;
        let Some(stamp) = &disk.stamp else { return vec![format!("{name} has no stamp")] };
        let Some(server) = evidence.git.servers.get(name) else {
            return vec![format!("{name} has no status")];
        };
        let mut wrong = Vec::new();
        if Some(&stamp.job) != server.job.as_ref() {
            wrong.push(format!("{name} was written by job {}, Git names {:?}", stamp.job, server.job));
        }
        if Some(&stamp.entry) != server.applied_entry.as_ref() {
            wrong.push(format!(
                "{name} was written for {}, Git names {:?}",
                stamp.entry, server.applied_entry
            ));
        }
        if stamp.ledger != evidence.git.ledger {
            wrong.push(format!("{name} was written by database {}", stamp.ledger));
        }
        if stamp.server != *name {
            wrong.push(format!("{name} was written as {}", stamp.server));
        }
        if !evidence.api.jobs.iter().any(|job| job.id == stamp.job) {
            wrong.push(format!("the API knows no job {}", stamp.job));
        }
        wrong
    });
    all(wrong, || format!("{} stamps", evidence.disks.values().filter(|disk| disk.stamp.is_some()).count()))
}

fn seeds(evidence: &Evidence) -> Found {
    let wrong = each(evidence, |actor, disk| {
        let name = disk.hostname.as_deref().unwrap_or("none");
        if name == actor.name { Vec::new() } else { vec![format!("the seed of {} says {name}", actor.name)] }
    });
    all(wrong, || "user-data on each cidata, rendered for its machine".to_owned())
}

fn failed(evidence: &Evidence) -> Found {
    let mut wrong = Vec::new();
    let mut seen = Vec::new();
    for actor in evidence.cast.iter().filter(|actor| actor.fails_in.is_some()) {
        let Some(disk) = evidence.disks.get(&actor.name) else {
            wrong.push(format!("the disk of {} was not read", actor.name));
            continue;
        };
        if disk.stamp.is_some() {
            wrong.push(format!("{} failed and has a stamp", actor.name));
        }
        if disk.hostname.is_some() {
            wrong.push(format!("{} failed and has a seed", actor.name));
        }
        seen.push(format!("{}: {} partitions, no stamp, no seed", actor.name, disk.partitions.len()));
    }
    if seen.is_empty() && wrong.is_empty() {
        wrong.push("nobody was told to fail".to_owned());
    }
    all(wrong, || seen.join(", "))
}

fn others(evidence: &Evidence) -> Found {
    let wrong = evidence
        .disks
        .iter()
        .flat_map(|(name, disk)| {
            disk.others_written.iter().map(move |path| format!("{name}: {path} was written"))
        })
        .chain(evidence.disks.is_empty().then(|| "no disk was read".to_owned()))
        .collect();
    all(wrong, || format!("{} machines looked at", evidence.disks.len()))
}
