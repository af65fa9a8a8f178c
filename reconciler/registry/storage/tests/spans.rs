// SPDX-License-Identifier: AGPL-3.0-or-later
//! Content that is sent from its file: what is said to be right is, also where that was said a moment ago.

mod support;

use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use jiff::SignedDuration;
use shoal_oci::Digest;
use shoal_registry_storage::disk::FaultDisk;
use shoal_registry_storage::{Blob, PIECE, Span, SpanRead, Storage, StorageError};
use support::{SIZES, World, content, name, push};

fn blob(storage: &Storage, digest: &Digest) -> Blob {
    storage.blob(&name("a"), digest).unwrap().unwrap()
}

/// Says that nothing changed just now, so that what is found right is remembered.
fn settle(world: &World) {
    world.clock.advance(SignedDuration::from_mins(1));
}

fn writable(world: &World, digest: &Digest) -> File {
    File::options().read(true).write(true).open(world.blob_file(digest)).unwrap()
}

/// What the spans of a blob are in its file, by checks that may not wait where they can.
fn sent(blob: &Blob, step: usize) -> Result<Vec<u8>, StorageError> {
    let file = blob.to_send().unwrap();
    let mut content = Vec::new();
    loop {
        let offset = content.len() as u64;
        let span = match blob.span(offset, step) {
            SpanRead::Ready(span) => span,
            SpanRead::WouldBlock => blob.span_blocking(offset, step)?,
        };
        assert_eq!(span.offset, offset);
        if span.length == 0 {
            return Ok(content);
        }
        let mut part = vec![0; span.length];
        file.read_exact_at(&mut part, offset).unwrap();
        content.extend_from_slice(&part);
    }
}

#[test]
fn spans_are_the_content_of_every_size_in_memory_and_on_disk() {
    for world in [World::new(), World::on_disk()] {
        let storage = world.open_real();
        for settled in [false, true] {
            if settled {
                settle(&world);
            }
            for size in SIZES {
                let bytes = content(size, size);
                let digest = push(&storage, &name("a"), &bytes).unwrap();
                let blob = blob(&storage, &digest);
                // The second time what is remembered is used.
                for step in [1000, 1000, PIECE, usize::MAX] {
                    assert!(sent(&blob, step).unwrap() == bytes, "{size} by {step}");
                }
            }
        }
    }
}

#[test]
fn a_span_ends_at_its_piece_and_the_end_has_none() {
    let world = World::on_disk();
    let storage = world.open_real();
    let size = 2 * PIECE + 1000;
    let digest = push(&storage, &name("a"), &content(size, 1)).unwrap();
    let blob = blob(&storage, &digest);
    for (offset, max, length) in [
        (0, 10, 10),
        (5, usize::MAX, PIECE - 5),
        (PIECE - 1, 100, 1),
        (PIECE, usize::MAX, PIECE),
        (2 * PIECE + 999, 100, 1),
        (size, 100, 0),
        (7, 0, 0),
    ] {
        let span = Span { offset: offset as u64, length };
        assert_eq!(blob.span_blocking(span.offset, max).unwrap(), span);
        if let SpanRead::Ready(ready) = blob.span(span.offset, max) {
            assert_eq!(ready, span);
        }
    }
}

#[test]
fn content_on_a_disk_of_a_test_is_not_sent_from_its_file() {
    let world = World::on_disk();
    let storage = world.open_on(&Arc::new(FaultDisk::new()));
    let digest = push(&storage, &name("a"), &content(2 * PIECE, 1)).unwrap();
    assert!(blob(&storage, &digest).to_send().is_none());
}

/// Content that was all found right and remembered, and then something happens to its file.
fn after(happens: impl Fn(&File, &[u8])) {
    for size in [100, PIECE, PIECE + 1, 3 * PIECE + 9] {
        let world = World::on_disk();
        let storage = world.open_real();
        settle(&world);
        let bytes = content(size, 2);
        let digest = push(&storage, &name("a"), &bytes).unwrap();
        let blob = blob(&storage, &digest);
        assert!(sent(&blob, PIECE).unwrap() == bytes);
        // A write within the same step of the kernel's clock is what settling is for, and a test does not.
        let probe = world.dir.path().join("probe");
        let time = || {
            fs::write(&probe, "x").unwrap();
            fs::metadata(&probe).unwrap().modified().unwrap()
        };
        let before = time();
        while time() == before {}
        happens(&writable(&world, &digest), &bytes);
        let error = sent(&blob, PIECE).unwrap_err();
        assert!(matches!(error, StorageError::Corrupt { .. }), "{size}: {error}");
        assert!(storage.blob(&name("a"), &digest).unwrap().is_none());
        assert_eq!(world.names("quarantine/corrupt").len(), 2);
        push(&storage, &name("a"), &bytes).unwrap();
        assert!(sent(&self::blob(&storage, &digest), PIECE).unwrap() == bytes);
    }
}

#[test]
fn a_byte_that_is_written_into_content_that_is_remembered_is_found() {
    after(|file, bytes| file.write_all_at(&[bytes[bytes.len() - 1] ^ 1], bytes.len() as u64 - 1).unwrap());
}

#[test]
fn a_byte_that_is_written_and_the_time_set_back_is_found() {
    after(|file, bytes| {
        let before = file.metadata().unwrap().modified().unwrap();
        file.write_all_at(&[bytes[0] ^ 1], 0).unwrap();
        file.set_modified(before).unwrap();
    });
}

#[test]
fn content_that_is_remembered_and_becomes_shorter_is_found() {
    after(|file, bytes| file.set_len(bytes.len() as u64 - 1).unwrap());
}
