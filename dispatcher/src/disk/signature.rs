// SPDX-License-Identifier: AGPL-3.0-or-later
//! Signatures of file systems, volume managers, arrays and swap: a byte string at a known place.
//!
//! The list follows what `wipefs` and `blkid` know of server disks. It is there to refuse, so it errs on the side of
//! seeing too much: no checksum is verified, a damaged file system still holds somebody's data.

use std::io;

use shoal_taskiso::ReadAt;

use super::window::{le32, le64, read};

/// Where a signature stands.
#[derive(Clone, Copy)]
enum At {
    /// Bytes from the start.
    Start(u64),
    /// Bytes from the end.
    End(u64),
}

struct Signature {
    name: &'static str,
    at: At,
    magic: &'static [u8],
    /// Where the label stands, from the start, and its longest form.
    label: Option<(u64, usize)>,
}

const fn plain(name: &'static str, at: At, magic: &'static [u8]) -> Signature {
    Signature { name, at, magic, label: None }
}

const fn labelled(name: &'static str, at: u64, magic: &'static [u8], label: u64, len: usize) -> Signature {
    Signature { name, at: At::Start(at), magic, label: Some((label, len)) }
}

const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;

const SIGNATURES: &[Signature] = &[
    labelled("ext", 1080, &[0x53, 0xef], 1144, 16),
    labelled("xfs", 0, b"XFSB", 108, 12),
    labelled("btrfs", 64 * KIB + 64, b"_BHRfS_M", 64 * KIB + 0x12b, 256),
    // Copies of the btrfs superblock outlive a wiped start of the disk.
    plain("btrfs copy", At::Start(64 * MIB + 64), b"_BHRfS_M"),
    plain("btrfs copy", At::Start((256 << 30) + 64), b"_BHRfS_M"),
    plain("ntfs", At::Start(3), b"NTFS    "),
    plain("exfat", At::Start(3), b"EXFAT   "),
    labelled("vfat", 82, b"FAT32   ", 71, 11),
    labelled("vfat", 54, b"FAT16   ", 43, 11),
    labelled("vfat", 54, b"FAT12   ", 43, 11),
    plain("f2fs", At::Start(1024), &[0x10, 0x20, 0xf5, 0xf2]),
    plain("jfs", At::Start(32 * KIB), b"JFS1"),
    plain("reiserfs", At::Start(64 * KIB + 52), b"ReIsEr"),
    plain("nilfs2", At::Start(1030), &[0x34, 0x34]),
    plain("gfs2", At::Start(64 * KIB), &[0x01, 0x16, 0x19, 0x70]),
    plain("ocfs2", At::Start(8 * KIB), b"OCFSV2"),
    plain("hfs+", At::Start(1024), b"H+\x00\x04"),
    plain("apfs", At::Start(32), b"NXSB"),
    plain("vmfs", At::Start(MIB), &[0x0d, 0xd0, 0x01, 0xc0]),
    plain("iso9660", At::Start(32 * KIB + 1), b"CD001"),
    plain("squashfs", At::Start(0), b"hsqs"),
    plain("erofs", At::Start(1024), &[0xe2, 0xe1, 0xf5, 0xe0]),
    // Swap is marked at the end of its first page, whatever the page size was.
    plain("swap", At::Start(4096 - 10), b"SWAPSPACE2"),
    plain("swap", At::Start(4096 - 10), b"SWAP-SPACE"),
    plain("swap", At::Start(16 * KIB - 10), b"SWAPSPACE2"),
    plain("swap", At::Start(64 * KIB - 10), b"SWAPSPACE2"),
    plain("luks", At::Start(0), b"LUKS\xba\xbe"),
    plain("luks header copy", At::Start(16 * KIB), b"SKUL\xba\xbe"),
    plain("bcache", At::Start(4096 + 24), &[0xc6, 0x85, 0x73, 0xf6, 0x4e, 0x1a, 0x45, 0xca]),
    plain("ceph bluestore", At::Start(0), b"bluestore block device"),
    plain("drbd", At::End(4096 - 60), &[0x83, 0x74, 0x02, 0x6b]),
    // The label may stand in any of the first four sectors.
    plain("lvm physical volume", At::Start(0), b"LABELONE"),
    plain("lvm physical volume", At::Start(512), b"LABELONE"),
    plain("lvm physical volume", At::Start(1024), b"LABELONE"),
    plain("lvm physical volume", At::Start(1536), b"LABELONE"),
    plain("md raid member", At::Start(0), &[0xfc, 0x4e, 0x2b, 0xa9]),
    plain("md raid member", At::Start(4096), &[0xfc, 0x4e, 0x2b, 0xa9]),
    plain("ddf raid member", At::End(512), &[0xde, 0x11, 0xde, 0x11]),
    plain("intel raid member", At::End(1024), b"Intel Raid ISM Cfg Sig. "),
    plain("lsi raid member", At::End(512), b"$XIDE$"),
];

/// Every signature in `source`, for people: `ext "root"`, `lvm physical volume`.
pub(super) fn probe(source: &dyn ReadAt) -> io::Result<Vec<String>> {
    let mut found = Vec::new();
    let mut note = |text: String| {
        if !found.contains(&text) {
            found.push(text);
        }
    };
    for signature in SIGNATURES {
        let Some(at) = place(source, signature.at) else { continue };
        if read(source, at, signature.magic.len())?.as_deref() != Some(signature.magic) {
            continue;
        }
        match signature.label {
            Some((at, len)) => note(named(signature.name, read(source, at, len)?)),
            None => note(signature.name.to_owned()),
        }
    }
    if md_at_the_end(source)? {
        note("md raid member".to_owned());
    }
    if zfs(source)? {
        note("zfs member".to_owned());
    }
    Ok(found)
}

fn place(source: &dyn ReadAt, at: At) -> Option<u64> {
    match at {
        At::Start(offset) => Some(offset),
        At::End(distance) => source.len().checked_sub(distance),
    }
}

fn named(name: &str, label: Option<Vec<u8>>) -> String {
    let label = label.unwrap_or_default();
    let end = label.iter().position(|byte| *byte == 0).unwrap_or(label.len());
    // It goes to the controller and to people: printable characters only.
    let label: String =
        label[..end].iter().map(|b| char::from(*b)).filter(|c| c.is_ascii_graphic() || *c == ' ').collect();
    match label.trim() {
        "" | "NO NAME" => name.to_owned(),
        label => format!("{name} \"{label}\""),
    }
}

/// Superblocks 0.90 (64 KiB aligned) and 1.0 (4 KiB aligned) stand near the end (`Documentation/admin-guide/md.rst`).
fn md_at_the_end(source: &dyn ReadAt) -> io::Result<bool> {
    const MAGIC: u32 = 0xa92b_4efc;
    let len = source.len();
    let old = (len & !(64 * KIB - 1)).checked_sub(64 * KIB);
    let new = len.checked_sub(8 * KIB).map(|at| at & !(4 * KIB - 1));
    for at in [old, new].into_iter().flatten() {
        if read(source, at, 4)?.is_some_and(|bytes| le32(&bytes, 0) == MAGIC) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Four labels of 256 KiB, two at each end, with a ring of uberblocks in the second half of each.
fn zfs(source: &dyn ReadAt) -> io::Result<bool> {
    const MAGIC: u64 = 0x00ba_b10c;
    const LABEL: u64 = 256 * KIB;
    let end = source.len() & !(LABEL - 1);
    let labels = [Some(0), Some(LABEL), end.checked_sub(2 * LABEL), end.checked_sub(LABEL)];
    for label in labels.into_iter().flatten() {
        let Some(ring) = read(source, label + LABEL / 2, (LABEL / 2) as usize)? else { continue };
        let written = |at: usize| le64(&ring, at) == MAGIC || le64(&ring, at).swap_bytes() == MAGIC;
        if (0..ring.len()).step_by(1024).any(written) {
            return Ok(true);
        }
    }
    Ok(false)
}
