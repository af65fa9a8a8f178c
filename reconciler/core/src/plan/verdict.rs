// SPDX-License-Identifier: AGPL-3.0-or-later
//! What is to be done about a server's disk, and why. What reinstalls a known machine is image digest,
//! layout, disk and the raised counter, and nothing else.

use shoal_schema::plan::{Action, Change, Effect, Reason};
use shoal_schema::status::{Installed, Record, RecordState};

use crate::desired::{Desired, InstallTarget};
use crate::record::machine_change;

/// What is to be done about the disk.
pub(super) struct Verdict {
    pub(super) action: Action,
    pub(super) reason: Reason,
    pub(super) changes: Vec<Change>,
    pub(super) notes: Vec<String>,
}

/// The verdict on one server.
pub(super) fn of(desired: &Desired, record: &Record) -> Verdict {
    let Some(target) = &desired.install else {
        return Verdict {
            action: Action::None,
            reason: Reason::UpToDate,
            changes: Vec::new(),
            notes: Vec::new(),
        };
    };
    // What an install that did not end well left behind is not what was there before.
    let known = record.installed.as_ref().filter(|_| record.state != RecordState::Dirty);
    let installed = record.installed.as_ref();
    let fresh = |action, reason, note: &str| Verdict {
        action,
        reason,
        changes: fresh_changes(known, target),
        notes: vec![note.to_owned()],
    };
    if record.state == RecordState::Unknown {
        let note =
            "no record of this machine: what is on its disks is unknown; 'shoal adopt' records it as it is";
        return fresh(Action::Install, Reason::NoRecord, note);
    }
    if let Some(change) = machine_change(record, &desired.identity) {
        let released = record.state == RecordState::Released;
        let mut changes = fresh_changes(None, target);
        changes.insert(
            0,
            Change {
                field: change.field.to_owned(),
                before: change.before,
                after: change.after,
                sensitive: false,
                from: None,
                effect: Effect::Reinstalls,
            },
        );
        return Verdict {
            action: if released { Action::Install } else { Action::Reinstall },
            reason: Reason::MachineChanged,
            changes,
            notes: vec![
                "another machine stands behind this name now; 'shoal adopt' records it as it is".to_owned(),
            ],
        };
    }
    match (record.state, installed) {
        (RecordState::Unknown | RecordState::Released, _) => {
            let note = "it left Git before and was released; 'shoal adopt' takes it back as it is";
            fresh(Action::Install, Reason::NoRecord, note)
        }
        (RecordState::Restored, _) => {
            let note = "the record comes from an older copy; 'shoal adopt' takes it back as it is";
            fresh(Action::Reinstall, Reason::Restored, note)
        }
        (RecordState::Dirty, _) | (RecordState::Installed | RecordState::Adopted, None) => {
            let note = "the last install began to write and did not end well";
            fresh(Action::Reinstall, Reason::Unfinished, note)
        }
        (RecordState::Installed | RecordState::Adopted, Some(installed)) => {
            compare(record, installed, target)
        }
    }
}

fn change(field: &str, before: Option<String>, after: String, from: &str) -> Change {
    Change {
        field: field.to_owned(),
        before,
        after: Some(after),
        sensitive: false,
        from: (!from.is_empty()).then(|| from.to_owned()),
        effect: Effect::Reinstalls,
    }
}

/// What a machine without a usable record gets.
fn fresh_changes(installed: Option<&Installed>, target: &InstallTarget) -> Vec<Change> {
    let before = installed.map(|i| format!("{} {}", i.image, i.version));
    let after = format!("{} {}", target.image, target.version);
    let mut changes = vec![change("os", before, after, &target.places.version)];
    let before = installed.map(|i| i.disk.clone());
    let after = target.disk.to_string();
    if before.as_ref() != Some(&after) {
        changes.push(change("disk", before, after, &target.places.disk));
    }
    changes
}

fn compare(record: &Record, installed: &Installed, target: &InstallTarget) -> Verdict {
    let places = &target.places;
    let mut changes = Vec::new();
    let mut reason = None;
    if installed.image_digest != target.image_digest {
        reason.get_or_insert(Reason::ImageChanged);
        let before = format!("{} {}", installed.image, installed.version);
        let after = format!("{} {}", target.image, target.version);
        changes.push(change("os.version", Some(before), after, &places.version));
        let before = installed.image_digest.clone();
        changes.push(change("image digest", Some(before), target.image_digest.clone(), &places.image));
    }
    if installed.layout_digest != target.layout_digest {
        reason.get_or_insert(Reason::LayoutChanged);
        let before = installed.layout_digest.short();
        changes.push(change("layout", Some(before), target.layout_digest.short(), &places.layout));
    }
    if !same_disk(installed, target) {
        reason.get_or_insert(Reason::DiskChanged);
        let before = installed.disk.clone();
        changes.push(change("disk", Some(before), target.disk.to_string(), &places.disk));
    }
    if target.reinstall > record.reinstall {
        reason.get_or_insert(Reason::ReinstallRaised);
        let before = record.reinstall.to_string();
        changes.push(change("reinstall", Some(before), target.reinstall.to_string(), &places.reinstall));
    }
    let mut notes = Vec::new();
    let configured = installed.config_digest.as_ref().filter(|digest| **digest != target.config_digest);
    if let Some(before) = configured {
        changes.push(Change {
            field: "configuration".to_owned(),
            before: Some(before.short()),
            after: Some(target.config_digest.short()),
            sensitive: true,
            from: None,
            effect: Effect::NextInstall,
        });
        if reason.is_none() {
            notes.push(
                "user-data, variables, keys or network changed: applies at the next install".to_owned(),
            );
        }
    }
    match reason {
        Some(reason) => Verdict { action: Action::Reinstall, reason, changes, notes },
        None => {
            let reason = if changes.is_empty() { Reason::UpToDate } else { Reason::NextInstall };
            Verdict { action: Action::None, reason, changes, notes }
        }
    }
}

/// Another way to name the disk that was written is no change.
fn same_disk(installed: &Installed, target: &InstallTarget) -> bool {
    installed.disk == target.disk.to_string()
        || installed.on.as_ref().is_some_and(|disk| target.disk.is_stable() && target.disk.matches(disk))
}
