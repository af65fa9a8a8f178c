// SPDX-License-Identifier: AGPL-3.0-or-later
//! The disks of the machine, out of sysfs and udev's database.
//!
//! Left out: optical drives, loops and memory, what is read-only, and what is attached over USB or removable: virtual
//! media look like that, and nobody installs on the stick that they boot from.

use std::fs;
use std::io;
use std::path::Path;

use shoal_schema::disk::DiskFacts;

use super::Paths;

/// Sysfs counts in sectors of 512 bytes whatever the disk has.
const SYSFS_SECTOR: u64 = 512;

/// Every disk that could be installed on, by kernel name.
pub(super) fn list(paths: &Paths) -> io::Result<Vec<DiskFacts>> {
    let mut disks = Vec::new();
    for entry in fs::read_dir(paths.sys.join("block"))? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if is_disk(&name) && !is_medium(&entry.path()) {
            disks.extend(facts(paths, &entry.path(), &name));
        }
    }
    disks.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(disks)
}

fn is_disk(name: &str) -> bool {
    let numbered = |prefix: &str| {
        name.strip_prefix(prefix).is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
    };
    let lettered = ["sd", "vd", "hd", "xvd"].iter().any(|prefix| name.starts_with(prefix));
    // nvme0n1 is a disk; nvme0c0n1 is one path of it.
    let nvme = name.strip_prefix("nvme").is_some_and(|rest| !rest.contains('c'));
    lettered || nvme || numbered("md") || numbered("dm-") || numbered("mmcblk")
}

/// Whether a block device is removable, read-only or on USB, and so may be a medium but no disk.
pub(super) fn is_medium(device: &Path) -> bool {
    let flag = |name: &str| fs::read_to_string(device.join(name)).is_ok_and(|text| text.trim() == "1");
    let usb = fs::canonicalize(device).is_ok_and(|path| {
        path.components().any(|part| part.as_os_str().to_str().is_some_and(|part| part.starts_with("usb")))
    });
    flag("removable") || flag("ro") || usb
}

fn facts(paths: &Paths, device: &Path, name: &str) -> Option<DiskFacts> {
    let text = |path: &str| {
        let text = fs::read(device.join(path)).ok()?;
        let text: String = String::from_utf8_lossy(&text).chars().filter(|c| !c.is_control()).collect();
        let text = text.trim().to_owned();
        (!text.is_empty()).then_some(text)
    };
    let sectors: u64 = text("size")?.parse().ok()?;
    // A card reader without a card.
    let size_bytes = sectors.checked_mul(SYSFS_SECTOR).filter(|size| *size > 0)?;
    let udev = text("dev").and_then(|dev| fs::read_to_string(paths.udev.join(format!("b{dev}"))).ok());
    let property = |key: &str| {
        let line = udev
            .as_deref()?
            .lines()
            .find_map(|line| line.strip_prefix("E:")?.strip_prefix(key)?.strip_prefix('='));
        line.map(str::trim).filter(|value| !value.is_empty()).map(str::to_owned)
    };
    let path = match (name.starts_with("dm-"), text("dm/name")) {
        (true, Some(name)) => format!("/dev/mapper/{name}"),
        (true, None) => return None,
        (false, _) => format!("/dev/{name}"),
    };
    Some(DiskFacts {
        path,
        serial: property("ID_SERIAL_SHORT")
            .or_else(|| text("serial"))
            .or_else(|| text("device/serial"))
            .or_else(|| vital_product_data(device)),
        wwn: property("ID_WWN_WITH_EXTENSION").or_else(|| property("ID_WWN")).or_else(|| {
            ["wwid", "device/wwid"].iter().find_map(|path| text(path)).filter(|wwid| {
                // A `t10.` text is vendor, model and serial, not a world wide name.
                ["naa.", "eui.", "0x"].iter().any(|prefix| wwid.starts_with(prefix))
            })
        }),
        size_bytes,
        rotational: text("queue/rotational").and_then(|flag| match flag.as_str() {
            "0" => Some(false),
            "1" => Some(true),
            _ => None,
        }),
    })
}

/// SCSI's unit serial number, page 0x80 (SPC-4, 7.8.15): four bytes of header, then text.
fn vital_product_data(device: &Path) -> Option<String> {
    let page = fs::read(device.join("device/vpd_pg80")).ok()?;
    let text = String::from_utf8_lossy(page.get(4..)?).trim_matches(['\0', ' ']).to_owned();
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Tree(tempfile::TempDir);

    impl Tree {
        fn new() -> Self {
            Self(tempfile::tempdir().expect("a directory"))
        }

        fn write(&self, path: &str, content: impl AsRef<[u8]>) {
            let path = self.0.path().join(path);
            fs::create_dir_all(path.parent().expect("below the root")).expect("made");
            fs::write(path, content).expect("written");
        }

        fn disks(&self) -> Vec<DiskFacts> {
            let root = self.0.path();
            list(&Paths { sys: root.join("sys"), udev: root.join("udev"), ..Paths::default() })
                .expect("listed")
        }
    }

    #[test]
    fn a_disk_is_described_from_sysfs_and_udev() {
        let tree = Tree::new();
        tree.write("sys/block/sda/size", "937703088\n");
        tree.write("sys/block/sda/dev", "8:0\n");
        tree.write("sys/block/sda/queue/rotational", "0\n");
        tree.write(
            "udev/b8:0",
            "S:disk/by-id/x\nE:ID_SERIAL=VENDOR_S1\nE:ID_SERIAL_SHORT=S1\nE:ID_WWN=0x5000c500a1b2c3d4\n",
        );
        tree.write("sys/block/nvme0n1/size", "8");
        tree.write("sys/block/nvme0n1/device/serial", "N1   \n");
        tree.write("sys/block/nvme0n1/wwid", "eui.0025385b71b0a1c2\n");
        tree.write("sys/block/sdb/size", "8");
        tree.write("sys/block/sdb/device/vpd_pg80", b"\x00\x80\x00\x08  PG80-1");
        tree.write("sys/block/sdb/device/wwid", "t10.ATA     QEMU HARDDISK   QM00001");
        let disks = tree.disks();
        let told: Vec<_> =
            disks.iter().map(|d| (d.path.as_str(), d.serial.as_deref(), d.wwn.as_deref())).collect();
        assert_eq!(
            told,
            [
                ("/dev/nvme0n1", Some("N1"), Some("eui.0025385b71b0a1c2")),
                ("/dev/sda", Some("S1"), Some("0x5000c500a1b2c3d4")),
                ("/dev/sdb", Some("PG80-1"), None),
            ]
        );
        assert_eq!((disks[1].size_bytes, disks[1].rotational), (937_703_088 * 512, Some(false)));
    }

    #[test]
    fn media_and_what_is_no_disk_are_left_out() {
        let tree = Tree::new();
        for name in ["sr0", "loop0", "ram0", "zram0", "fd0", "nvme0c0n1", "sda", "sdb", "sdc"] {
            tree.write(&format!("sys/block/{name}/size"), "8");
        }
        tree.write("sys/block/sda/removable", "1\n");
        tree.write("sys/block/sdb/ro", "1\n");
        tree.write("sys/block/sdc/size", "0\n");
        assert_eq!(tree.disks(), []);
    }

    #[test]
    fn a_disk_behind_usb_is_a_medium() {
        let tree = Tree::new();
        let real = "sys/devices/pci0000:00/0000:00:14.0/usb1/1-1/host2/block/sda";
        tree.write(&format!("{real}/size"), "8");
        let block = tree.0.path().join("sys/block");
        fs::create_dir_all(&block).expect("made");
        std::os::unix::fs::symlink(tree.0.path().join(real), block.join("sda")).expect("linked");
        assert_eq!(tree.disks(), []);
    }

    #[test]
    fn a_mapped_device_has_its_own_name() {
        let tree = Tree::new();
        tree.write("sys/block/dm-0/size", "8");
        tree.write("sys/block/dm-0/dm/name", "vg-root\n");
        assert_eq!(tree.disks()[0].path, "/dev/mapper/vg-root");
    }
}
