// SPDX-License-Identifier: AGPL-3.0-or-later
//! What may be done to a machine without installing it: put out what is left over, switch it on or off.
//! Where the BMC answers for another machine than Git names, only what is ours is taken out of its slots: it
//! must not start on that machine.

use std::borrow::Cow;

use shoal_schema::kinds::{DesiredPower, PowerDrift};
use shoal_schema::plan::{Action, Change, Class, Effect, Entry, HoldCode, Reason};
use shoal_schema::status::{
    ANOTHER_CERTIFICATE, BmcFacts, ConditionType, REFUSED_ACCOUNT, RecordState, ServerStatus,
};
use shoal_schema::wire::task::{Identity, IdentityVerdict};

use super::class_of;
use crate::desired::Desired;

/// A deed that needs no install.
pub(super) struct Deed {
    pub(super) action: Action,
    pub(super) reason: Reason,
    pub(super) changes: Vec<Change>,
    pub(super) steps: Vec<Cow<'static, str>>,
}

/// The most urgent deed, if any.
pub(super) fn deed(desired: &Desired, status: &ServerStatus) -> Option<Deed> {
    let bmc = status.bmc.as_ref().filter(|bmc| bmc.reachable)?;
    left_over(bmc).or_else(|| match another_machine(desired, bmc) {
        None => power(desired, status, bmc),
        Some(_) => None,
    })
}

/// Whether what a job left over is taken out now although the entry is about something else: an
/// install may wait for its approval for weeks, and nothing stays mounted for so long.
pub fn tidies(entry: &Entry, status: &ServerStatus) -> bool {
    let left = status.bmc.as_ref().is_some_and(|bmc| bmc.reachable && (bmc.own_media || bmc.boot_override));
    let mut holds = entry.holds.iter();
    left && match entry.class {
        Class::Destructive => holds.all(|hold| !holds_everything(hold.code)),
        Class::Safe => entry.action == Action::Tidy && holds.all(|hold| !holds_everything(hold.code)),
        Class::None | Class::Disruptive => false,
    }
}

/// Holds that forbid to touch the machine or its BMC at all.
fn holds_everything(code: HoldCode) -> bool {
    match code {
        HoldCode::Suspended
        | HoldCode::BmcUnreachable
        | HoldCode::CredentialsHeld
        | HoldCode::ActiveJob
        | HoldCode::Paused => true,
        // Guards are about what Git lost; what is ours is ours.
        HoldCode::Guard
        | HoldCode::ApprovalNeeded
        | HoldCode::ApprovalExpired
        | HoldCode::Protected
        | HoldCode::Unreadable
        | HoldCode::Unsupported
        | HoldCode::Limit
        | HoldCode::Halted
        | HoldCode::Failed
        | HoldCode::NoLedger
        | HoldCode::NoRoute => false,
    }
}

/// Why the machine behind the BMC is not the one that Git names. On Dell the system's serial is the
/// mainboard's and Git's is the service tag, so that only the UUID can contradict.
pub(super) fn another_machine(desired: &Desired, bmc: &BmcFacts) -> Option<String> {
    let dell = bmc.vendor.as_ref().is_some_and(|vendor| vendor.to_ascii_lowercase().contains("dell"));
    let seen = Identity {
        serial: bmc.serial.clone().filter(|_| !dell),
        uuid: bmc.uuid.clone(),
        ..Identity::default()
    };
    match desired.identity.judge(&seen) {
        IdentityVerdict::Same | IdentityVerdict::Unproven => None,
        IdentityVerdict::Contradiction { what, wanted, seen } => {
            Some(format!("the BMC answers for another machine: {what} {seen}, Git says {wanted}"))
        }
    }
}

fn left_over(bmc: &BmcFacts) -> Option<Deed> {
    if !bmc.own_media && !bmc.boot_override {
        return None;
    }
    let mut changes = Vec::new();
    let mut steps = Vec::new();
    if bmc.own_media {
        changes.push(change("media", "ours", "none"));
        steps.push("eject our media".into());
    }
    if bmc.boot_override {
        changes.push(change("boot override", "set", "none"));
        steps.push("clear the boot override".into());
    }
    Some(Deed { action: Action::Tidy, reason: Reason::LeftOver, changes, steps })
}

fn power(desired: &Desired, status: &ServerStatus, bmc: &BmcFacts) -> Option<Deed> {
    if desired.power_drift != PowerDrift::Correct {
        return None;
    }
    match (desired.power, bmc.power.as_deref()) {
        (DesiredPower::On, Some("Off")) if !stays_off(status) => Some(Deed {
            action: Action::PowerOn,
            reason: Reason::PowerDrift,
            changes: vec![change("power", "Off", "On")],
            steps: vec!["power on".into()],
        }),
        (DesiredPower::Off, Some("On")) => Some(Deed {
            action: Action::PowerOff,
            reason: Reason::PowerDrift,
            changes: vec![change("power", "On", "Off")],
            steps: vec!["graceful shutdown".into(), "force off when it does not follow".into()],
        }),
        _ => None,
    }
}

/// After a failed write the machine stays off until it is installed, whatever `power` says.
fn stays_off(status: &ServerStatus) -> bool {
    status.record.state == RecordState::Dirty
        || status.conditions.iter().any(|c| c.kind == ConditionType::Stalled && c.status)
}

/// What is not as wanted and only reported. `action` is what is to be done about the disk.
pub(super) fn notes(desired: &Desired, status: &ServerStatus, action: Action) -> Vec<String> {
    let mut notes = Vec::new();
    let Some(bmc) = &status.bmc else { return notes };
    let installs = class_of(action) == Class::Destructive;
    notes.extend(another_machine(desired, bmc));
    // Whatever is held by it says so itself.
    if let Some(unreachable) = bmc.unreachable.as_ref().filter(|_| action == Action::None) {
        let what = match unreachable.code.as_str() {
            REFUSED_ACCOUNT => "the BMC refused the account at",
            ANOTHER_CERTIFICATE => "the BMC shows another certificate since",
            _ => "the BMC is unreachable since",
        };
        notes.push(format!("{what} {}: {}", unreachable.since, unreachable.message));
    }
    for host in &bmc.foreign_media {
        let what = if installs { "the install takes them out" } else { "they are left alone" };
        notes.push(format!("media of somebody else's are in ({host}); {what}"));
    }
    if let Some(seen) = &bmc.foreign_override {
        let what = if installs { "the install sets its own" } else { "it is left alone" };
        notes.push(format!("somebody else set a boot override ({seen}); {what}"));
    }
    let wanted = match desired.power {
        DesiredPower::On => Some("On"),
        DesiredPower::Off => Some("Off"),
        DesiredPower::Unmanaged => None,
    };
    if let (Some(wanted), Some(seen), PowerDrift::Report) =
        (wanted, bmc.power.as_deref(), desired.power_drift)
        && wanted != seen
    {
        notes.push(format!("power is {seen}, Git says {wanted}; only reported (drift.power: report)"));
    }
    notes
}

fn change(field: &str, before: &str, after: &str) -> Change {
    Change {
        field: field.to_owned(),
        before: Some(before.to_owned()),
        after: Some(after.to_owned()),
        sensitive: false,
        from: None,
        effect: Effect::Now,
    }
}
