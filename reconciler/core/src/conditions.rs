// SPDX-License-Identifier: AGPL-3.0-or-later
//! What people see of a server: its conditions. A condition keeps its time while it stays as it is.

use shoal_schema::plan::{Action, ApprovalState, Entry, HoldCode};
use shoal_schema::status::{
    ANOTHER_CERTIFICATE, Condition, ConditionType, REFUSED_ACCOUNT, RecordState, ServerStatus,
};

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
            let same = |c: &&Condition| {
                c.kind == judged.kind && c.status == judged.status && c.reason == judged.reason
            };
            let since = view.status.conditions.iter().find(same).map_or(now, |c| c.since);
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
    all.extend(stalled(view));
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
    match view.entry.map(|entry| entry.action) {
        Some(Action::Install | Action::Reinstall) => {
            return not("Outdated", "it does not run what Git says".to_owned());
        }
        Some(Action::Adopt) => return not("Adopting", "it is about to be recorded as it is".to_owned()),
        Some(Action::Release) => return not("Removed", "it left Git".to_owned()),
        Some(Action::PowerOn | Action::PowerOff) => {
            return not("PowerDrift", "its power is not as Git says".to_owned());
        }
        Some(Action::None | Action::Rename | Action::Tidy) | None => {}
    }
    let yes = |message| Judged { kind: ConditionType::Ready, status: true, reason: "AsWanted", message };
    match (record.state, &record.installed) {
        (RecordState::Adopted, Some(installed)) => {
            yes(format!("{} {}, adopted, unverified", installed.image, installed.version))
        }
        (RecordState::Installed, Some(installed)) if installed.boot_observed => {
            yes(format!("{} {} is installed and was seen to start", installed.image, installed.version))
        }
        (RecordState::Installed, Some(installed)) => {
            yes(format!("{} {} is installed, boot not observed", installed.image, installed.version))
        }
        (RecordState::Dirty, _) => {
            not("DiskWritten", "the last install began to write and did not end well".to_owned())
        }
        (RecordState::Restored, _) => {
            not("Restored", "the record comes from an older copy and needs agreement anew".to_owned())
        }
        // Without a plan for it nobody can say that it is as wanted.
        _ if view.broken.is_some() => not("InvalidInventory", "its documents cannot be read".to_owned()),
        _ => yes("watched; nothing is to be installed".to_owned()),
    }
}

/// One condition, whatever the number of reasons: people and tools look for it by its type.
fn stalled(view: &View<'_>) -> Option<Judged> {
    let failed = view.stalled.map(|why| match view.status.record.state {
        RecordState::Dirty => ("DiskWritten", format!("disk written: {why}")),
        _ => ("Failed", why.to_owned()),
    });
    // The brake of the whole fleet: time alone does not release it.
    let halted = match view.turn {
        Some(Turn::Wait { code: HoldCode::Halted, message }) => Some(("Halted", message.clone())),
        _ => None,
    };
    let broken =
        view.broken.map(|why| ("InvalidInventory", format!("the last good version stays in force: {why}")));
    let all: Vec<(&'static str, String)> =
        failed.into_iter().chain(halted).chain(refused(view)).chain(broken).collect();
    let reason = all.first()?.0;
    let message = all.into_iter().map(|(_, message)| message).collect::<Vec<_>>().join("; ");
    Some(Judged { kind: ConditionType::Stalled, status: true, reason, message })
}

/// A BMC to which nothing is sent any more before somebody looked.
fn refused(view: &View<'_>) -> Option<(&'static str, String)> {
    let unreachable = view.status.bmc.as_ref()?.unreachable.as_ref()?;
    match unreachable.code.as_str() {
        ANOTHER_CERTIFICATE => Some((
            "CertificateChanged",
            format!("the BMC shows another certificate: {}", unreachable.message),
        )),
        REFUSED_ACCOUNT => {
            Some(("AccountRefused", format!("the BMC refused the account: {}", unreachable.message)))
        }
        _ => None,
    }
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
        // Nothing goes on by itself: it is stalled.
        Some(Turn::Wait { code: HoldCode::Halted, .. }) => None,
        Some(Turn::Wait { message, .. }) => judged("Waiting", message.clone()),
        _ => judged("Pending", "waits for its turn".to_owned()),
    }
}
