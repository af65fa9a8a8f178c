// SPDX-License-Identifier: AGPL-3.0-or-later
//! What is known of a fleet: the records and facts that the status branch publishes.
//!
//! The controller and CI both plan from this and from nothing else. Everything in it is as old as
//! the last publication; a server that is not in it is unknown, which never means absent.

use serde::Serialize;
use shoal_schema::digest::CanonicalError;
use shoal_schema::status::{Record, RecordState, ServerStatus};
use shoal_schema::{LedgerId, Sha256};

use crate::by_name::ByName;

/// What is known of a fleet.
#[derive(Clone, Debug, Default)]
pub struct Observed {
    /// The database that says so; nothing before the first controller ran.
    pub ledger: Option<LedgerId>,
    /// That database's counter.
    pub counter: u64,
    /// The commit in force.
    pub commit: Option<String>,
    /// Everything is paused.
    pub paused: bool,
    /// By server name.
    pub servers: ByName<ServerStatus>,
}

/// The record of a machine that nobody has met.
pub fn unknown_record() -> Record {
    Record {
        number: 0,
        serial: None,
        uuid: None,
        state: RecordState::Unknown,
        installed: None,
        disks: Vec::new(),
        protected: false,
        protected_before: false,
        reinstall: 0,
    }
}

/// The parts of a record that a plan entry stands or falls with: not power, not times, not the
/// kernel's names of disks, which move between boots.
#[derive(Serialize)]
struct ObservedKey<'a> {
    number: u64,
    serial: Option<&'a str>,
    uuid: Option<&'a str>,
    state: RecordState,
    installed: Option<&'a Sha256>,
    disks: Vec<(Option<&'a str>, Option<&'a str>, u64)>,
}

/// The digest that a plan entry was judged by.
pub fn observed_digest(record: &Record) -> Result<Sha256, CanonicalError> {
    let mut disks: Vec<_> = record
        .disks
        .iter()
        .map(|disk| (disk.serial.as_deref(), disk.wwn.as_deref(), disk.size_bytes))
        .collect();
    disks.sort_unstable();
    Sha256::of_value(&ObservedKey {
        number: record.number,
        serial: record.serial.as_deref(),
        uuid: record.uuid.as_deref(),
        state: record.state,
        installed: record.installed.as_ref().map(|installed| &installed.digest),
        disks,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use shoal_schema::disk::DiskFacts;

    #[test]
    fn a_disk_that_changes_its_kernel_name_changes_no_digest() {
        let disk = |path: &str| DiskFacts {
            path: path.into(),
            serial: Some("S1".into()),
            wwn: None,
            size_bytes: 1 << 40,
            rotational: None,
        };
        let mut a = unknown_record();
        a.disks = vec![disk("/dev/sda")];
        let mut b = a.clone();
        b.disks = vec![disk("/dev/sdb")];
        b.protected = true;
        assert_eq!(observed_digest(&a).unwrap(), observed_digest(&b).unwrap());
        b.number = 1;
        assert_ne!(observed_digest(&a).unwrap(), observed_digest(&b).unwrap());
    }
}
