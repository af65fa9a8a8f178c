// SPDX-License-Identifier: AGPL-3.0-or-later
//! What is found on disks that other programs wrote.

use crate::support::disks::{format, with_esp};
use crate::support::media::stamp;
use proptest::prelude::*;
use shoal_dispatcher::disk::{inspect, read_fat_file, read_gpt};

const MIB: usize = 1 << 20;

#[test]
fn a_disk_of_zeros_is_blank_whatever_its_size() {
    for mib in [1, 16, 17, 31, 32, 40] {
        let found = inspect(&vec![0_u8; mib * MIB]).expect("readable");
        assert!(found.blank && found.contents.is_empty() && found.stamp.is_none(), "{mib} MiB: {found:?}");
    }
}

#[test]
fn one_byte_in_the_first_or_last_16_mib_is_enough_and_one_between_is_not() {
    let len = 40 * MIB;
    for (at, blank) in [
        (0, false),
        (16 * MIB - 1, false),
        (16 * MIB, true),
        (24 * MIB - 1, true),
        (24 * MIB, false),
        (len - 1, false),
    ] {
        let mut disk = vec![0_u8; len];
        disk[at] = 1;
        let found = inspect(&disk).expect("readable");
        assert_eq!(found.blank, blank, "byte {at}");
        assert_eq!(found.contents.is_empty(), blank, "byte {at}: {:?}", found.contents);
    }
}

#[test]
fn signatures_are_seen_where_they_stand() {
    let len = 96 * MIB;
    let cases: [(&str, usize, &[u8]); 16] = [
        ("ext", 1080, &[0x53, 0xef]),
        ("xfs", 0, b"XFSB"),
        ("btrfs", 65536 + 64, b"_BHRfS_M"),
        ("btrfs copy", 64 * MIB + 64, b"_BHRfS_M"),
        ("ntfs", 3, b"NTFS    "),
        ("swap", 4086, b"SWAPSPACE2"),
        ("luks", 0, b"LUKS\xba\xbe"),
        ("lvm physical volume", 512, b"LABELONE"),
        ("md raid member", 4096, &[0xfc, 0x4e, 0x2b, 0xa9]),
        ("md raid member", len - 65536, &[0xfc, 0x4e, 0x2b, 0xa9]),
        ("md raid member", len - 8192, &[0xfc, 0x4e, 0x2b, 0xa9]),
        ("zfs member", 128 * 1024, &0x00ba_b10c_u64.to_le_bytes()),
        ("zfs member", len - 128 * 1024 + 4096, &0x00ba_b10c_u64.to_be_bytes()),
        ("ddf raid member", len - 512, &[0xde, 0x11, 0xde, 0x11]),
        ("intel raid member", len - 1024, b"Intel Raid ISM Cfg Sig. "),
        ("gpt: backup table only", len - 512, b"EFI PART"),
    ];
    for (name, at, magic) in cases {
        let mut disk = vec![0_u8; len];
        disk[at..at + magic.len()].copy_from_slice(magic);
        let found = inspect(&disk).expect("readable");
        assert!(!found.blank, "{name}");
        assert!(found.contents.iter().any(|text| text == name), "{name} at {at}: {:?}", found.contents);
    }
}

#[test]
fn a_table_of_the_old_kind_is_seen() {
    let mut disk = vec![0_u8; 20 * MIB];
    disk[446 + 4] = 0x83;
    disk[446 + 8] = 1;
    disk[510..512].copy_from_slice(&[0x55, 0xaa]);
    assert_eq!(inspect(&disk).expect("readable").contents, ["dos: 1 partitions"]);
}

#[test]
fn a_disk_written_by_others_is_described_and_its_stamp_is_read() {
    let disk = with_esp(64, 40, Some(("shoal/stamp.json", stamp().to_string().as_bytes())));
    let found = inspect(&disk).expect("readable");
    assert_eq!(found.contents, ["gpt: 1 partitions", "1: vfat \"ESP\", 40 MiB"]);
    assert_eq!(serde_json::to_value(found.stamp.expect("a stamp")).expect("JSON"), stamp());
    let entry = &read_gpt(&disk).expect("readable").expect("a table")[0];
    assert_eq!((entry.number, entry.name.as_str(), entry.len), (1, "esp", 40 << 20));
}

#[test]
fn every_kind_of_fat_is_read() {
    // FAT12, FAT16 and FAT32 differ by the number of clusters.
    for mib in [2, 20, 300] {
        let mut volume = vec![0_u8; mib * MIB];
        let content: Vec<u8> = (0..70_000_u32).map(|n| n as u8).collect();
        format(&mut volume, Some(("shoal/a rather long name of a file.json", &content)));
        let read = |path: &str, limit| read_fat_file(&volume, path, limit).expect("readable");
        assert_eq!(
            read("shoal/a rather long name of a file.json", 1 << 20).expect("there"),
            content,
            "{mib} MiB"
        );
        assert_eq!(read("SHOAL/A Rather Long Name Of A File.JSON", 1 << 20).expect("there"), content);
        for missing in
            ["shoal", "shoal/other.json", "other/stamp.json", "", "shoal/a rather long name of a file.json/x"]
        {
            assert!(read(missing, 1 << 20).is_none(), "{missing}");
        }
        assert!(read_fat_file(&volume, "shoal/a rather long name of a file.json", 69_999).is_err());
    }
}

#[test]
fn a_stamp_that_is_no_stamp_is_said_and_counts_as_none() {
    let disk = with_esp(64, 40, Some(("shoal/stamp.json", b"{\"job_id\": 7}")));
    let found = inspect(&disk).expect("readable");
    assert!(found.stamp.is_none());
    assert!(
        found.contents.iter().any(|text| text.contains("stamp that cannot be read")),
        "{:?}",
        found.contents
    );
}

#[test]
fn a_table_that_points_nowhere_is_broken_and_not_blank() {
    let mut disk = vec![0_u8; 20 * MIB];
    disk[512..520].copy_from_slice(b"EFI PART");
    disk[512 + 72..512 + 80].copy_from_slice(&u64::MAX.to_le_bytes());
    disk[512 + 80..512 + 88].copy_from_slice(&[128, 0, 0, 0, 128, 0, 0, 0]);
    let found = inspect(&disk).expect("readable");
    assert!(!found.blank && found.contents[0].starts_with("gpt, broken"), "{:?}", found.contents);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn damage_anywhere_in_an_esp_never_hangs_or_panics(places in proptest::collection::vec((0usize..3 << 20, any::<u8>()), 1..200)) {
        let mut disk = with_esp(6, 4, Some(("shoal/stamp.json", stamp().to_string().as_bytes())));
        for (at, byte) in places {
            disk[at] = byte;
        }
        let found = inspect(&disk).expect("reading memory cannot fail");
        prop_assert!(!found.blank);
    }
}
