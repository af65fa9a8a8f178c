// SPDX-License-Identifier: AGPL-3.0-or-later
//! Which disk, how it is laid out, and what a machine says about its disks.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

use crate::size::{ByteSize, PartitionSize};

/// Chooses a disk. Every field that is given must match. Kernel names move between boots, so
/// `serial` or `wwn` is the safe choice; `path` alone is accepted for machines with one disk.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schemars(extend("minProperties" = 1))]
pub struct DiskSelector {
    /// A block device: `/dev/sda`, `/dev/vda`, `/dev/nvme0n1`, `/dev/md0`, `/dev/mapper/NAME`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(
        pattern = r"^/dev/((sd|vd|hd)[a-z]{1,3}|nvme[0-9]{1,3}n[0-9]{1,3}|md[0-9]{1,3}|mapper/[A-Za-z0-9_+-][A-Za-z0-9._+-]{0,63})$"
    ))]
    pub path: Option<String>,
    /// The serial number as the disk reports it, compared without surrounding blanks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128))]
    pub serial: Option<String>,
    /// The world wide name, with or without `0x`, `naa.` or `eui.` in front.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128))]
    pub wwn: Option<String>,
    /// The disk is at least this large.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_size: Option<ByteSize>,
    /// The disk is at most this large.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_size: Option<ByteSize>,
    /// Spinning (`true`) or solid state (`false`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotational: Option<bool>,
}

impl DiskSelector {
    /// Whether it names one physical disk for good: by serial or WWN.
    pub fn is_stable(&self) -> bool {
        self.serial.is_some() || self.wwn.is_some()
    }

    /// Whether a disk fits every field that is given.
    pub fn matches(&self, disk: &DiskFacts) -> bool {
        let same = |wanted: &Option<String>, seen: &Option<String>, norm: fn(&str) -> String| {
            wanted.as_ref().is_none_or(|wanted| seen.as_ref().is_some_and(|seen| norm(wanted) == norm(seen)))
        };
        self.path.as_ref().is_none_or(|path| *path == disk.path)
            && same(&self.serial, &disk.serial, |text| text.trim().to_owned())
            && same(&self.wwn, &disk.wwn, normal_wwn)
            && self.min_size.is_none_or(|size| disk.size_bytes >= size.bytes())
            && self.max_size.is_none_or(|size| disk.size_bytes <= size.bytes())
            && self.rotational.is_none_or(|wanted| disk.rotational == Some(wanted))
    }
}

impl fmt::Display for DiskSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        if let Some(serial) = &self.serial {
            parts.push(format!("serial {serial}"));
        }
        if let Some(wwn) = &self.wwn {
            parts.push(format!("wwn {wwn}"));
        }
        if let Some(path) = &self.path {
            parts.push(path.clone());
        }
        if let Some(size) = self.min_size {
            parts.push(format!("at least {size}"));
        }
        if let Some(size) = self.max_size {
            parts.push(format!("at most {size}"));
        }
        match self.rotational {
            Some(true) => parts.push("rotational".to_owned()),
            Some(false) => parts.push("solid state".to_owned()),
            None => {}
        }
        f.write_str(&parts.join(", "))
    }
}

fn normal_wwn(text: &str) -> String {
    let lower = text.trim().to_ascii_lowercase();
    let bare = ["naa.", "eui.", "t10."].iter().find_map(|p| lower.strip_prefix(p)).unwrap_or(&lower);
    bare.strip_prefix("0x").unwrap_or(bare).to_owned()
}

/// What a machine says about one of its disks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DiskFacts {
    /// The kernel's name at this boot, such as `/dev/sda`.
    pub path: String,
    /// Serial number, trimmed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serial: Option<String>,
    /// World wide name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wwn: Option<String>,
    /// Size in bytes.
    pub size_bytes: u64,
    /// Spinning or not, where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotational: Option<bool>,
}

impl DiskFacts {
    /// Whether both are the same physical disk: by serial or WWN where either is known, never by
    /// the kernel's name.
    pub fn same_disk(&self, other: &Self) -> bool {
        match (&self.serial, &other.serial) {
            (Some(a), Some(b)) => {
                return a.trim() == b.trim() && self.size_bytes == other.size_bytes;
            }
            (None, None) => {}
            _ => return false,
        }
        match (&self.wwn, &other.wwn) {
            (Some(a), Some(b)) => normal_wwn(a) == normal_wwn(b) && self.size_bytes == other.size_bytes,
            _ => false,
        }
    }

    /// For people: `disk S3R1AL (480 GB) at /dev/sda`.
    pub fn describe(&self) -> String {
        let name = match (&self.serial, &self.wwn) {
            (Some(serial), _) => format!("disk {serial}"),
            (None, Some(wwn)) => format!("disk wwn {wwn}"),
            (None, None) => "disk without serial".to_owned(),
        };
        format!("{name} ({} GB) at {}", self.size_bytes / 1_000_000_000, self.path)
    }
}

/// One partition, in order, on GPT.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Partition {
    /// `512M`, `8G`, or a share of what the fixed sizes leave, such as `100%`.
    pub size: PartitionSize,
    /// An sgdisk code (`ef00 8300 8200 0700 0c01 fc00 fd00`) or a full GUID.
    #[schemars(regex(
        pattern = r"^(ef00|8300|8200|0700|0c01|fc00|fd00|EF00|0C01|FC00|FD00|[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12})$"
    ))]
    pub type_guid: String,
    /// The file system to make.
    #[serde(default)]
    pub format: Format,
    /// Partition and file-system label.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 32), regex(pattern = r"^[A-Za-z0-9._-]+$"))]
    pub label: Option<String>,
}

/// A file system.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// FAT32, as an ESP needs.
    Vfat,
    /// ext4.
    Ext4,
    /// XFS.
    Xfs,
    /// btrfs.
    Btrfs,
    /// NTFS.
    Ntfs,
    /// Swap space.
    Swap,
    /// Left as it is.
    #[default]
    Raw,
}

/// Both ends of every partition stand at multiples of this, in bytes.
pub const ALIGNMENT: u64 = 1 << 20;

/// Space beside the partitions: the first table with its alignment, and the second one at the end.
const OVERHEAD: u64 = 2 * ALIGNMENT;

impl Partition {
    /// The bytes that it takes of any disk; nothing for a share of the rest.
    pub fn fixed_bytes(&self) -> Option<u64> {
        match self.size {
            // Larger than any disk stays larger than any disk.
            PartitionSize::Bytes(size) => {
                Some(size.bytes().checked_next_multiple_of(ALIGNMENT).unwrap_or(u64::MAX))
            }
            PartitionSize::Percent(_) => None,
        }
    }
}

/// The smallest disk that a layout fits on, in bytes. A share of the rest counts as 1 MiB.
pub fn required_bytes(layout: &[Partition]) -> u64 {
    let each = layout.iter().map(|partition| partition.fixed_bytes().unwrap_or(ALIGNMENT));
    each.fold(OVERHEAD, u64::saturating_add)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn disk() -> DiskFacts {
        DiskFacts {
            path: "/dev/sda".into(),
            serial: Some(" S1 ".into()),
            wwn: Some("0x5000C500A1B2C3D4".into()),
            size_bytes: 480 << 30,
            rotational: Some(false),
        }
    }

    #[test]
    fn every_field_that_is_given_must_match() {
        let by = |f: fn(&mut DiskSelector)| {
            let mut selector = DiskSelector::default();
            f(&mut selector);
            selector.matches(&disk())
        };
        assert!(by(|s| s.serial = Some("S1".into())));
        assert!(by(|s| s.wwn = Some("naa.5000c500a1b2c3d4".into())));
        assert!(by(|s| s.min_size = Some(ByteSize::from_bytes(480 << 30))));
        assert!(!by(|s| s.max_size = Some(ByteSize::from_bytes(479 << 30))));
        assert!(!by(|s| s.rotational = Some(true)));
        assert!(!by(|s| {
            s.serial = Some("S1".into());
            s.path = Some("/dev/sdb".into());
        }));
    }

    #[test]
    fn a_disk_without_a_name_is_never_the_same_disk() {
        let mut bare = disk();
        bare.serial = None;
        bare.wwn = None;
        assert!(!bare.same_disk(&bare.clone()));
        assert!(disk().same_disk(&disk()));
    }
}
