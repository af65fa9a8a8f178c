// SPDX-License-Identifier: AGPL-3.0-or-later
//! How the controller's record of a machine moves. The number moves at job start, adoption, release,
//! change of serial and restore; approvals name it, so none of them fires twice.

use shoal_schema::disk::DiskFacts;
use shoal_schema::status::{Installed, Record, RecordState};

use crate::desired::{Desired, InstallTarget};
use crate::job::{Job, Outcome};

/// A job starts: what was agreed to is consumed.
pub fn job_started(record: &Record, desired: &Desired) -> Record {
    Record {
        number: record.number + 1,
        serial: desired.identity.serial.clone(),
        uuid: desired.identity.uuid.clone(),
        ..record.clone()
    }
}

/// A permit was granted: from here on the disk may hold anything.
pub fn permit_granted(record: &Record, disks: &[DiskFacts]) -> Record {
    Record { state: RecordState::Dirty, disks: disks.to_vec(), ..record.clone() }
}

/// A job is over. Before any write nothing changed.
pub fn job_ended(record: &Record, job: &Job) -> Record {
    match (job.outcome, &job.written) {
        (Some(Outcome::Succeeded), Some(disk)) => Record {
            state: RecordState::Installed,
            installed: Some(Installed {
                boot_observed: false,
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
        serial: desired.identity.serial.clone(),
        uuid: desired.identity.uuid.clone(),
        state: RecordState::Adopted,
        installed: Some(installed(target)),
        reinstall: target.reinstall,
        ..record.clone()
    }
}

/// The server left Git.
pub fn released(record: &Record) -> Record {
    Record { number: record.number + 1, state: RecordState::Released, ..record.clone() }
}

/// The record comes from an older copy, or from the status branch.
pub fn restored(record: &Record) -> Record {
    let state = match record.state {
        RecordState::Unknown | RecordState::Released => record.state,
        _ => RecordState::Restored,
    };
    Record { number: record.number + 1, state, ..record.clone() }
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
