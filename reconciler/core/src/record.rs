// SPDX-License-Identifier: AGPL-3.0-or-later
//! How the controller's record of a machine moves. The number moves at job start, adoption, release,
//! change of serial and restore; approvals name it, so none of them fires twice.
//!
//! Guarantees: the number of a name never goes back, whatever is renamed, released and comes again.
//! Assumption: no record is ever deleted: what a rename leaves behind is [`left_behind`].

use shoal_schema::disk::DiskFacts;
use shoal_schema::status::{Installed, Record, RecordState};
use shoal_schema::wire::task::{Identity, IdentityVerdict};

use crate::desired::{Desired, InstallTarget};
use crate::job::{Job, Outcome};
use crate::mistake::Mistake;
use crate::observed::unknown_record;

/// Git names another machine than the record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MachineChange {
    /// `serial` or `uuid`.
    pub field: &'static str,
    /// As the record says.
    pub before: Option<String>,
    /// As Git says.
    pub after: Option<String>,
}

/// Whether Git names another machine than the record: a serial or UUID that differs, or none in
/// common, for then nothing proves that it is the same one.
pub fn machine_change(record: &Record, identity: &Identity) -> Option<MachineChange> {
    let serial = both(record.serial.as_ref(), identity.serial.as_ref())
        .map(|(known, wanted)| known.trim().eq_ignore_ascii_case(wanted.trim()));
    let uuid =
        both(record.uuid.as_ref(), identity.uuid.as_ref()).map(|(known, wanted)| same_uuid(known, wanted));
    let change = |field, before: &Option<String>, after: &Option<String>| {
        Some(MachineChange { field, before: before.clone(), after: after.clone() })
    };
    match (serial, uuid) {
        (Some(false), _) => change("serial", &record.serial, &identity.serial),
        (_, Some(false)) => change("uuid", &record.uuid, &identity.uuid),
        (None, None) if record.serial.is_some() => change("serial", &record.serial, &identity.serial),
        (None, None) if record.uuid.is_some() => change("uuid", &record.uuid, &identity.uuid),
        _ => None,
    }
}

fn both<'a>(a: Option<&'a String>, b: Option<&'a String>) -> Option<(&'a String, &'a String)> {
    a.zip(b)
}

/// In either byte order, as SMBIOS has it.
fn same_uuid(known: &str, wanted: &str) -> bool {
    let of = |uuid: &str| Identity { uuid: Some(uuid.to_owned()), ..Identity::default() };
    match of(known).judge(&of(wanted)) {
        IdentityVerdict::Same => true,
        IdentityVerdict::Contradiction { .. } => false,
        IdentityVerdict::Unproven => known.eq_ignore_ascii_case(wanted),
    }
}

/// A job starts: what was agreed to is consumed. Of another machine than before nothing is known:
/// what the old one had installed does not stand in the record of the new one.
pub fn job_started(record: &Record, desired: &Desired) -> Record {
    let used = u64::from(!Mistake::ApprovalIsNotUsedUp.is_made());
    Record { number: record.number + used, ..of_machine(record, desired) }
}

/// A permit was granted: from here on the disk may hold anything. `disks`: every disk of the machine,
/// as its request says.
pub fn permit_granted(record: &Record, disks: &[DiskFacts]) -> Record {
    Record { state: RecordState::Dirty, disks: disks.to_vec(), ..record.clone() }
}

/// A machine that was refused a permit showed other disks than the record has. The number moves, so
/// that what people agreed to lose is not taken for what is there now.
pub fn disks_seen(record: &Record, disks: &[DiskFacts]) -> Record {
    if record.disks == disks {
        return record.clone();
    }
    Record { number: record.number + 1, disks: disks.to_vec(), ..record.clone() }
}

/// A job is over. Before any write nothing changed.
pub fn job_ended(record: &Record, job: &Job) -> Record {
    let outcome =
        if Mistake::FailureIsTakenForSuccess.is_made() { Some(Outcome::Succeeded) } else { job.outcome };
    match (outcome, &job.written) {
        (Some(Outcome::Succeeded), Some(disk)) => Record {
            state: RecordState::Installed,
            installed: Some(Installed {
                job: Some(job.id.clone()),
                on: Some(disk.clone()),
                ..installed(&job.install)
            }),
            reinstall: job.install.reinstall,
            ..record.clone()
        },
        (_, Some(_)) => Record { state: RecordState::Dirty, ..record.clone() },
        (_, None) => record.clone(),
    }
}

/// Adoption: installed becomes what is desired, unverified.
pub fn adopted(record: &Record, desired: &Desired, target: &InstallTarget) -> Record {
    Record {
        number: record.number + 1,
        state: RecordState::Adopted,
        installed: Some(installed(target)),
        reinstall: target.reinstall,
        ..of_machine(record, desired)
    }
}

/// The server left Git.
pub fn released(record: &Record) -> Record {
    Record { number: record.number + 1, state: RecordState::Released, ..record.clone() }
}

/// The record moves to a new name. `there`: what is left there of an earlier server of that name; its
/// number may be higher, and never goes back.
pub fn renamed(record: &Record, there: Option<&Record>) -> Record {
    Record { number: record.number.max(there.map_or(0, |there| there.number)), ..record.clone() }
}

/// What stays under the old name when its record moves to another one: nothing but a number, so that
/// approvals of the old name stay void if the name ever comes back.
pub fn left_behind(record: &Record) -> Record {
    Record { number: record.number + 1, state: RecordState::Released, ..unknown_record() }
}

/// The record comes from an older copy, or from the status branch. `under_way`: a job was active there, which may
/// have come to its end since: what seems never to have been installed may be in use by now.
pub fn restored(record: &Record, under_way: bool) -> Record {
    let state = match record.state {
        RecordState::Unknown if under_way => RecordState::Restored,
        RecordState::Unknown | RecordState::Released => record.state,
        RecordState::Dirty | RecordState::Installed | RecordState::Adopted | RecordState::Restored => {
            RecordState::Restored
        }
    };
    Record { number: record.number + 1, state, ..record.clone() }
}

/// The record with the identity that Git names now; empty but for number and protection where that is
/// another machine.
fn of_machine(record: &Record, desired: &Desired) -> Record {
    let kept = match machine_change(record, &desired.identity) {
        None => record.clone(),
        Some(_) => Record {
            number: record.number,
            protected: record.protected,
            protected_before: record.protected_before,
            ..unknown_record()
        },
    };
    Record { serial: desired.identity.serial.clone(), uuid: desired.identity.uuid.clone(), ..kept }
}

fn installed(target: &InstallTarget) -> Installed {
    Installed {
        digest: target.digest.clone(),
        image: target.image.clone(),
        version: target.version.clone(),
        image_digest: target.image_digest.clone(),
        layout_digest: target.layout_digest.clone(),
        disk: target.disk.to_string(),
        config_digest: Some(target.config_digest.clone()),
        on: None,
        boot_observed: false,
        job: None,
    }
}
