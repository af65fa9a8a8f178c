// SPDX-License-Identifier: AGPL-3.0-or-later
//! The disk that an install would write, where it is known.
//!
//! The plan names it as what is lost, the job keeps it, and a permit is given for no other one: a
//! kernel name that moved between two boots must not cost a disk that nobody agreed to lose.
//!
//! Assumption: [`Record::disks`] is what the machine itself said last.

use shoal_schema::disk::DiskFacts;
use shoal_schema::status::Record;
use shoal_schema::wire::task::Identity;

use crate::desired::InstallTarget;
use crate::record::machine_change;

/// The one disk of the record that the selector fits, if it can be told from others for good.
/// Nothing where the machine is another one, where none or several fit, or where it has no name.
pub fn expected_disk<'a>(
    record: &'a Record,
    identity: &Identity,
    target: &InstallTarget,
) -> Option<&'a DiskFacts> {
    if machine_change(record, identity).is_some() {
        return None;
    }
    let written = record.installed.as_ref().and_then(|installed| installed.on.as_ref());
    let known: Vec<&DiskFacts> = match record.disks.as_slice() {
        [] => written.into_iter().collect(),
        disks => disks.iter().collect(),
    };
    let mut fitting = known.into_iter().filter(|disk| target.disk.matches(disk));
    match (fitting.next(), fitting.next()) {
        (Some(disk), None) if has_name(disk) => Some(disk),
        _ => None,
    }
}

/// Whether a disk can be told from others for good.
pub(crate) fn has_name(disk: &DiskFacts) -> bool {
    disk.serial.is_some() || disk.wwn.is_some()
}
