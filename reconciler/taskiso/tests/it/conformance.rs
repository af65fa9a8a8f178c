// SPDX-License-Identifier: AGPL-3.0-or-later
//! What ECMA-119 asks of the structures, checked byte for byte: firmware is stricter than the
//! readers of an operating system, and reads path tables that those ignore.

use std::collections::BTreeMap;

use proptest::prelude::*;
use shoal_taskiso::SECTOR;

use crate::sets::{Files, LABEL, fixed, medium, random};

/// A directory of one of the trees.
struct Directory {
    parent: u32,
    identifier: Vec<u8>,
    sector: u32,
}

fn le16(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

fn le32(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

fn be32(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

/// A number in both byte orders (7.3.3).
fn both32(bytes: &[u8], at: usize) -> u32 {
    assert_eq!(le32(bytes, at), be32(bytes, at + 4), "byte orders differ at {at}");
    le32(bytes, at)
}

/// A number in both byte orders (7.2.3).
fn both16(bytes: &[u8], at: usize) -> u16 {
    let big = u16::from_be_bytes([bytes[at + 2], bytes[at + 3]]);
    assert_eq!(le16(bytes, at), big, "byte orders differ at {at}");
    big
}

fn sector(image: &[u8], number: u32) -> &[u8] {
    &image[number as usize * SECTOR..][..SECTOR]
}

/// A path table (9.4); `big` says in which byte order.
fn path_table(bytes: &[u8], big: bool) -> Vec<Directory> {
    let mut rest = bytes;
    let mut directories = Vec::new();
    while !rest.is_empty() {
        let len = usize::from(rest[0]);
        let parent = if big { rest[6..8].to_vec() } else { vec![rest[7], rest[6]] };
        directories.push(Directory {
            parent: u32::from(u16::from_be_bytes([parent[0], parent[1]])),
            identifier: rest[8..8 + len].to_vec(),
            sector: if big { be32(rest, 2) } else { le32(rest, 2) },
        });
        assert!(len % 2 == 0 || rest[8 + len] == 0, "the filling is not zero");
        rest = &rest[8 + len.next_multiple_of(2)..];
    }
    directories
}

/// Name and extension in sort order (9.3): each filled up with the lowest character.
fn sort_key(identifier: &[u8], width: usize) -> (Vec<u8>, Vec<u8>) {
    let units: Vec<u16> = match width {
        1 => identifier.iter().map(|&b| u16::from(b)).collect(),
        _ => identifier.chunks(2).map(|unit| u16::from_be_bytes([unit[0], unit[1]])).collect(),
    };
    let text: Vec<u8> = units.iter().map(|&unit| u8::try_from(unit).expect("ascii")).collect();
    let text = text.strip_suffix(b";1").unwrap_or(&text);
    if width == 2 {
        // A Joliet name may have several dots; they are characters as others.
        return (text.to_vec(), Vec::new());
    }
    let dot = text.iter().position(|&b| b == b'.').unwrap_or(text.len());
    let pad = |bytes: &[u8]| {
        let mut bytes = bytes.to_vec();
        bytes.resize(80, b' ');
        bytes
    };
    (pad(&text[..dot]), pad(text.get(dot + 1..).unwrap_or_default()))
}

/// Checks a directory's records; gives its children by identifier.
fn records(image: &[u8], at: u32, parent: u32, width: usize) -> BTreeMap<Vec<u8>, (u32, bool)> {
    let len = both32(sector(image, at), 10);
    assert_eq!(len as usize % SECTOR, 0, "a directory is whole sectors");
    let extent = &image[at as usize * SECTOR..][..len as usize];
    let mut found = Vec::new();
    for block in extent.chunks(SECTOR) {
        let mut rest = block;
        while rest.first().is_some_and(|&len| len != 0) {
            let (record, next) = rest.split_at(usize::from(rest[0]));
            assert_eq!(record.len() % 2, 0, "a record has an even length");
            assert_eq!(record[1], 0, "no extended attributes");
            assert_eq!(record[18..25], [123, 11, 14, 22, 13, 20, 0]);
            assert_eq!(record[26..28], [0, 0], "not interleaved");
            assert_eq!(both16(record, 28), 1);
            let identifier = record[33..33 + usize::from(record[32])].to_vec();
            let directory = record[25] == 2;
            assert!(directory || record[25] == 0, "flags {}", record[25]);
            let (first, bytes) = (both32(record, 2), both32(record, 10));
            let end = first as usize * SECTOR + bytes as usize;
            assert!(end <= image.len(), "{first} {bytes}");
            if directory {
                assert_eq!(bytes, both32(sector(image, first), 10));
            }
            found.push((identifier, (first, directory)));
            rest = next;
        }
        assert!(rest.iter().all(|&b| b == 0), "behind the records of a sector there is something");
    }
    assert_eq!(found[0], (vec![0], (at, true)));
    assert_eq!(found[1], (vec![1], (parent, true)));
    let children = &found[2..];
    for pair in children.windows(2) {
        let keys = [0, 1].map(|n| sort_key(&pair[n].0, width));
        // A file without extension beside a directory of its name differs by the dot alone.
        assert!(keys[0] <= keys[1], "{pair:?}");
        assert_ne!(pair[0].0, pair[1].0);
    }
    for (identifier, (_, directory)) in children {
        let characters = identifier.len() / width;
        if width == 2 {
            assert!(characters <= 64, "joliet 3.4.2.1");
            continue;
        }
        let text = std::str::from_utf8(identifier).expect("ascii");
        let stem = text.strip_suffix(";1").unwrap_or(text);
        assert!(stem.len() <= 31, "7.5.1, 7.6.3: {text}");
        assert_eq!(*directory, stem == text, "files have a version: {text}");
        let legal = |b| matches!(b, b'A'..=b'Z' | b'0'..=b'9' | b'_');
        assert!(stem.bytes().filter(|&b| b != b'.').all(legal), "7.4.1: {text}");
        assert_eq!(stem.matches('.').count(), usize::from(!directory), "{text}");
    }
    children.iter().cloned().collect()
}

/// One tree: descriptor, both path tables, every directory.
fn tree(image: &[u8], descriptor: u32, width: usize) {
    let descriptor = sector(image, descriptor);
    assert_eq!(&descriptor[1..7], b"CD001\x01");
    assert_eq!(both32(descriptor, 80) as usize * SECTOR, image.len());
    assert_eq!(both16(descriptor, 120), 1);
    assert_eq!(both16(descriptor, 124), 1);
    assert_eq!(both16(descriptor, 128) as usize, SECTOR);
    assert_eq!(descriptor[881], 1);
    assert_eq!(&descriptor[813..830], b"2023111422132000\0");
    let len = both32(descriptor, 132) as usize;
    let table = |at: u32| &image[at as usize * SECTOR..][..len];
    let little = path_table(table(le32(descriptor, 140)), false);
    let big = path_table(table(be32(descriptor, 148)), true);
    assert_eq!((le32(descriptor, 144), be32(descriptor, 152)), (0, 0), "no second tables");
    assert_eq!(little.len(), big.len());

    let root = both32(descriptor, 156 + 2);
    assert_eq!((little[0].sector, little[0].parent), (root, 1));
    assert_eq!(little[0].identifier, [0]);
    let mut reached = 1;
    let mut previous = (0, (Vec::new(), Vec::new()));
    for (number, (directory, other)) in little.iter().zip(&big).enumerate() {
        assert_eq!(directory.sector, other.sector);
        assert_eq!(directory.parent, other.parent);
        assert_eq!(directory.identifier, other.identifier);
        let parent = &little[directory.parent as usize - 1];
        let children = records(image, directory.sector, parent.sector, width);
        reached += children.values().filter(|(_, directory)| *directory).count();
        if number > 0 {
            assert!((directory.parent as usize) <= number, "a parent comes first");
            let siblings = records(image, parent.sector, little[parent.parent as usize - 1].sector, width);
            assert_eq!(siblings[&directory.identifier], (directory.sector, true));
            // 6.9.1: by level, then by parent, then by identifier.
            let key = (directory.parent, sort_key(&directory.identifier, width));
            assert!(previous < key, "the path table is not in order");
            previous = key;
        }
    }
    assert_eq!(reached, little.len(), "every directory is in the path table");
}

fn check(files: &Files) {
    let image = medium(files).bytes;
    assert!(image[..16 * SECTOR].iter().all(|&b| b == 0), "the system area is zero");
    let (primary, joliet) = (sector(&image, 16), sector(&image, 17));
    assert_eq!((primary[0], joliet[0], sector(&image, 18)[0]), (1, 2, 255));
    assert_eq!(&primary[40..72], LABEL.as_bytes());
    let label: Vec<u8> = LABEL.bytes().take(16).flat_map(|b| [0, b]).collect();
    assert_eq!(joliet[40..72], label);
    assert_eq!(&joliet[88..91], b"%/E");
    tree(&image, 16, 1);
    tree(&image, 17, 2);
}

#[test]
fn the_fixed_medium_conforms() {
    check(&fixed());
}

#[test]
fn an_empty_medium_conforms() {
    check(&Files::new());
}

#[test]
fn a_medium_whose_tables_take_many_sectors_conforms() {
    let file = |n| (format!("directory-with-a-long-name-{n}/nested/file"), vec![n as u8]);
    check(&(0..300).map(file).collect());
}

proptest! {
    #[test]
    fn random_media_conform(files in random(24)) {
        check(&files);
    }
}
