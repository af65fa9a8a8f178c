// SPDX-License-Identifier: AGPL-3.0-or-later
//! What may be done to a machine without installing it: put out what is left over, switch it on or off.

use shoal_schema::kinds::{DesiredPower, PowerDrift};
use shoal_schema::plan::{Action, Change, Class, Effect, Reason};
use shoal_schema::status::{BmcFacts, ConditionType, RecordState, ServerStatus};

use crate::desired::Desired;

/// A deed that needs no install.
pub(super) struct Deed {
    pub(super) action: Action,
    pub(super) class: Class,
    pub(super) reason: Reason,
    pub(super) changes: Vec<Change>,
    pub(super) steps: Vec<String>,
}

/// The most urgent deed, if any.
pub(super) fn deed(desired: &Desired, status: &ServerStatus) -> Option<Deed> {
    let bmc = status.bmc.as_ref().filter(|bmc| bmc.reachable)?;
    left_over(bmc).or_else(|| power(desired, status, bmc))
}

fn left_over(bmc: &BmcFacts) -> Option<Deed> {
    if !bmc.own_media && !bmc.boot_override {
        return None;
    }
    let mut changes = Vec::new();
    let mut steps = Vec::new();
    if bmc.own_media {
        changes.push(change("media", "ours", "none"));
        steps.push("eject our media".to_owned());
    }
    if bmc.boot_override {
        changes.push(change("boot override", "set", "none"));
        steps.push("clear the boot override".to_owned());
    }
    Some(Deed { action: Action::Tidy, class: Class::Safe, reason: Reason::LeftOver, changes, steps })
}

fn power(desired: &Desired, status: &ServerStatus, bmc: &BmcFacts) -> Option<Deed> {
    if desired.power_drift != PowerDrift::Correct {
        return None;
    }
    // After a failed write the machine stays off until it is installed, whatever `power` says.
    let dirty = status.record.state == RecordState::Dirty
        || status.conditions.iter().any(|c| c.kind == ConditionType::Stalled && c.status);
    match (desired.power, bmc.power.as_deref()) {
        (DesiredPower::On, Some("Off")) if !dirty => Some(Deed {
            action: Action::PowerOn,
            class: Class::Safe,
            reason: Reason::PowerDrift,
            changes: vec![change("power", "Off", "On")],
            steps: vec!["power on".to_owned()],
        }),
        (DesiredPower::Off, Some("On")) => Some(Deed {
            action: Action::PowerOff,
            class: Class::Disruptive,
            reason: Reason::PowerDrift,
            changes: vec![change("power", "On", "Off")],
            steps: vec!["graceful shutdown".to_owned(), "force off when it does not follow".to_owned()],
        }),
        _ => None,
    }
}

/// What is not as wanted and only reported.
pub(super) fn notes(desired: &Desired, status: &ServerStatus) -> Vec<String> {
    let mut notes = Vec::new();
    let Some(bmc) = &status.bmc else { return notes };
    for host in &bmc.foreign_media {
        notes.push(format!("media of somebody else's are in ({host}); they are left alone"));
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
