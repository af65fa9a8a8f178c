// SPDX-License-Identifier: AGPL-3.0-or-later
//! The composed image: every range of it, and the task inside.

use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::sync::Arc;

use proptest::prelude::*;
use shoal_taskiso::reader::{LocateError, TaskLocation, Volume, find_task, open_task};
use shoal_taskiso::{
    ComposeError, Composed, DEFAULT_LIMIT, Footer, ReadAt, TaskFiles, build_volume, raw_image,
};

use crate::sets::{EPOCH, Files, LABEL, expected, fixed, maintenance, medium, random};

/// The image as it would lie on a disk.
fn whole<S: ReadAt>(composed: &Composed<S>) -> Vec<u8> {
    let mut bytes = vec![0xEE; composed.len() as usize];
    let n = composed.read_at(0, &mut bytes).expect("readable");
    assert_eq!(n, bytes.len());
    bytes
}

/// The same, put together by hand.
fn by_hand(maintenance: &[u8], files: &Files) -> Vec<u8> {
    let task = medium(files);
    let mut bytes = maintenance.to_vec();
    bytes.resize(bytes.len().next_multiple_of(32 * 1024), 0);
    let footer = Footer {
        offset: bytes.len() as u64,
        len: task.bytes.len() as u64,
        sha256: task.sha256,
        volume_id: LABEL.into(),
    };
    bytes.extend_from_slice(&task.bytes);
    // The footer ends the image, on a multiple of 32 KiB.
    bytes.resize((bytes.len() + 2048).next_multiple_of(32 * 1024) - 2048, 0);
    bytes.extend_from_slice(&footer.encode());
    bytes
}

/// A source that gives a few bytes at a time, and is interrupted now and then.
struct Slow(Vec<u8>, std::cell::Cell<u32>);

impl ReadAt for Slow {
    fn len(&self) -> u64 {
        self.0.len() as u64
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        self.1.set(self.1.get() + 1);
        if self.1.get().is_multiple_of(3) {
            return Err(ErrorKind::Interrupted.into());
        }
        let n = buf.len().min(1000);
        self.0.read_at(offset, &mut buf[..n])
    }
}

/// A source that claims more than it has.
struct Shrunk(Vec<u8>, u64);

impl ReadAt for Shrunk {
    fn len(&self) -> u64 {
        self.1
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        self.0.read_at(offset, buf)
    }
}

#[test]
fn a_file_composes_as_memory_does_and_is_not_touched() {
    let maintenance = maintenance().bytes.to_vec();
    let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
    file.write_all(&maintenance).expect("room");
    let source = File::open(file.path()).expect("just written");
    let composed = Composed::new(Arc::new(source), &medium(&fixed())).expect("two volumes");
    let bytes = whole(&composed);
    assert_eq!(bytes, by_hand(&maintenance, &fixed()));
    assert_eq!(&bytes[..maintenance.len()], maintenance);
    assert_eq!(std::fs::read(file.path()).expect("still there"), maintenance);
}

#[test]
fn a_source_of_short_and_interrupted_reads_composes_to_the_same() {
    let maintenance = maintenance().bytes.to_vec();
    let slow = Slow(maintenance.clone(), std::cell::Cell::new(0));
    let composed = Composed::new(slow, &medium(&fixed())).expect("two volumes");
    assert_eq!(whole(&composed), by_hand(&maintenance, &fixed()));
    let (location, volume) = open_task(composed).expect("a task");
    assert_eq!(location.volume_id, LABEL);
    assert_eq!(volume.read("task.json", 2).expect("listed"), b"{}");
}

#[test]
fn a_maintenance_iso_that_became_shorter_is_an_error_and_never_zeros() {
    let maintenance = maintenance().bytes.to_vec();
    let had = maintenance.len() as u64;
    let shrunk = Shrunk(maintenance[..40_000].to_vec(), had);
    let composed = Composed::new(shrunk, &medium(&fixed())).expect("the descriptors are there");
    let mut buf = vec![0; 4096];
    // What is there is given, then the error comes.
    assert_eq!(composed.read_at(39_000, &mut buf).expect("some bytes"), 1000);
    let error = composed.read_at(40_000, &mut buf).expect_err("nothing is there");
    assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
    // The rest does not depend on it.
    assert_eq!(composed.read_at(had, &mut buf).expect("the filling"), 4096);
}

#[test]
fn odd_ranges_read_nothing_and_do_not_panic() {
    let composed = Composed::new(maintenance().bytes, &medium(&fixed())).expect("two volumes");
    let len = composed.len();
    let mut buf = [0; 10];
    for offset in [len, len + 1, u64::MAX - 5, u64::MAX] {
        assert_eq!(composed.read_at(offset, &mut buf).expect("no error"), 0);
    }
    assert_eq!(composed.read_at(len - 3, &mut buf).expect("no error"), 3);
    assert_eq!(composed.read_at(0, &mut []).expect("no error"), 0);
}

#[test]
fn the_task_is_found_in_each_of_its_forms() {
    let task = medium(&fixed());
    let len = task.bytes.len() as u64;
    let at = |offset| TaskLocation { offset, len, volume_id: LABEL.into() };
    assert_eq!(find_task(&task.bytes).expect("an iso"), at(0));
    let raw = raw_image(&task, 1024 * 1024).expect("a mebibyte");
    assert_eq!(find_task(&raw.bytes).expect("a raw image"), at(0));
    let composed = Composed::new(maintenance().bytes, &task).expect("two volumes");
    assert_eq!(find_task(&composed).expect("a composed image"), at(composed.task_offset()));
    for form in [task.bytes.to_vec(), raw.bytes.to_vec(), whole(&composed)] {
        let (_, volume) = open_task(form).expect("a task");
        for (path, content) in expected(&fixed()) {
            assert_eq!(volume.read(&path, 10_000).expect("listed"), content);
        }
    }
}

#[test]
fn the_maintenance_iso_stays_readable_in_the_composed_view() {
    let composed = Composed::new(maintenance().bytes, &medium(&fixed())).expect("two volumes");
    let volume = Volume::open(composed).expect("the maintenance volume");
    assert_eq!(volume.volume_id(), "SHOAL_MAINTENANCE");
    assert_eq!(volume.read("root.squashfs", 50_000).expect("listed"), vec![0x5A; 50_000]);
}

#[test]
fn other_media_have_no_task() {
    let no_task = |bytes: &[u8]| matches!(find_task(bytes), Err(LocateError::NoTask));
    assert!(no_task(&maintenance().bytes));
    for len in [0, 1, 2047, 2048, 40_000] {
        assert!(no_task(&vec![0; len]), "{len}");
    }
    // The prefix alone makes no task medium.
    let foreign = build_volume("TASK_FORCE", &TaskFiles::new(), EPOCH, 0, DEFAULT_LIMIT);
    assert!(no_task(&foreign.expect("a volume").bytes));
}

#[test]
fn a_footer_that_does_not_tell_the_truth_is_refused() {
    let image = by_hand(&maintenance().bytes, &fixed());
    let (body, sector) = image.split_at(image.len() - 2048);
    let sector: &[u8; 2048] = sector.try_into().expect("a sector");
    let footer = Footer::decode(sector).expect("ours").expect("a footer");
    let find = |footer: Footer| find_task(&[body, &footer.encode()].concat());

    assert!(find(footer.clone()).is_ok());
    let out_of_range = [
        (footer.offset, image.len() as u64 - footer.offset),
        (image.len() as u64 - 2048, 2048),
        (footer.offset, u64::MAX),
        (u64::MAX, footer.len),
        (u64::MAX, u64::MAX),
        (footer.offset + 1, 2048),
        (footer.offset, footer.len - 1),
    ];
    for (offset, len) in out_of_range {
        let moved = Footer { offset, len, ..footer.clone() };
        assert!(matches!(find(moved), Err(LocateError::OutOfRange { .. })), "{offset} {len}");
    }
    let other = Footer { sha256: [0; 32], ..footer.clone() };
    assert!(matches!(find(other), Err(LocateError::Digest { .. })));
    let renamed = Footer { volume_id: LABEL.replace('3', "4"), ..footer.clone() };
    assert!(matches!(find(renamed), Err(LocateError::Label { .. })));
}

#[test]
fn one_changed_byte_of_a_task_behind_a_footer_is_noticed() {
    let image = by_hand(&maintenance().bytes, &fixed());
    let start = maintenance().bytes.len().next_multiple_of(32 * 1024);
    let end = start + medium(&fixed()).bytes.len();
    for at in [start, start + 40_000, end - 1] {
        let mut damaged = image.clone();
        damaged[at] ^= 1;
        assert!(matches!(find_task(&damaged), Err(LocateError::Digest { .. })), "{at}");
    }
}

#[test]
fn only_a_maintenance_iso_and_a_task_compose() {
    let task = medium(&fixed());
    assert!(matches!(Composed::new(task.bytes.clone(), &task), Err(ComposeError::MaintenanceIsTask { .. })));
    assert!(matches!(Composed::new(maintenance().bytes, &maintenance()), Err(ComposeError::NotATask { .. })));
    // The last one is half copied: its descriptors are there, its end is not.
    for bytes in [vec![], vec![0; 40_000], maintenance().bytes[..60_000].to_vec()] {
        assert!(matches!(Composed::new(bytes, &task), Err(ComposeError::Maintenance { .. })));
    }
    let endless = Shrunk(maintenance().bytes.to_vec(), u64::MAX - 5);
    assert!(matches!(Composed::new(endless, &task), Err(ComposeError::TooLarge { .. })));
}

#[test]
fn many_readers_share_one_composed_image() {
    let composed = Composed::new(maintenance().bytes, &medium(&fixed())).expect("two volumes");
    let whole = whole(&composed);
    std::thread::scope(|scope| {
        for start in [0, 30_000, 131_000, 250_000] {
            let (composed, whole) = (&composed, &whole);
            scope.spawn(move || {
                let mut buf = vec![0; 20_000];
                let n = composed.read_at(start, &mut buf).expect("readable");
                assert_eq!(buf[..n], whole[start as usize..][..n]);
            });
        }
    });
}

#[test]
fn debug_shows_no_byte_of_the_task() {
    let files = vec![("task.json".to_owned(), b"token-of-the-job".to_vec())];
    let composed = Composed::new(maintenance().bytes, &medium(&files)).expect("two volumes");
    let volume = Volume::open(medium(&files).bytes).expect("our own volume");
    let (_, inside) = open_task(medium(&files).bytes).expect("a task");
    for text in [format!("{composed:?}"), format!("{volume:?}"), format!("{inside:?}")] {
        assert!(!text.contains("token"), "{text}");
    }
}

proptest! {
    #[test]
    fn every_range_equals_that_of_the_image_put_together_by_hand(
        files in random(6),
        tail in 0..70_000_usize,
        ranges in prop::collection::vec((any::<prop::sample::Index>(), 0..50_000_usize), 1..20),
    ) {
        let mut maintenance = maintenance().bytes.to_vec();
        maintenance.resize(maintenance.len() + tail, 0xA5);
        let expected = by_hand(&maintenance, &files);
        let composed = Composed::new(maintenance, &medium(&files)).expect("two volumes");
        prop_assert_eq!(composed.len(), expected.len() as u64);
        for (start, len) in ranges {
            let start = start.index(expected.len());
            let mut buf = vec![0xEE; len];
            let n = composed.read_at(start as u64, &mut buf).expect("readable");
            let end = expected.len().min(start + len);
            prop_assert_eq!(n, end - start);
            prop_assert_eq!(&buf[..n], &expected[start..end]);
        }
    }
}
