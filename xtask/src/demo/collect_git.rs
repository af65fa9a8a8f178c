// SPDX-License-Identifier: AGPL-3.0-or-later
//! Evidence from Git, read with `git` out of the bare repository, as anybody with a clone would.

use std::collections::BTreeMap;

use anyhow::Context as _;
use serde::Serialize;
use shoal_schema::kinds::Approval;
use shoal_schema::status::{SUMMARY_PATH, ServerStatus, StatusSummary};

use super::evidence::{ErrorFound, Git, ServerFound, StatusCommit};
use shoal_testbed_site::Place;
use shoal_testbed_site::Programs;

/// The branch that people push to.
const MAIN: &str = "main";
/// The branch that the controller pushes to.
pub(crate) const STATUS: &str = "shoal/status";

/// Everything that Git shows.
pub(crate) fn git(programs: &Programs, place: &Place) -> anyhow::Result<Git> {
    let summary: StatusSummary = serde_json::from_str(&show(programs, place, STATUS, SUMMARY_PATH)?)
        .context("understand the summary")?;
    Ok(Git {
        main: run(programs, place, &["rev-parse", MAIN])?.trim().to_owned(),
        in_force: summary.commit,
        ledger: summary.ledger.to_string(),
        commits: commits(programs, place)?,
        servers: servers(programs, place)?,
        approved: approved(programs, place)?,
    })
}

/// The servers on the status branch, by name.
pub(crate) fn servers(programs: &Programs, place: &Place) -> anyhow::Result<BTreeMap<String, ServerFound>> {
    let mut found = BTreeMap::new();
    for path in run(programs, place, &["ls-tree", "-r", "--name-only", STATUS, "servers/"])?.lines() {
        let text = show(programs, place, STATUS, path)?;
        let status: ServerStatus =
            serde_json::from_str(&text).with_context(|| format!("understand {path}"))?;
        found.insert(status.name.clone(), server(status));
    }
    Ok(found)
}

/// Everything that ever stood on the status branch, with its messages.
pub(crate) fn whole_status_history(programs: &Programs, place: &Place) -> anyhow::Result<String> {
    run(programs, place, &["log", "--patch", STATUS])
}

fn server(status: ServerStatus) -> ServerFound {
    let holding = status.conditions.into_iter().filter(|condition| condition.status);
    ServerFound {
        state: word(&status.record.state),
        version: status.record.installed.as_ref().map(|installed| installed.version.clone()),
        boot_observed: status.record.installed.is_some_and(|installed| installed.boot_observed),
        job: status.job.as_ref().map(|job| job.id.to_string()),
        outcome: status.job.and_then(|job| job.outcome),
        applied_entry: status.applied_entry.map(|digest| digest.to_string()),
        conditions: holding.map(|condition| (word(&condition.kind), condition.reason)).collect(),
        error: status.last_error.map(|error| ErrorFound {
            step: error.step.key().to_owned(),
            unit: error.unit,
            message: error.message,
            hint: error.hint,
        }),
    }
}

fn commits(programs: &Programs, place: &Place) -> anyhow::Result<Vec<StatusCommit>> {
    let format = "--format=%H%x09%P%x09%(trailers:key=Shoal-Ledger,valueonly,separator=%x2C)";
    let log = run(programs, place, &["log", format, STATUS])?;
    let commit = |line: &str| {
        let mut parts = line.split('\t');
        let mut next = || parts.next().unwrap_or_default().trim();
        let (id, parents, ledger) = (next(), next(), next());
        StatusCommit {
            id: id.to_owned(),
            parents: parents.split_whitespace().count(),
            ledger: ledger.to_owned(),
        }
    };
    Ok(log.lines().map(commit).collect())
}

fn approved(programs: &Programs, place: &Place) -> anyhow::Result<Vec<(String, String)>> {
    let mut found = Vec::new();
    for path in run(programs, place, &["ls-tree", "-r", "--name-only", MAIN, "approvals/"])?.lines() {
        let text = show(programs, place, MAIN, path)?;
        let approval: Approval = yaml_serde::from_str(&text).with_context(|| format!("understand {path}"))?;
        let entries = approval.spec.entries.into_iter();
        found.extend(entries.map(|entry| (entry.server, entry.entry.to_string())));
    }
    found.sort();
    Ok(found)
}

fn show(programs: &Programs, place: &Place, branch: &str, path: &str) -> anyhow::Result<String> {
    run(programs, place, &["show", &format!("{branch}:{path}")])
}

fn run(programs: &Programs, place: &Place, args: &[&str]) -> anyhow::Result<String> {
    programs.git(&place.bare(), args)
}

/// A unit variant as its JSON has it.
pub(crate) fn word<T: Serialize>(value: &T) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        other => format!("{other:?}"),
    }
}
