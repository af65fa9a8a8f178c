// SPDX-License-Identifier: AGPL-3.0-or-later
//! Who uses a disk: mounts, swap, volume groups and arrays, out of procfs and sysfs.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// What uses a disk or a part of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Uses {
    /// Device and mount point.
    pub mounts: Vec<(String, String)>,
    /// Devices that are swapped to.
    pub swaps: Vec<String>,
    /// What is built on it, the topmost first.
    pub holders: Vec<Holder>,
}

/// A device that is built on a disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Holder {
    /// A logical volume, by its volume group.
    VolumeGroup(String),
    /// An array, by the kernel's name.
    Array(String),
    /// Something else, by the kernel's name.
    Other(String),
}

/// Looks at a disk, by the kernel's name of it, such as `sda`.
pub fn find(sys: &Path, proc: &Path, name: &str) -> io::Result<Uses> {
    let mut uses = Uses::default();
    let mut devices = Vec::new();
    let block = sys.join("block").join(name);
    collect(sys, &block, &mut devices, &mut uses.holders)?;
    for entry in fs::read_dir(&block)? {
        let path = entry?.path();
        if path.join("partition").exists() {
            collect(sys, &path, &mut devices, &mut uses.holders)?;
        }
    }
    uses.holders.dedup();
    let mounts = fs::read_to_string(proc.join("self/mountinfo"))?;
    for line in mounts.lines() {
        // proc(5): id, parent, major:minor, root, mount point, …
        let mut fields = line.split(' ').skip(2);
        let (Some(number), Some(target)) = (fields.next(), fields.nth(1)) else { continue };
        if let Some((_, device)) = devices.iter().find(|(known, _)| known == number) {
            uses.mounts.push((device.clone(), target.to_owned()));
        }
    }
    // Not there where the kernel knows no swap.
    let swaps = fs::read_to_string(proc.join("swaps")).unwrap_or_default();
    for line in swaps.lines().skip(1) {
        let device = line.split_whitespace().next().unwrap_or_default();
        if devices.iter().any(|(_, known)| known == device) {
            uses.swaps.push(device.to_owned());
        }
    }
    Ok(uses)
}

/// A device, what is built on it, and what is built on that: the topmost first.
fn collect(
    sys: &Path,
    device: &Path,
    devices: &mut Vec<(String, String)>,
    holders: &mut Vec<Holder>,
) -> io::Result<()> {
    let name = device.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let text = |path: PathBuf| fs::read_to_string(path).map(|text| text.trim().to_owned()).ok();
    let number = text(device.join("dev")).unwrap_or_default();
    if devices.iter().any(|(known, _)| *known == number) {
        return Ok(());
    }
    let mapped = text(device.join("dm/name"));
    let path =
        mapped.as_ref().map_or_else(|| format!("/dev/{name}"), |mapped| format!("/dev/mapper/{mapped}"));
    devices.push((number, path));
    let above = match fs::read_dir(device.join("holders")) {
        Ok(above) => above,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    for entry in above {
        let name = entry?.file_name();
        let path = sys.join("block").join(&name);
        collect(sys, &path, devices, holders)?;
        let name = name.to_string_lossy().into_owned();
        let is_volume = text(path.join("dm/uuid")).is_some_and(|uuid| uuid.starts_with("LVM-"));
        let holder = match text(path.join("dm/name")) {
            Some(mapped) if is_volume => Holder::VolumeGroup(volume_group(&mapped)),
            _ if name.starts_with("md") => Holder::Array(name),
            _ => Holder::Other(name),
        };
        if !holders.contains(&holder) {
            holders.push(holder);
        }
    }
    Ok(())
}

/// The volume group in the name of a mapped volume: both names have their hyphens doubled and one between them
/// (lvm2, `lib/misc/lvm-string.c`).
fn volume_group(mapped: &str) -> String {
    let bytes = mapped.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        if bytes[at] == b'-' {
            if bytes.get(at + 1) != Some(&b'-') {
                break;
            }
            at += 1;
        }
        at += 1;
    }
    mapped[..at.min(bytes.len())].replace("--", "-")
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn write(root: &Path, path: &str, content: &str) {
        let path = root.join(path);
        fs::create_dir_all(path.parent().expect("below the root")).expect("made");
        fs::write(path, content).expect("written");
    }

    #[test]
    fn mounts_swap_volumes_and_arrays_on_a_disk_are_found_and_others_are_not() {
        let root = tempfile::tempdir().expect("a directory");
        let root = root.path();
        for (name, number) in [("sda", "8:0"), ("sda/sda1", "8:1"), ("sda/sda2", "8:2"), ("sdb", "8:16")] {
            write(root, &format!("sys/block/{name}/dev"), number);
        }
        write(root, "sys/block/sda/sda1/partition", "1");
        write(root, "sys/block/sda/sda2/partition", "2");
        write(root, "sys/block/md127/dev", "9:127");
        write(root, "sys/block/dm-0/dev", "253:0");
        write(root, "sys/block/dm-0/dm/name", "old--vg-root");
        write(root, "sys/block/dm-0/dm/uuid", "LVM-abc");
        for (under, above) in [("sda/sda2", "md127"), ("md127", "dm-0")] {
            let holders = root.join("sys/block").join(under).join("holders");
            fs::create_dir_all(&holders).expect("made");
            symlink(root.join("sys/block").join(above), holders.join(above)).expect("linked");
        }
        write(
            root,
            "proc/self/mountinfo",
            "21 1 8:1 / /boot rw - ext4 /dev/sda1 rw\n22 1 253:0 / /old rw - ext4 x rw\n23 1 8:16 / / rw - ext4 /dev/sdb rw\n",
        );
        write(
            root,
            "proc/swaps",
            "Filename Type Size Used Priority\n/dev/sda2 partition 1 0 -2\n/dev/sdb partition 1 0 -2\n",
        );
        let uses = find(&root.join("sys"), &root.join("proc"), "sda").expect("found");
        let mut mounts = uses.mounts.clone();
        mounts.sort();
        assert_eq!(
            mounts,
            [
                ("/dev/mapper/old--vg-root".to_owned(), "/old".to_owned()),
                ("/dev/sda1".to_owned(), "/boot".to_owned())
            ]
        );
        assert_eq!(uses.swaps, ["/dev/sda2"]);
        assert_eq!(uses.holders, [Holder::VolumeGroup("old-vg".into()), Holder::Array("md127".into())]);
    }

    #[test]
    fn a_volume_group_keeps_its_own_hyphens() {
        assert_eq!(volume_group("vg-root"), "vg");
        assert_eq!(volume_group("a--b-c--d"), "a-b");
        assert_eq!(volume_group("a--"), "a-");
        assert_eq!(volume_group("plain"), "plain");
    }
}
