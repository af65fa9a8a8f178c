// SPDX-License-Identifier: AGPL-3.0-or-later
//! Media that are damaged or made to harm: errors, never panics.

use std::io;

use proptest::prelude::*;
use proptest::sample::Index;
use shoal_taskiso::reader::{LocateError, ReadError, Volume, find_task, open_task};
use shoal_taskiso::{Composed, ReadAt, SECTOR};

use crate::sets::{Files, fixed, maintenance, medium, random};

/// Does all that a reader does with a medium.
fn exercise(image: &[u8]) {
    if let Ok(volume) = Volume::open(image) {
        for file in volume.files() {
            let content = volume.read(&file.path, u64::MAX).expect("extents were checked");
            assert_eq!(content.len() as u64, file.len);
        }
    }
    if let Ok((location, volume)) = open_task(image) {
        assert!(location.offset + location.len <= image.len() as u64);
        for file in volume.files() {
            volume.read(&file.path, u64::MAX).expect("extents were checked");
        }
    }
}

fn composed(files: &Files) -> Vec<u8> {
    let composed = Composed::new(maintenance().bytes, &medium(files)).expect("two volumes");
    let mut image = vec![0; composed.len() as usize];
    composed.read_at(0, &mut image).expect("readable");
    image
}

/// The record called `identifier` in the root of the plain tree: where it begins.
fn record(image: &[u8], identifier: &[u8]) -> usize {
    let root = root(image) as usize * SECTOR;
    let name = [&[identifier.len() as u8], identifier].concat();
    let at = image[root..].windows(name.len()).position(|bytes| bytes == name);
    root + at.expect("a record of this name") - 32
}

/// The Rock Ridge name of that record: where its entry begins.
fn name_entry(image: &[u8], identifier: &[u8]) -> usize {
    let at = record(image, identifier);
    at + image[at..].windows(2).position(|bytes| bytes == b"NM").expect("a name")
}

/// First sector of the root directory.
fn root(image: &[u8]) -> u32 {
    let at = 16 * SECTOR + 156 + 2;
    u32::from_le_bytes(image[at..at + 4].try_into().expect("four bytes"))
}

#[test]
fn a_directory_that_contains_the_root_is_a_loop() {
    let mut image = medium(&fixed()).bytes.to_vec();
    let at = record(&image, b"NET");
    let root = root(&image).to_le_bytes();
    image[at + 2..at + 6].copy_from_slice(&root);
    assert!(matches!(
        Volume::open(&image[..]),
        Err(ReadError::Loop { path }) if path == "net"
    ));
}

#[test]
fn two_entries_of_one_name_are_refused() {
    let files = ["task.json", "tusk.json"].map(|path| (path.to_owned(), b"{}".to_vec()));
    let mut image = medium(&files.to_vec()).bytes.to_vec();
    assert!(Volume::open(&image[..]).is_ok());
    let at = name_entry(&image, b"TUSK.JSON;1");
    image[at + 6] = b'a';
    assert!(matches!(
        Volume::open(&image[..]),
        Err(ReadError::Duplicate { path }) if path == "task.json"
    ));
}

#[test]
fn names_that_climb_or_cut_are_refused() {
    for bad in [&b"../.."[..], b"a/b/c", b"a\0b\0c", b"\xFF\xFF\xFF\xFF\xFF"] {
        let mut image = medium(&fixed()).bytes.to_vec();
        let at = name_entry(&image, b"EMPTY.;1");
        image[at + 5..at + 10].copy_from_slice(bad);
        assert!(matches!(Volume::open(&image[..]), Err(ReadError::BadName { .. })), "{bad:?}");
    }
}

#[test]
fn an_extent_outside_of_the_medium_is_refused_before_memory_is_taken() {
    for field in [2..6, 10..14] {
        let mut image = medium(&fixed()).bytes.to_vec();
        let at = record(&image, b"RECIPE.JSON;1");
        image[at + field.start..at + field.end].fill(0xFF);
        assert!(matches!(Volume::open(&image[..]), Err(ReadError::Truncated { .. })));
    }
}

#[test]
fn continuation_areas_that_go_in_a_circle_end_in_an_error() {
    let mut image = medium(&fixed()).bytes.to_vec();
    let root = root(&image) as usize * SECTOR;
    let at = root + image[root..].windows(2).position(|b| b == b"CE").expect("an area");
    let entry: [u8; 28] = image[at..at + 28].try_into().expect("an entry");
    let sector = u32::from_le_bytes(entry[4..8].try_into().expect("four bytes"));
    // The area now begins with the entry that points at it.
    let area = sector as usize * SECTOR;
    image[area..area + SECTOR].fill(0);
    image[area..area + 28].copy_from_slice(&entry);
    assert!(matches!(
        Volume::open(&image[..]),
        Err(ReadError::Malformed { problem: "the continuation areas do not end", .. })
    ));
}

#[test]
fn files_in_several_extents_are_refused_by_name() {
    let mut image = medium(&fixed()).bytes.to_vec();
    let at = record(&image, b"RECIPE.JSON;1");
    image[at + 25] |= 0x80;
    assert!(matches!(
        Volume::open(&image[..]),
        Err(ReadError::Unsupported { path, .. }) if path == "recipe.json"
    ));
}

#[test]
fn links_and_devices_are_left_out() {
    let mut image = medium(&fixed()).bytes.to_vec();
    let at = record(&image, b"RECIPE.JSON;1");
    let mode = at + image[at..].windows(2).position(|b| b == b"PX").expect("a mode") + 4;
    image[mode..mode + 4].copy_from_slice(&0o120_777_u32.to_le_bytes());
    let volume = Volume::open(&image[..]).expect("the rest is well");
    let paths: Vec<_> = volume.files().map(|file| file.path.as_str()).collect();
    assert!(!paths.contains(&"recipe.json"), "{paths:?}");
    assert!(paths.contains(&"recipe.schema.json"));
}

#[test]
fn descriptors_without_end_are_an_error() {
    let mut image = vec![0; 200 * SECTOR];
    for sector in 16..200 {
        image[sector * SECTOR..sector * SECTOR + 7].copy_from_slice(b"\x03CD001\x01");
    }
    assert!(matches!(Volume::open(&image[..]), Err(ReadError::TooMany { .. })));
    image[20 * SECTOR + 1] = 0;
    assert!(matches!(Volume::open(&image[..]), Err(ReadError::Malformed { .. })));
}

#[test]
fn a_cut_anywhere_is_an_error_or_no_task() {
    let iso = medium(&fixed()).bytes;
    // The last file is smaller than a sector.
    for len in (0..iso.len()).step_by(SECTOR) {
        assert!(Volume::open(&iso[..len]).is_err(), "{len}");
        assert!(find_task(&iso[..len]).is_err(), "{len}");
    }
    let image = composed(&fixed());
    for len in (0..image.len()).step_by(512) {
        assert!(matches!(find_task(&image[..len]), Err(LocateError::NoTask)), "{len}");
    }
}

#[test]
fn a_device_that_fails_is_told_from_one_without_a_task() {
    struct Broken;
    impl ReadAt for Broken {
        fn len(&self) -> u64 {
            1 << 20
        }
        fn read_at(&self, _: u64, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("medium error"))
        }
    }
    assert!(matches!(find_task(&Broken), Err(LocateError::Read(ReadError::Io { .. }))));
    assert!(matches!(Volume::open(Broken), Err(ReadError::Io { .. })));
}

/// A medium of a tebibyte whose root has 4 GiB, every sector of it being the same.
struct Endless {
    descriptors: Vec<u8>,
    sector: Vec<u8>,
}

impl Endless {
    fn new(sector: Vec<u8>) -> Self {
        let mut descriptors = medium(&fixed()).bytes[..19 * SECTOR].to_vec();
        let root = 16 * SECTOR + 156;
        descriptors[root + 2..root + 6].copy_from_slice(&1000_u32.to_le_bytes());
        descriptors[root + 10..root + 14].fill(0xFF);
        // No Joliet tree to turn to.
        descriptors[17 * SECTOR] = 3;
        Self { descriptors, sector }
    }
}

impl ReadAt for Endless {
    fn len(&self) -> u64 {
        1 << 40
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        if offset < self.descriptors.len() as u64 {
            return self.descriptors.read_at(offset, buf);
        }
        self.sector.read_at(offset % SECTOR as u64, buf)
    }
}

#[test]
fn a_directory_of_gigabytes_is_given_up_early() {
    let empty = Endless::new(vec![0; SECTOR]);
    assert!(matches!(Volume::open(empty), Err(ReadError::TooMany { what: "bytes of directories", .. })));
    // Thirty-four bytes of a file without content called "A", again and again.
    let mut record = [0; 34];
    (record[0], record[32], record[33]) = (34, 1, b'A');
    let mut sector = record.repeat(60);
    sector.resize(SECTOR, 0);
    let full = Endless::new(sector);
    assert!(matches!(Volume::open(full), Err(ReadError::TooMany { what: "files and directories", .. })));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn random_damage_gives_errors_and_no_panic(
        files in random(8),
        damage in prop::collection::vec((any::<Index>(), any::<u8>()), 1..12),
        cut in prop::option::of(any::<Index>()),
        form in 0..2_u8,
    ) {
        let mut image = match form {
            0 => medium(&files).bytes.to_vec(),
            _ => composed(&files),
        };
        // Only where structures are: file data and the system area do not matter to a reader.
        let base = if form == 0 { 0 } else { 131_072 };
        for (at, byte) in damage {
            let structures = 16 * SECTOR..(image.len() - base).min(60 * SECTOR);
            let at = base + structures.start + at.index(structures.len());
            image[at] = byte;
        }
        if let Some(cut) = cut {
            let len = cut.index(image.len());
            image.truncate(len);
        }
        exercise(&image);
        exercise(image.get(base..).unwrap_or_default());
    }

    #[test]
    fn damage_to_the_entries_themselves_gives_errors_and_no_panic(
        damage in prop::collection::vec((any::<Index>(), any::<u8>()), 1..6),
    ) {
        // The root directory of a fixed medium: every byte hit is one that is parsed.
        let mut image = medium(&fixed()).bytes.to_vec();
        let root = root(&image) as usize * SECTOR;
        for (at, byte) in damage {
            image[root + at.index(1700)] = byte;
        }
        exercise(&image);
    }

    #[test]
    fn bytes_of_any_kind_are_read_without_a_panic(
        noise in prop::collection::vec(any::<u8>(), 0..3 * SECTOR),
    ) {
        let mut image = vec![0; 16 * SECTOR];
        image.extend_from_slice(&noise);
        exercise(&image);
        if let Some(start) = image.get_mut(16 * SECTOR..16 * SECTOR + 7) {
            start.copy_from_slice(b"\x01CD001\x01");
        }
        exercise(&image);
    }
}
