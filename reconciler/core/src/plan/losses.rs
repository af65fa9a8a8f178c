// SPDX-License-Identifier: AGPL-3.0-or-later
//! What an install loses: the disk that would be written, by name where it is known, and what is known
//! to be on it. What is not known is said to be unknown, never guessed.

use shoal_schema::plan::ApprovalState;
use shoal_schema::status::{Record, RecordState};

use crate::desired::Desired;
use crate::known_disk::expected_disk;
use crate::record::machine_change;

/// What an install of this server loses.
pub(super) fn of(desired: &Desired, record: &Record, approval: &ApprovalState) -> Vec<String> {
    let Some(target) = &desired.install else { return Vec::new() };
    let selector = target.disk.to_string();
    if *approval == ApprovalState::BlankOnly {
        return vec![format!("nothing: the machine itself must find the disk blank ({selector})")];
    }
    let same_machine = machine_change(record, &desired.identity).is_none();
    let how_sure = match record.state {
        RecordState::Installed => Some(""),
        RecordState::Adopted => Some(", unverified"),
        RecordState::Released | RecordState::Restored => Some(", when last known"),
        RecordState::Unknown | RecordState::Dirty => None,
    };
    let installed = record.installed.as_ref().filter(|_| same_machine).zip(how_sure);
    let disk = expected_disk(record, &desired.identity, target);
    let on_it = installed.filter(|(installed, _)| match (disk, &installed.on) {
        (Some(disk), Some(on)) => on.same_disk(disk),
        (Some(_) | None, _) => installed.disk == selector,
    });
    vec![match (disk, on_it) {
        (Some(disk), Some((installed, sure))) => {
            format!("{}: {} {}{sure}", disk.describe(), installed.image, installed.version)
        }
        (Some(disk), None) => format!("{}: whatever is on it", disk.describe()),
        (None, Some((installed, sure))) => {
            format!("the disk ({selector}): {} {}{sure}", installed.image, installed.version)
        }
        (None, None) => format!("the disk ({selector}): whatever is on it"),
    }]
}
