// SPDX-License-Identifier: AGPL-3.0-or-later
//! Facts about the story itself: that it was told at all, and what secrets it let out.

use super::{Check, Found, all};
use crate::demo::evidence::Evidence;

/// What `kill -9` sends.
const SIGKILL: i32 = 9;
/// `shoal plan` found destructive changes that nobody agreed to.
const UNAPPROVED: i32 = 3;

pub(super) const FACTS: &[Check] = &[
    Check {
        name: "the controller was killed in the middle of installs",
        source: "kernel, api",
        judge: killed,
    },
    Check { name: "SIGTERM ended the controller in good order", source: "kernel", judge: stopped },
    Check {
        name: "the version bump was held until it was approved",
        source: "plan, git, bmc log",
        judge: held,
    },
    Check { name: "no secret is in anything that people or logs can read", source: "search", judge: secrets },
];

fn killed(evidence: &Evidence) -> Found {
    let crash = &evidence.crash;
    let mut wrong = Vec::new();
    if crash.signal != Some(SIGKILL) {
        wrong.push(format!("it ended by signal {:?}, not by SIGKILL", crash.signal));
    }
    if crash.in_flight.len() < 2 {
        wrong.push(format!("{} jobs were active, too few to be the middle", crash.in_flight.len()));
    }
    all(wrong, || {
        let jobs: Vec<String> =
            crash.in_flight.iter().map(|job| format!("{} {}", job.server, job.phase)).collect();
        format!("SIGKILL while {}", jobs.join(", "))
    })
}

fn stopped(evidence: &Evidence) -> Found {
    match evidence.crash.stopped {
        Some(0) => Ok("exit code 0".to_owned()),
        other => Err(format!("exit code {other:?}")),
    }
}

fn held(evidence: &Evidence) -> Found {
    let bump = &evidence.bump;
    let mut wrong = Vec::new();
    if bump.plan_exit != Some(UNAPPROVED) {
        wrong.push(format!("'shoal plan' exited with {:?}, not with {UNAPPROVED}", bump.plan_exit));
    }
    let bumped: Vec<&str> = evidence
        .cast
        .iter()
        .filter(|actor| actor.bumped_from.is_some())
        .map(|actor| actor.name.as_str())
        .collect();
    let planned: Vec<&str> = bump.planned.keys().map(String::as_str).collect();
    if planned != bumped || bumped.is_empty() {
        wrong.push(format!("the plan had entries of {planned:?}, not of {bumped:?}"));
    }
    for (server, entry) in &bump.planned {
        if entry.approval != "needed" || entry.action != "reinstall" {
            wrong.push(format!("{server} was planned as {} with approval {}", entry.action, entry.approval));
        }
    }
    for server in &bumped {
        let word = bump.held_as.get(*server).map_or("nothing", String::as_str);
        if word != "ApprovalNeeded" {
            wrong.push(format!("{server} was published with {word}, not with ApprovalNeeded"));
        }
    }
    if !bump.happened_while_held.is_empty() {
        wrong.push(format!("while held: {}", bump.happened_while_held.join(", ")));
    }
    all(wrong, || {
        format!(
            "{} planned as reinstall, needed; nothing happened to any machine in {} ms",
            bumped.join(", "),
            bump.held_ms
        )
    })
}

fn secrets(evidence: &Evidence) -> Found {
    let search = &evidence.search;
    let mut wrong: Vec<String> = search.found.clone();
    if search.planted == 0 || !search.proven {
        wrong.push("the search proves nothing: it does not find what was put there for it".to_owned());
    }
    for (what, bytes) in search.searched.iter().filter(|(_, bytes)| **bytes == 0) {
        wrong.push(format!("{what} had {bytes} bytes to search"));
    }
    if search.searched.is_empty() {
        wrong.push("nothing was searched".to_owned());
    }
    all(wrong, || {
        let bytes: usize = search.searched.values().sum();
        format!(
            "{} secrets, plain, base64, hex and URL-encoded, in {} KiB of {}",
            search.planted,
            bytes / 1024,
            search.searched.keys().cloned().collect::<Vec<_>>().join(", ")
        )
    })
}
