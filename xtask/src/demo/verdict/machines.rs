// SPDX-License-Identifier: AGPL-3.0-or-later
//! Facts from the emulators' request logs and states: what really reached the machines.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{Check, Found, all};
use crate::demo::evidence::{Evidence, Machine};

/// All that a BMC may be told to do with the power.
const HARMLESS: [&str; 4] = ["On", "ForceOff", "GracefulShutdown", "PushPowerButton"];

pub(super) const FACTS: &[Check] = &[
    Check { name: "no machine booted an install twice", source: "bmc log", judge: boots },
    Check {
        name: "every machine started its own disk after each install",
        source: "bmc log",
        judge: disk_boots,
    },
    Check { name: "machines were switched on and off, and never reset", source: "bmc log", judge: resets },
    Check { name: "every medium was made for one machine and one attempt", source: "bmc log", judge: media },
    Check {
        name: "no more machines of a rack were in flight than the Fleet allows",
        source: "bmc log",
        judge: limit,
    },
    Check { name: "no BMC refused an account", source: "bmc state", judge: logins },
    Check { name: "every slot is empty", source: "bmc state", judge: slots },
    Check { name: "no boot override stands", source: "bmc state", judge: overrides },
    Check {
        name: "power is as wanted: running where installed, off where it failed",
        source: "bmc state",
        judge: power,
    },
];

/// Each machine of the cast with its name; what is missing is a failure of its own.
fn each(evidence: &Evidence, mut check: impl FnMut(&str, &Machine) -> Option<String>) -> Vec<String> {
    let mut wrong = Vec::new();
    if evidence.cast.is_empty() {
        wrong.push("there is no machine".to_owned());
    }
    for actor in &evidence.cast {
        match evidence.machines.get(&actor.name) {
            Some(machine) => wrong.extend(check(&actor.name, machine)),
            None => wrong.push(format!("nothing is known of {}", actor.name)),
        }
    }
    wrong
}

/// The attempts of a server's jobs, which is how often media may have been booted.
fn attempts(evidence: &Evidence, server: &str) -> usize {
    evidence.api.jobs.iter().filter(|job| job.server == server).map(|job| job.attempt as usize).sum()
}

fn boots(evidence: &Evidence) -> Found {
    let mut total = 0;
    let wrong = each(evidence, |name, machine| {
        let mut by_image: BTreeMap<&str, usize> = BTreeMap::new();
        for image in machine.media_boots().filter_map(|boot| boot.image.as_deref()) {
            *by_image.entry(image).or_default() += 1;
        }
        if by_image.values().any(|count| *count > 1) {
            return Some(format!("{name} booted the same medium more than once"));
        }
        let count = machine.media_boots().count();
        total += count;
        let actor = evidence.cast.iter().find(|actor| actor.name == name)?;
        let expected = match actor.fails_in {
            // Each attempt of the one that fails is a boot of its own.
            Some(_) => attempts(evidence, name),
            None => actor.installs(),
        };
        (count != expected).then(|| format!("{name} booted from media {count} times, not {expected}"))
    });
    all(wrong, || format!("{total} boots from media, each of a medium of its own"))
}

fn disk_boots(evidence: &Evidence) -> Found {
    let mut total = 0;
    let wrong = each(evidence, |name, machine| {
        let count = machine.boots.len() - machine.media_boots().count();
        total += count;
        let actor = evidence.cast.iter().find(|actor| actor.name == name)?;
        let expected = actor.installs();
        (count != expected).then(|| format!("{name} booted from disk {count} times, not {expected}"))
    });
    all(wrong, || format!("{total} boots from disk"))
}

fn resets(evidence: &Evidence) -> Found {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    let wrong = each(evidence, |name, machine| {
        for reset in &machine.resets {
            *counts.entry(reset.clone()).or_default() += 1;
        }
        let bad: Vec<&String> =
            machine.resets.iter().filter(|kind| !HARMLESS.contains(&kind.as_str())).collect();
        if machine.resets.iter().all(|kind| kind != "On") {
            return Some(format!("{name} was never switched on"));
        }
        (!bad.is_empty()).then(|| format!("{name} was sent {bad:?}"))
    });
    all(wrong, || {
        let counts: Vec<String> = counts.iter().map(|(kind, count)| format!("{count} × {kind}")).collect();
        counts.join(", ")
    })
}

fn media(evidence: &Evidence) -> Found {
    let mut owner: BTreeMap<&str, &str> = BTreeMap::new();
    let mut wrong = Vec::new();
    for (name, machine) in &evidence.machines {
        for image in &machine.inserted {
            let Some(capability) = capability(image) else {
                wrong.push(format!("{name} was given {image}, which is no medium of the controller's"));
                continue;
            };
            let first = *owner.entry(capability).or_insert(name);
            if first != name {
                wrong.push(format!("{first} and {name} were given the same medium"));
            }
        }
        for image in machine.media_boots().filter_map(|boot| boot.image.as_ref()) {
            if !machine.inserted.contains(image) {
                wrong.push(format!("{name} booted {image}, which nobody inserted"));
            }
        }
    }
    if owner.is_empty() {
        wrong.push("no medium was inserted".to_owned());
    }
    all(wrong, || format!("{} media, none of them shared", owner.len()))
}

/// `…/media/{capability}/{name}`
fn capability(image: &str) -> Option<&str> {
    let (_, rest) = image.split_once("/media/")?;
    rest.split_once('/').map(|(capability, _)| capability)
}

fn limit(evidence: &Evidence) -> Found {
    let mut racks: BTreeMap<&str, Vec<(Timestamp, i32)>> = BTreeMap::new();
    for actor in &evidence.cast {
        let Some(machine) = evidence.machines.get(&actor.name) else { continue };
        let changes = racks.entry(&actor.rack).or_default();
        for boot in machine.media_boots() {
            changes.push((boot.at, 1));
            // One that never stopped is in flight to this day.
            changes.extend(machine.stops.iter().find(|stop| **stop > boot.at).map(|end| (*end, -1)));
        }
    }
    let mut most = 0;
    let mut wrong = Vec::new();
    for (rack, mut changes) in racks {
        // At the same moment the end of one comes before the start of another.
        changes.sort_unstable();
        let mut now = 0;
        for (_, change) in changes {
            now += change;
            most = most.max(now);
            if usize::try_from(now).is_ok_and(|now| now > evidence.rack_limit) {
                wrong.push(format!("{now} machines of rack {rack} ran the maintenance OS at once"));
            }
        }
    }
    if most == 0 {
        wrong.push("no machine ever ran the maintenance OS".to_owned());
    }
    all(wrong, || format!("at most {most} at once, {} allowed", evidence.rack_limit))
}

fn logins(evidence: &Evidence) -> Found {
    let wrong = each(evidence, |name, machine| {
        (machine.refused_logins > 0).then(|| format!("{name} refused {} logins", machine.refused_logins))
    });
    all(wrong, || format!("{} BMCs, none refused", evidence.machines.len()))
}

fn slots(evidence: &Evidence) -> Found {
    let wrong = each(evidence, |name, machine| {
        (!machine.media.is_empty()).then(|| format!("{name} still has {} media in", machine.media.len()))
    });
    all(wrong, || format!("{} machines, nothing in", evidence.machines.len()))
}

fn overrides(evidence: &Evidence) -> Found {
    let wrong = each(evidence, |name, machine| {
        (machine.boot_override != "Disabled")
            .then(|| format!("{name} boots elsewhere: {}", machine.boot_override))
    });
    all(wrong, || format!("{} machines, all Disabled", evidence.machines.len()))
}

fn power(evidence: &Evidence) -> Found {
    let mut on = 0;
    let wrong = each(evidence, |name, machine| {
        let actor = evidence.cast.iter().find(|actor| actor.name == name)?;
        let (power, progress) = (machine.power.as_str(), machine.progress.as_str());
        if actor.fails_in.is_some() {
            return (power != "Off").then(|| format!("{name} is {power}, its disk is half written"));
        }
        on += 1;
        (power != "On" || progress != "OSRunning").then(|| format!("{name} is {power}, {progress}"))
    });
    all(wrong, || format!("{on} run their own system, {} off", evidence.cast.len() - on))
}
