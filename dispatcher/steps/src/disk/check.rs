// SPDX-License-Identifier: AGPL-3.0-or-later
//! Refuses a disk that is not the one of the permit, or that is in use. Pure.

use std::io;

use shoal_schema::disk::DiskFacts;

use super::uses::Uses;
use crate::failure::Code;

/// Why a disk is not touched.
#[derive(Debug, thiserror::Error)]
pub enum DiskCheckError {
    /// The machine's disks cannot be listed.
    #[error("list the disks of this machine")]
    List(#[source] io::Error),
    /// There is no such disk any more.
    #[error("find {wanted}: this machine does not have it (it has: {seen})")]
    Gone {
        /// The disk of the permit.
        wanted: String,
        /// What there is.
        seen: String,
    },
    /// Several say that they are it.
    #[error("find {wanted}: {count} disks say that they are it")]
    Ambiguous {
        /// The disk of the permit.
        wanted: String,
        /// How many.
        count: usize,
    },
    /// It has another name or size than it had.
    #[error("use {wanted}: it is now {seen}")]
    Changed {
        /// The disk of the permit.
        wanted: String,
        /// What it is now.
        seen: String,
    },
    /// What uses it cannot be found out.
    #[error("find out what uses {path}")]
    Uses {
        /// The disk.
        path: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// It is mounted, or swapped to.
    #[error("use {path}: {what}")]
    Mounted {
        /// The disk.
        path: String,
        /// What is where.
        what: String,
    },
}

impl DiskCheckError {
    /// Its code.
    pub fn code(&self) -> Code {
        match self {
            Self::List(_) | Self::Uses { .. } => Code::DiskFailed,
            Self::Gone { .. } | Self::Ambiguous { .. } | Self::Changed { .. } => Code::WrongDisk,
            Self::Mounted { .. } => Code::DiskMounted,
        }
    }
}

/// Finds the disk of the permit among those that are there: by serial or WWN where it has one, and else by its name
/// and size. It must still have the name that the other steps know it by.
pub fn identify<'a>(wanted: &DiskFacts, seen: &'a [DiskFacts]) -> Result<&'a DiskFacts, DiskCheckError> {
    let nameless = wanted.serial.is_none() && wanted.wwn.is_none();
    let is_it = |disk: &&DiskFacts| {
        if nameless {
            let bare = disk.serial.is_none() && disk.wwn.is_none();
            bare && disk.path == wanted.path && disk.size_bytes == wanted.size_bytes
        } else {
            disk.same_disk(wanted)
        }
    };
    let found: Vec<&DiskFacts> = seen.iter().filter(is_it).collect();
    match found[..] {
        [disk] if disk.path == wanted.path => Ok(disk),
        [disk] => Err(DiskCheckError::Changed { wanted: wanted.describe(), seen: disk.describe() }),
        [] => {
            let seen: Vec<String> = seen.iter().map(DiskFacts::describe).collect();
            Err(DiskCheckError::Gone { wanted: wanted.describe(), seen: seen.join(", ") })
        }
        _ => Err(DiskCheckError::Ambiguous { wanted: wanted.describe(), count: found.len() }),
    }
}

/// Refuses a disk of which anything is mounted or swapped to.
pub fn refuse_if_mounted(path: &str, uses: &Uses) -> Result<(), DiskCheckError> {
    let mounts = uses.mounts.iter().map(|(source, target)| format!("{source} is mounted on {target}"));
    let swaps = uses.swaps.iter().map(|source| format!("{source} is used as swap"));
    match mounts.chain(swaps).collect::<Vec<_>>() {
        what if what.is_empty() => Ok(()),
        what => Err(DiskCheckError::Mounted { path: path.to_owned(), what: what.join(", ") }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn disk(path: &str, serial: Option<&str>, wwn: Option<&str>, size_bytes: u64) -> DiskFacts {
        DiskFacts {
            path: path.into(),
            serial: serial.map(Into::into),
            wwn: wwn.map(Into::into),
            size_bytes,
            rotational: None,
        }
    }

    #[test]
    fn the_disk_of_the_permit_is_found_by_its_serial() {
        let wanted = disk("/dev/sda", Some("S1"), None, 1000);
        let seen = [disk("/dev/sdb", Some("S2"), None, 1000), wanted.clone()];
        assert_eq!(identify(&wanted, &seen).expect("found").path, "/dev/sda");
    }

    #[test]
    fn another_disk_under_the_same_name_is_refused() {
        let wanted = disk("/dev/sda", Some("S1"), None, 1000);
        for other in [
            disk("/dev/sda", Some("S2"), None, 1000),
            disk("/dev/sda", None, None, 1000),
            disk("/dev/sda", Some("S1"), None, 999),
        ] {
            let error = identify(&wanted, &[other]).expect_err("another disk");
            assert_eq!(error.code(), Code::WrongDisk);
        }
        let moved = disk("/dev/sdb", Some("S1"), None, 1000);
        assert!(matches!(identify(&wanted, &[moved]), Err(DiskCheckError::Changed { .. })));
    }

    #[test]
    fn two_disks_with_one_serial_are_refused() {
        let wanted = disk("/dev/sda", Some("S1"), None, 1000);
        let seen = [wanted.clone(), disk("/dev/sdb", Some("S1"), None, 1000)];
        assert!(matches!(identify(&wanted, &seen), Err(DiskCheckError::Ambiguous { count: 2, .. })));
    }

    #[test]
    fn a_disk_without_serial_and_wwn_counts_by_name_and_size() {
        let wanted = disk("/dev/vda", None, None, 1000);
        assert!(identify(&wanted, &[disk("/dev/vda", None, None, 1000)]).is_ok());
        assert!(identify(&wanted, &[disk("/dev/vda", None, None, 2000)]).is_err());
        assert!(identify(&wanted, &[disk("/dev/vda", Some("S"), None, 1000)]).is_err());
    }

    #[test]
    fn what_is_mounted_is_named() {
        let uses = Uses {
            mounts: vec![("/dev/sda2".into(), "/srv".into())],
            swaps: vec!["/dev/sda3".into()],
            holders: Vec::new(),
        };
        let error = refuse_if_mounted("/dev/sda", &uses).expect_err("mounted");
        assert_eq!(
            error.to_string(),
            "use /dev/sda: /dev/sda2 is mounted on /srv, /dev/sda3 is used as swap"
        );
        assert!(refuse_if_mounted("/dev/sda", &Uses::default()).is_ok());
    }
}
