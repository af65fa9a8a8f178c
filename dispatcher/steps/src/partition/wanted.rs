// SPDX-License-Identifier: AGPL-3.0-or-later
//! What a disk should look like, computed from the layout and the disk's size alone.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};
use shoal_dispatcher::disk::{LayoutError, place};
use shoal_schema::disk::{DiskFacts, Format, Partition};
use uuid::{Uuid, uuid};

use crate::programs::{Call, Program};

/// The type of an EFI system partition (UEFI 2.10, table 5.7).
pub const ESP: Uuid = uuid!("c12a7328-f81f-11d2-ba4b-00a0c93ec93b");

/// The type of a Linux file system.
pub const LINUX: Uuid = uuid!("0fc63daf-8483-4772-8e79-3d69d8477de4");

/// The type of a root for this architecture (Discoverable Partitions Specification).
pub const LINUX_ROOT_X86_64: Uuid = uuid!("4f68bce3-e8cd-4db1-96e7-fbcaf984b709");

/// FAT32 has 65,525 clusters at least, of one sector each (Microsoft's FAT specification, 1.03). Below this size in
/// bytes, what makes FAT chooses its width itself.
const SMALLEST_FAT32: u64 = 40 << 20;

/// One partition as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Its place in the table, from 1.
    pub number: u32,
    /// First byte.
    pub offset: u64,
    /// Bytes.
    pub len: u64,
    /// What it is for.
    pub type_guid: Uuid,
    /// The file system.
    pub format: Format,
    /// The name in the table; the file system has as much of it as fits.
    pub label: Option<String>,
}

/// The partitions of a layout on a disk of `size` bytes.
pub fn wanted(layout: &[Partition], size: u64) -> Result<Vec<Wanted>, LayoutError> {
    let places = place(layout, size)?;
    let numbered = (1..).zip(layout.iter().zip(places));
    Ok(numbered
        .map(|(number, (partition, place))| Wanted {
            number,
            offset: place.offset,
            len: place.len,
            type_guid: place.type_guid,
            format: partition.format,
            label: partition.label.clone(),
        })
        .collect())
}

/// The partition that the system goes to: one with a root's type, or else one labelled `root`, or else the first
/// Linux file system.
pub fn root(wanted: &[Wanted]) -> Option<&Wanted> {
    let can_be = |one: &&Wanted| {
        matches!(one.type_guid, LINUX | LINUX_ROOT_X86_64)
            && matches!(one.format, Format::Ext4 | Format::Xfs | Format::Btrfs)
    };
    let labelled = |one: &&Wanted| one.label.as_ref().is_some_and(|label| label.eq_ignore_ascii_case("root"));
    let all = || wanted.iter().filter(can_be);
    let typed = all().find(|one| one.type_guid == LINUX_ROOT_X86_64);
    typed.or_else(|| all().find(labelled)).or_else(|| all().next())
}

/// The partition that the firmware boots from.
pub fn esp(wanted: &[Wanted]) -> Option<&Wanted> {
    wanted.iter().find(|one| one.type_guid == ESP && one.format == Format::Vfat)
}

impl Wanted {
    /// The file system's label: as much of the partition's as fits.
    pub fn fs_label(&self) -> Option<&str> {
        let longest = match self.format {
            Format::Vfat => 11,
            Format::Xfs => 12,
            Format::Ext4 | Format::Swap => 16,
            Format::Btrfs | Format::Ntfs => 32,
            Format::Raw => return None,
        };
        self.label.as_deref().map(|label| shoal_dispatcher::cause::cut(label, longest))
    }

    /// As blkid, mount and fstab call the file system.
    pub fn kind(&self) -> Option<&'static str> {
        match self.format {
            Format::Vfat => Some("vfat"),
            Format::Ext4 => Some("ext4"),
            Format::Xfs => Some("xfs"),
            Format::Btrfs => Some("btrfs"),
            Format::Ntfs => Some("ntfs"),
            Format::Swap => Some("swap"),
            Format::Raw => None,
        }
    }

    /// The call that makes the file system; the device is still to be added.
    pub fn mkfs(&self) -> Option<Call> {
        let (program, mut arguments, label): (Program, Vec<&str>, &str) = match self.format {
            Format::Vfat if self.len < SMALLEST_FAT32 => (Program::MkfsVfat, vec![], "-n"),
            Format::Vfat => (Program::MkfsVfat, vec!["-F", "32"], "-n"),
            Format::Ext4 => (Program::MkfsExt4, vec!["-q", "-F"], "-L"),
            Format::Xfs => (Program::MkfsXfs, vec!["-q", "-f"], "-L"),
            Format::Btrfs => (Program::MkfsBtrfs, vec!["-q", "-f"], "-L"),
            Format::Ntfs => (Program::MkfsNtfs, vec!["-q", "-F", "-Q"], "-L"),
            Format::Swap => (Program::Mkswap, vec!["-f"], "-L"),
            Format::Raw => return None,
        };
        if let Some(text) = self.fs_label() {
            arguments.extend([label, text]);
        }
        Some(Call::new(program, arguments))
    }
}

/// The disk's GUID once everything on it was made: it says for which layout. A disk that was left half-way has
/// another one. The disk's own name goes in, so that no two disks of a machine have the same.
pub fn mark(disk: &DiskFacts, wanted: &[Wanted]) -> Uuid {
    let mut text = format!("shoal layout 1\n{:?} {:?} {}\n", disk.serial, disk.wwn, disk.size_bytes);
    for one in wanted {
        let (format, label) = (one.kind().unwrap_or("raw"), one.label.as_deref().unwrap_or_default());
        writeln!(text, "{} {} {} {format} {label}", one.offset, one.len, one.type_guid)
            .expect("writing to a string cannot fail");
    }
    let hash = Sha256::digest(text.as_bytes());
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash[..16]);
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
}

/// The disk's GUID while something on it is being made.
pub const UNFINISHED: Uuid = uuid!("5310a100-0000-8000-8000-756e66696e69");

/// What `sfdisk` reads. A name has no character that needs quoting: the recipe's schema sees to that, and whatever
/// else comes is left out here.
pub fn script(wanted: &[Wanted]) -> String {
    let mut text = format!("label: gpt\nlabel-id: {UNFINISHED}\nunit: sectors\n");
    for one in wanted {
        let (start, size) = (one.offset >> 20, one.len >> 20);
        write!(text, "{}: start={start}MiB, size={size}MiB, type={}", one.number, one.type_guid)
            .expect("writing to a string cannot fail");
        if let Some(label) = &one.label {
            let plain: String = label.chars().filter(|c| is_plain(*c)).collect();
            write!(text, ", name=\"{plain}\"").expect("writing to a string cannot fail");
        }
        text.push('\n');
    }
    text
}

/// Whether a character may stand in a label (the recipe's schema).
pub(super) fn is_plain(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '.' | '_' | '-')
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn layout() -> Vec<Partition> {
        serde_json::from_value(serde_json::json!([
            {"size": "64M", "type_guid": "ef00", "format": "vfat", "label": "EFI-System-Partition"},
            {"size": "100%", "type_guid": "8300", "format": "ext4", "label": "root"},
            {"size": "32M", "type_guid": "8200", "format": "swap"},
            {"size": "8M", "type_guid": "8300", "format": "vfat", "label": "cidata"},
        ]))
        .expect("a layout")
    }

    pub(crate) fn facts(serial: &str, size_bytes: u64) -> DiskFacts {
        DiskFacts {
            path: "/dev/sda".into(),
            serial: Some(serial.into()),
            wwn: None,
            size_bytes,
            rotational: None,
        }
    }

    #[test]
    fn the_table_is_written_as_the_layout_says() {
        let wanted = wanted(&layout(), 256 << 20).expect("room");
        assert_eq!(
            script(&wanted),
            "label: gpt\nlabel-id: 5310a100-0000-8000-8000-756e66696e69\nunit: sectors\n\
             1: start=1MiB, size=64MiB, type=c12a7328-f81f-11d2-ba4b-00a0c93ec93b, name=\"EFI-System-Partition\"\n\
             2: start=65MiB, size=150MiB, type=0fc63daf-8483-4772-8e79-3d69d8477de4, name=\"root\"\n\
             3: start=215MiB, size=32MiB, type=0657fd6d-a4ab-43c4-84e5-0933c84b4f4f\n\
             4: start=247MiB, size=8MiB, type=0fc63daf-8483-4772-8e79-3d69d8477de4, name=\"cidata\"\n"
        );
    }

    #[test]
    fn a_label_can_smuggle_nothing_into_the_table() {
        let mut wanted = wanted(&layout(), 256 << 20).expect("room");
        wanted[1].label = Some("a\"\n5: start=1MiB".into());
        assert!(script(&wanted).contains("name=\"a5start1MiB\"\n3:"), "{}", script(&wanted));
    }

    #[test]
    fn every_format_has_its_own_call_with_as_much_of_the_label_as_fits() {
        let wanted = wanted(&layout(), 256 << 20).expect("room");
        let lines: Vec<_> = wanted.iter().map(|one| one.mkfs().expect("made").line()).collect();
        assert_eq!(
            lines,
            ["mkfs.vfat -F 32 -n EFI-System-", "mkfs.ext4 -q -F -L root", "mkswap -f", "mkfs.vfat -n cidata"]
        );
        let of = |format| Wanted { format, ..wanted[1].clone() }.mkfs().map(|call| call.line());
        assert_eq!(of(Format::Xfs).as_deref(), Some("mkfs.xfs -q -f -L root"));
        assert_eq!(of(Format::Btrfs).as_deref(), Some("mkfs.btrfs -q -f -L root"));
        assert_eq!(of(Format::Ntfs).as_deref(), Some("mkfs.ntfs -q -F -Q -L root"));
        assert_eq!(of(Format::Raw), None);
    }

    #[test]
    fn the_mark_is_of_one_disk_and_one_layout() {
        let wanted = wanted(&layout(), 256 << 20).expect("room");
        let one = mark(&facts("S1", 256 << 20), &wanted);
        assert_eq!(one, mark(&facts("S1", 256 << 20), &wanted));
        assert_ne!(one, mark(&facts("S2", 256 << 20), &wanted));
        let mut other = wanted;
        other[0].label = None;
        assert_ne!(one, mark(&facts("S1", 256 << 20), &other));
        assert_eq!(one.get_version_num(), 8);
    }

    #[test]
    fn the_root_is_found_by_type_then_label_then_order() {
        let mut wanted = wanted(&layout(), 256 << 20).expect("room");
        assert_eq!(root(&wanted).map(|one| one.number), Some(2));
        let mut other = Wanted { number: 5, label: Some("data".into()), ..wanted[1].clone() };
        wanted.insert(0, other.clone());
        assert_eq!(root(&wanted).map(|one| one.number), Some(2));
        other.type_guid = LINUX_ROOT_X86_64;
        other.number = 6;
        wanted.push(other);
        assert_eq!(root(&wanted).map(|one| one.number), Some(6));
        assert_eq!(esp(&wanted).map(|one| one.number), Some(1));
    }
}
