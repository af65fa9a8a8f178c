// SPDX-License-Identifier: AGPL-3.0-or-later
//! What people see of a server: its conditions. A condition keeps its time while it stays as it is.

use shoal_schema::plan::{Action, ApprovalState, Class, Entry, HoldCode};
use shoal_schema::status::{Condition, ConditionType, RecordState, ServerStatus};

use crate::decide::Turn;
use crate::job::Job;

/// What a server's conditions are judged by.
pub struct View<'a> {
    /// As it was last published.
    pub status: &'a ServerStatus,
    /// The plan's entry; nothing where all is as wanted.
    pub entry: Option<&'a Entry>,
    /// Why it waits although nothing in the plan holds it.
    pub turn: Option<&'a Turn>,
    /// The active job.
    pub job: Option<&'a Job>,
    /// Why its documents cannot be read.
    pub broken: Option<&'a str>,
    /// Why it needs a person.
    pub stalled: Option<&'a str>,
}

struct Judged {
    kind: ConditionType,
    status: bool,
    reason: &'static str,
    message: String,
}

/// The conditions now, with the times of those that did not change.
pub fn conditions(view: &View<'_>, now: jiff::Timestamp) -> Vec<Condition> {
    judge(view)
        .into_iter()
        .map(|judged| {
            let before = view.status.conditions.iter().find(|c| c.kind == judged.kind);
            let since = match before {
                Some(c) if c.status == judged.status && c.reason == judged.reason => c.since,
                _ => now,
            };
            Condition {
                kind: judged.kind,
                status: judged.status,
                reason: judged.reason.to_owned(),
                message: judged.message,
                since,
            }
        })
        .collect()
}

fn judge(view: &View<'_>) -> Vec<Judged> {
    let mut all = vec![ready(view)];
    if let Some(job) = view.job {
        all.push(Judged {
            kind: ConditionType::Reconciling,
            status: true,
            reason: "JobActive",
            message: format!("job {} is active, attempt {}", job.id.short(), job.attempt),
        });
    } else if let Some(waiting) = waiting(view) {
        all.push(waiting);
    }
    if let Some(why) = view.stalled {
        let dirty = view.status.record.state == RecordState::Dirty;
        all.push(Judged {
            kind: ConditionType::Stalled,
            status: true,
            reason: if dirty { "DiskWritten" } else { "Failed" },
            message: if dirty { format!("disk written: {why}") } else { why.to_owned() },
        });
    }
    if let Some(why) = view.broken {
        all.push(Judged {
            kind: ConditionType::Stalled,
            status: true,
            reason: "InvalidInventory",
            message: format!("the last good version stays in force: {why}"),
        });
    }
    if !view.status.drift.is_empty() {
        all.push(Judged {
            kind: ConditionType::Drifted,
            status: true,
            reason: "Drift",
            message: view.status.drift.join("; "),
        });
    }
    if let Some(hold) = view.entry.and_then(|e| e.holds.iter().find(|h| h.code == HoldCode::Suspended)) {
        all.push(Judged {
            kind: ConditionType::Suspended,
            status: true,
            reason: "Suspended",
            message: hold.message.clone(),
        });
    }
    all
}

fn ready(view: &View<'_>) -> Judged {
    let record = &view.status.record;
    let not = |reason, message: String| Judged { kind: ConditionType::Ready, status: false, reason, message };
    if view.job.is_some() {
        return not("Installing", "an install is under way".to_owned());
    }
    match view.entry {
        Some(entry) if entry.class == Class::Destructive => {
            return not("Outdated", "it does not run what Git says".to_owned());
        }
        Some(entry) if entry.class == Class::Disruptive || entry.action == Action::PowerOn => {
            return not("PowerDrift", "its power is not as Git says".to_owned());
        }
        _ => {}
    }
    let message = match (&record.installed, record.state) {
        (Some(installed), RecordState::Adopted) => {
            format!("{} {}, adopted, unverified", installed.image, installed.version)
        }
        (Some(installed), _) if installed.boot_observed => {
            format!("{} {} is installed and was seen to start", installed.image, installed.version)
        }
        (Some(installed), _) => {
            format!("{} {} is installed, boot not observed", installed.image, installed.version)
        }
        (None, _) => "watched; nothing is to be installed".to_owned(),
    };
    Judged { kind: ConditionType::Ready, status: true, reason: "AsWanted", message }
}

fn waiting(view: &View<'_>) -> Option<Judged> {
    let entry = view.entry?;
    if entry.action == Action::None {
        return None;
    }
    let judged = |reason, message: String| {
        Some(Judged { kind: ConditionType::Reconciling, status: true, reason, message })
    };
    if matches!(entry.approval, ApprovalState::Needed | ApprovalState::Expired { .. }) {
        return judged("ApprovalNeeded", format!("waits for approval of entry {}", entry.digest.short()));
    }
    if let Some(hold) = entry.holds.first() {
        return judged("Held", hold.message.clone());
    }
    match view.turn {
        Some(Turn::Wait { message, .. }) => judged("Waiting", message.clone()),
        _ => judged("Pending", "waits for its turn".to_owned()),
    }
}
