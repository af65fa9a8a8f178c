// SPDX-License-Identifier: AGPL-3.0-or-later
//! `/etc/fstab` of the new system: by UUID. Pure.

use std::fmt::Write as _;

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// The file system's UUID.
    pub uuid: String,
    /// Where to; `none` for swap.
    pub target: &'static str,
    /// As mount knows it.
    pub kind: String,
    /// Options.
    pub options: &'static str,
    /// The order of checks: 1 is the root, 0 is never.
    pub pass: u8,
}

impl Mount {
    /// The root.
    pub fn root(uuid: String, kind: &str) -> Self {
        // XFS and btrfs look after themselves; their fsck does nothing.
        let (options, pass) =
            if kind == "ext4" { ("defaults,errors=remount-ro", 1) } else { ("defaults", 0) };
        Self { uuid, target: "/", kind: kind.to_owned(), options, pass }
    }

    /// The EFI system partition: for root alone, because FAT knows no owners.
    pub fn esp(uuid: String) -> Self {
        Self { uuid, target: "/boot/efi", kind: "vfat".to_owned(), options: "umask=0077", pass: 1 }
    }

    /// Swap.
    pub fn swap(uuid: String) -> Self {
        Self { uuid, target: "none", kind: "swap".to_owned(), options: "sw", pass: 0 }
    }
}

/// The whole file.
pub fn render(mounts: &[Mount]) -> String {
    let mut text = String::from("# Written at installation. UUIDs stay when disks change their names.\n");
    for mount in mounts {
        let Mount { uuid, target, kind, options, pass } = mount;
        writeln!(text, "UUID={uuid} {target} {kind} {options} 0 {pass}")
            .expect("writing to a string cannot fail");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_by_uuid() {
        let mounts =
            [Mount::root("aa-bb".into(), "ext4"), Mount::esp("CAFE-0001".into()), Mount::swap("cc".into())];
        assert_eq!(
            render(&mounts).lines().skip(1).collect::<Vec<_>>(),
            [
                "UUID=aa-bb / ext4 defaults,errors=remount-ro 0 1",
                "UUID=CAFE-0001 /boot/efi vfat umask=0077 0 1",
                "UUID=cc none swap sw 0 0"
            ]
        );
        assert_eq!(Mount::root("x".into(), "xfs").pass, 0);
    }
}
