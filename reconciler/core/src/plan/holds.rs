// SPDX-License-Identifier: AGPL-3.0-or-later
//! What holds one server's entry back, and what to do about it. Guards and the pause of everything are
//! added to all entries alike by the plan itself.

use shoal_schema::plan::{Action, ApprovalState, Class, Hold, HoldCode};
use shoal_schema::status::{ANOTHER_CERTIFICATE, BmcFacts, REFUSED_ACCOUNT, Record, ServerStatus};

use super::judge::PlannedCommit;
use super::{class_of, power, preflight};
use crate::desired::{Desired, LINUX_TARGET};
use crate::mistake::Mistake;
use crate::observed::Observed;

/// What an entry's holds are judged by.
pub(super) struct Held<'a> {
    pub(super) desired: &'a Desired,
    pub(super) observed: &'a Observed,
    pub(super) status: Option<&'a ServerStatus>,
    pub(super) record: &'a Record,
    pub(super) action: Action,
    pub(super) approval: &'a ApprovalState,
    pub(super) commit: PlannedCommit,
    pub(super) now: jiff::Timestamp,
}

/// What holds the entry back. Nothing holds what does nothing.
pub(super) fn of(held: &Held<'_>) -> Vec<Hold> {
    let class = class_of(held.action);
    let mut holds = Vec::new();
    if class == Class::None {
        return holds;
    }
    holds.extend(held.status.and_then(active_job));
    holds.extend(suspended(held.desired, held.now));
    if class == Class::Destructive {
        destructive(held, &mut holds);
    }
    // Adoption and renaming touch no machine.
    if let Some(bmc) = held.status.and_then(|status| status.bmc.as_ref())
        && !matches!(held.action, Action::Adopt | Action::Rename)
    {
        holds.extend(unreachable(held.desired, bmc));
        if class == Class::Destructive {
            holds.extend(no_route(held.desired, bmc));
        }
    }
    holds
}

/// Two jobs never share a machine, and no record moves under a running one.
pub(super) fn active_job(status: &ServerStatus) -> Option<Hold> {
    let job = status.job.as_ref().filter(|job| job.is_active())?;
    if Mistake::ActiveJobIsNotSeen.is_made() {
        return None;
    }
    Some(Hold {
        code: HoldCode::ActiveJob,
        message: format!("job {} is active, attempt {}", job.id.short(), job.attempt),
        hint: Some("what it leaves behind decides what is planned next".to_owned()),
    })
}

fn suspended(desired: &Desired, now: jiff::Timestamp) -> Option<Hold> {
    let suspended = desired.suspended.as_ref()?;
    if suspended.until.is_some_and(|until| until <= now) || Mistake::SuspensionIsNotSeen.is_made() {
        return None;
    }
    let until =
        suspended.until.map_or_else(|| "until it is lifted".to_owned(), |time| format!("until {time}"));
    Some(Hold {
        code: HoldCode::Suspended,
        message: format!("suspended {until}: {}", suspended.reason),
        hint: None,
    })
}

/// Nothing is sent to a BMC that does not answer, or that refused the account, or behind whose address
/// somebody else may stand.
fn unreachable(desired: &Desired, bmc: &BmcFacts) -> Option<Hold> {
    let unreachable = bmc.unreachable.as_ref()?;
    let (code, message, hint) = match unreachable.code.as_str() {
        REFUSED_ACCOUNT => (
            HoldCode::CredentialsHeld,
            format!("the BMC refused the account at {}: {}", unreachable.since, unreachable.message),
            format!(
                "correct the Secret, or unlock the account on the BMC and run 'shoal retry {}'; until then it is not tried again, since BMCs lock accounts",
                desired.name
            ),
        ),
        ANOTHER_CERTIFICATE => (
            HoldCode::BmcUnreachable,
            format!("the BMC shows another certificate since {}: {}", unreachable.since, unreachable.message),
            "somebody may stand in between; if it was replaced on purpose, write the new fingerprint as 'bmc.tls.sha256'"
                .to_owned(),
        ),
        _ => (
            HoldCode::BmcUnreachable,
            format!("blocked: BMC unreachable since {}: {}", unreachable.since, unreachable.message),
            "it goes on by itself when the BMC answers again".to_owned(),
        ),
    };
    Some(Hold { code, message, hint: Some(hint) })
}

fn no_route(desired: &Desired, bmc: &BmcFacts) -> Vec<Hold> {
    if let Some(why) = power::another_machine(desired, bmc) {
        let hint = "correct 'bmc.address' or the serial in the server's file".to_owned();
        return vec![Hold { code: HoldCode::NoRoute, message: why, hint: Some(hint) }];
    }
    preflight::obstacles(desired, bmc)
}

fn destructive(held: &Held<'_>, holds: &mut Vec<Hold>) {
    let approve = match held.status.and_then(active_job) {
        None => format!("shoal approve {}", held.desired.name),
        Some(_) => "not before the active job is over: until then an approval would be void".to_owned(),
    };
    let mut hold = |code, message: String, hint: String| holds.push(Hold { code, message, hint: Some(hint) });
    if held.observed.ledger.is_none() {
        hold(
            HoldCode::NoLedger,
            "no controller has published a ledger yet, so nothing can be agreed to".to_owned(),
            "start 'shoal run' once, then 'git fetch origin shoal/status'".to_owned(),
        );
    }
    match held.approval {
        ApprovalState::Needed if Mistake::ApprovalIsNotAskedFor.is_made() => {}
        ApprovalState::Needed => {
            let message = "needs an approval in Git".to_owned();
            hold(HoldCode::ApprovalNeeded, message, approve);
        }
        ApprovalState::Expired { by } => {
            let message = format!("the approval in {by} has run out");
            hold(HoldCode::ApprovalExpired, message, approve);
        }
        ApprovalState::NotNeeded | ApprovalState::BlankOnly | ApprovalState::Approved { .. } => {}
    }
    if held.desired.protect {
        hold(
            HoldCode::Protected,
            "protected in Git".to_owned(),
            "take 'protect: true' out in a commit of its own first".to_owned(),
        );
    } else if lifted_just_now(held.record, held.commit) {
        hold(
            HoldCode::Protected,
            "protection is lifted by this very commit; it counts from the next one on".to_owned(),
            "commit the change again once this commit is in force".to_owned(),
        );
    }
    if let Some(target) = &held.desired.install
        && target.target != LINUX_TARGET
    {
        hold(
            HoldCode::Unsupported,
            format!("{} has no guarded workflow in this version", target.target),
            "ESXi runs no dispatcher and so asks for no permit; Windows and firmware come later".to_owned(),
        );
    }
}

/// Protection outlives its own removal by one commit. Without commits nobody can tell one change from
/// the next, so that it outlives by whatever the record remembers.
fn lifted_just_now(record: &Record, commit: PlannedCommit) -> bool {
    match commit {
        PlannedCommit::InForce => record.protected_before,
        PlannedCommit::Another => record.protected,
        PlannedCommit::None => record.protected || record.protected_before,
    }
}
