// SPDX-License-Identifier: AGPL-3.0-or-later
//! Facts from Git: what anybody with a clone can see.

use std::collections::{BTreeMap, BTreeSet};

use super::{Check, Found, all};
use crate::demo::evidence::Evidence;

pub(super) const FACTS: &[Check] = &[
    Check { name: "the commit in force is the one that was pushed last", source: "git", judge: in_force },
    Check {
        name: "the status branch is one line of commits by one database",
        source: "git",
        judge: one_line,
    },
    Check { name: "every machine but one runs what Git says", source: "git", judge: installed },
    Check { name: "the machine that failed says where and why", source: "git", judge: failed },
    Check {
        name: "the approval in Git names what was planned, and that was done",
        source: "git",
        judge: approved,
    },
];

fn in_force(evidence: &Evidence) -> Found {
    let git = &evidence.git;
    match &git.in_force {
        Some(commit) if *commit == git.main => Ok(short(commit).to_owned()),
        other => {
            Err(format!("main is at {}, in force is {:?}", short(&git.main), other.as_deref().map(short)))
        }
    }
}

fn one_line(evidence: &Evidence) -> Found {
    let commits = &evidence.git.commits;
    let mut wrong = Vec::new();
    if commits.len() < 3 {
        wrong.push(format!("the status branch has {} commits only", commits.len()));
    }
    for (index, commit) in commits.iter().enumerate() {
        let first = index + 1 == commits.len();
        if commit.parents != usize::from(!first) {
            wrong.push(format!("{} has {} parents", short(&commit.id), commit.parents));
        }
        if commit.ledger != evidence.git.ledger {
            wrong.push(format!("{} is of ledger {}", short(&commit.id), commit.ledger));
        }
    }
    all(wrong, || format!("{} commits, ledger {}", commits.len(), short(&evidence.git.ledger)))
}

fn installed(evidence: &Evidence) -> Found {
    let mut wrong = Vec::new();
    let mut versions: BTreeMap<&str, usize> = BTreeMap::new();
    for actor in evidence.cast.iter().filter(|actor| actor.fails_in.is_none()) {
        let Some(server) = evidence.git.servers.get(&actor.name) else {
            wrong.push(format!("{} has no status", actor.name));
            continue;
        };
        let version = server.version.as_deref().unwrap_or("nothing");
        if server.state != "installed" || version != actor.version {
            wrong.push(format!(
                "{} is {} with {version}, not installed with {}",
                actor.name, server.state, actor.version
            ));
        }
        if server.outcome.as_deref() != Some("succeeded") {
            wrong.push(format!("the last job of {} ended as {:?}", actor.name, server.outcome));
        }
        if actor.tells_progress && !server.boot_observed {
            wrong.push(format!("{} was not seen to start", actor.name));
        }
        if !server.conditions.contains_key("Ready") || server.error.is_some() {
            wrong.push(format!("{} is not ready: {:?}", actor.name, server.conditions));
        }
        *versions.entry(version).or_default() += 1;
    }
    all(wrong, || {
        let counts: Vec<String> =
            versions.iter().map(|(version, count)| format!("{count} × {version}")).collect();
        counts.join(", ")
    })
}

fn failed(evidence: &Evidence) -> Found {
    let mut wrong = Vec::new();
    let mut said = Vec::new();
    for actor in &evidence.cast {
        let Some(unit) = &actor.fails_in else { continue };
        let key = format!("workflow.{}", unit.trim_end_matches(".service"));
        let Some(server) = evidence.git.servers.get(&actor.name) else {
            wrong.push(format!("{} has no status", actor.name));
            continue;
        };
        let Some(error) = &server.error else {
            wrong.push(format!("{} says nothing of an error", actor.name));
            continue;
        };
        if error.step != key || error.unit.as_ref() != Some(unit) {
            wrong.push(format!(
                "{} failed at {} in {:?}, not at {key} in {unit}",
                actor.name, error.step, error.unit
            ));
        }
        if error.message.trim().is_empty() || error.hint.trim().is_empty() {
            wrong.push(format!("{} does not say why or what to do", actor.name));
        }
        if server.state != "dirty"
            || server.conditions.get("Stalled").map(String::as_str) != Some("DiskWritten")
        {
            wrong.push(format!("{} is {} with {:?}", actor.name, server.state, server.conditions));
        }
        said.push(format!("{}: {}: {}", actor.name, error.step, error.message));
    }
    if said.is_empty() && wrong.is_empty() {
        wrong.push("nobody was told to fail".to_owned());
    }
    all(wrong, || said.join("; "))
}

fn approved(evidence: &Evidence) -> Found {
    let planned: BTreeSet<(String, String)> =
        evidence.bump.planned.iter().map(|(server, entry)| (server.clone(), entry.digest.clone())).collect();
    let approved: BTreeSet<(String, String)> = evidence.git.approved.iter().cloned().collect();
    let mut wrong = Vec::new();
    if planned != approved || planned.is_empty() {
        wrong.push(format!("planned {planned:?}, approved {approved:?}"));
    }
    for (server, digest) in &planned {
        let applied = evidence.git.servers.get(server).and_then(|found| found.applied_entry.as_ref());
        if applied != Some(digest) {
            wrong.push(format!("{server} carried out {applied:?}, approved was {digest}"));
        }
    }
    all(wrong, || {
        let entries: Vec<String> = approved
            .iter()
            .map(|(server, digest)| format!("{server} {}", short(digest.trim_start_matches("sha256:"))))
            .collect();
        entries.join(", ")
    })
}

/// The first digits, for people.
fn short(id: &str) -> &str {
    id.get(..10).unwrap_or(id)
}
