// SPDX-License-Identifier: AGPL-3.0-or-later
//! Reading content: what leaves is what came, or nothing does.

mod support;

use std::fs;
use std::os::unix::fs::{FileExt as _, symlink};
use std::sync::Barrier;

use bytes::Bytes;
use jiff::SignedDuration;
use shoal_oci::{Algorithm, Digest};
use shoal_registry_storage::{Blob, PIECE, PieceRead, Storage, StorageError};
use support::{SIZES, World, check, content, name, pull, push};

/// Flips a bit of stored content.
fn flip(world: &World, digest: &Digest, at: u64) {
    let file = fs::File::options().read(true).write(true).open(world.blob_file(digest)).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).unwrap();
    file.write_all_at(&[byte[0] ^ 4], at).unwrap();
}

/// The content of a blob by reads that may not wait, where they find it, and that may, where not.
fn read_either_way(blob: &Blob, step: usize) -> (Vec<u8>, usize) {
    let (mut content, mut without_waiting) = (Vec::new(), 0);
    loop {
        let offset = content.len() as u64;
        let piece = match blob.piece(offset, step) {
            PieceRead::Ready(bytes) => {
                without_waiting += 1;
                bytes
            }
            PieceRead::WouldBlock => blob.piece_blocking(offset, step).unwrap(),
        };
        if piece.is_empty() {
            return (content, without_waiting);
        }
        content.extend_from_slice(&piece);
    }
}

#[test]
fn content_of_every_size_comes_back_as_it_was_pushed() {
    let world = World::on_disk();
    let storage = world.open_real();
    for size in SIZES {
        let bytes = content(size, size);
        let digest = push(&storage, &name("a"), &bytes).unwrap();
        assert_eq!(pull(&storage, &name("a"), &digest).unwrap().unwrap(), bytes, "{size}");
        assert_eq!(storage.blob_size(&name("a"), &digest).unwrap(), Some(size as u64));
        assert_eq!(world.sums_file(&digest).exists(), size > PIECE, "{size}");
        let blob = storage.blob(&name("a"), &digest).unwrap().unwrap();
        for step in [1000, PIECE, usize::MAX] {
            assert_eq!(read_either_way(&blob, step).0, bytes, "{size} by {step}");
        }
    }
    check(&world);
}

#[test]
fn a_part_of_a_piece_ends_at_the_piece_and_the_end_is_empty() {
    let world = World::new();
    let storage = world.open();
    let bytes = content(2 * PIECE + 1000, 1);
    let digest = push(&storage, &name("a"), &bytes).unwrap();
    let blob = storage.blob(&name("a"), &digest).unwrap().unwrap();
    for (offset, max, end) in [
        (0, 10, 10),
        (5, usize::MAX, PIECE),
        (PIECE - 1, 100, PIECE),
        (PIECE, usize::MAX, 2 * PIECE),
        (2 * PIECE + 999, 100, 2 * PIECE + 1000),
        (2 * PIECE + 1000, 100, 2 * PIECE + 1000),
        (7, 0, 7),
    ] {
        let piece = blob.piece_blocking(offset as u64, max).unwrap();
        assert_eq!(piece, bytes[offset..end], "{offset} {max}");
        if let PieceRead::Ready(ready) = blob.piece(offset as u64, max) {
            assert_eq!(ready, piece);
        }
    }
    assert!(blob.piece_blocking(u64::MAX, 1).unwrap().is_empty());
    assert_eq!(blob.piece(u64::MAX, 1), PieceRead::Ready(Bytes::new()));
}

#[test]
fn a_blob_is_in_the_repositories_that_have_it_and_in_no_other() {
    let world = World::new();
    let storage = world.open();
    let digest = push(&storage, &name("a/b"), b"content").unwrap();
    for other in ["a", "a/b/c", "b"] {
        assert!(storage.blob(&name(other), &digest).unwrap().is_none(), "{other}");
        assert!(!storage.delete_blob(&name(other), &digest).unwrap(), "{other}");
    }
    assert!(!storage.mount(&name("b"), Some(&name("a")), &digest, &|_| true).unwrap());
    assert!(!storage.mount(&name("b"), Some(&name("a/b")), &digest, &|_| false).unwrap(), "not to be seen");
    assert!(!storage.mount(&name("b"), None, &digest, &|_| false).unwrap(), "not to be seen");
    assert!(storage.mount(&name("b"), Some(&name("a/b")), &digest, &|_| true).unwrap());
    assert!(storage.mount(&name("c"), None, &digest, &|from| *from == name("b")).unwrap());
    assert!(storage.delete_blob(&name("a/b"), &digest).unwrap());
    assert!(storage.blob(&name("a/b"), &digest).unwrap().is_none());
    assert_eq!(pull(&storage, &name("b"), &digest).unwrap().unwrap(), b"content");
    assert_eq!(pull(&storage, &name("c"), &digest).unwrap().unwrap(), b"content");
    assert_eq!(support::copies(&world).len(), 1);
}

#[test]
fn a_flipped_bit_anywhere_never_leaves_and_the_content_is_put_away() {
    for size in SIZES.into_iter().filter(|size| *size > 0) {
        for at in [0, size / 2, size - 1] {
            let world = World::new();
            let storage = world.open();
            let bytes = content(size, 2);
            let digest = push(&storage, &name("a"), &bytes).unwrap();
            storage.mount(&name("b"), Some(&name("a")), &digest, &|_| true).unwrap();
            let blob = storage.blob(&name("a"), &digest).unwrap().unwrap();
            flip(&world, &digest, at as u64);
            let piece = (at / PIECE * PIECE) as u64;
            assert_eq!(blob.piece(piece, usize::MAX), PieceRead::WouldBlock, "{size} {at}");
            assert!(world.blob_file(&digest).exists(), "only who may wait puts it away");
            let error = blob.piece_blocking(piece, 1).unwrap_err();
            assert!(
                matches!(error, StorageError::Corrupt { digest: found } if found == digest),
                "{size} {at}"
            );
            for repository in ["a", "b"] {
                assert!(storage.blob(&name(repository), &digest).unwrap().is_none());
                assert_eq!(storage.blob_size(&name(repository), &digest).unwrap(), None);
            }
            assert!(!storage.mount(&name("c"), Some(&name("a")), &digest, &|_| true).unwrap());
            // It and the note about it.
            let kept = world.names("quarantine/corrupt");
            assert_eq!(kept.len(), 2, "{kept:?}");
            let note = fs::read_to_string(world.root().join("quarantine/corrupt").join(&kept[1])).unwrap();
            let note: serde_json::Value = serde_json::from_str(&note).unwrap();
            assert_eq!(note["digest"], digest.as_str());
            assert_eq!(note["size"], size);
            assert!(!note["why"].as_str().unwrap().is_empty());
            // A good push brings it back for everybody who had it.
            push(&storage, &name("a"), &bytes).unwrap();
            assert_eq!(pull(&storage, &name("a"), &digest).unwrap().unwrap(), bytes);
            assert_eq!(pull(&storage, &name("b"), &digest).unwrap().unwrap(), bytes);
        }
    }
}

#[test]
fn content_that_became_shorter_or_longer_is_damaged() {
    for (size, now) in
        [(100, 99), (100, 0), (100, 101), (PIECE, PIECE + 1), (PIECE + 1, PIECE), (3 * PIECE, PIECE + 7)]
    {
        let world = World::new();
        let storage = world.open();
        let bytes = content(size, 3);
        let digest = push(&storage, &name("a"), &bytes).unwrap();
        let set_len = |length: usize| {
            let file = fs::File::options().write(true).open(world.blob_file(&digest)).unwrap();
            file.set_len(length as u64).unwrap();
        };
        // While it is open,
        let open = storage.blob(&name("a"), &digest).unwrap().unwrap();
        set_len(now);
        if now < size {
            let error = open.piece_blocking((size - 1) as u64, 1).unwrap_err();
            assert!(matches!(error, StorageError::Corrupt { .. }), "{size} {now}: {error}");
            push(&storage, &name("a"), &bytes).unwrap();
            set_len(now);
        }
        // and before it is opened; what was known of it in memory does not help.
        match pull(&storage, &name("a"), &digest) {
            Err(StorageError::Corrupt { .. }) => {}
            // Nothing left to read: nothing wrong leaves either, and whoever counts bytes notices.
            Ok(Some(read)) => assert!(now == 0 && read.is_empty(), "{size} {now}"),
            other => panic!("{size} {now}: {other:?}"),
        }
        push(&storage, &name("a"), &bytes).unwrap();
        assert_eq!(pull(&storage, &name("a"), &digest).unwrap().unwrap(), bytes);
    }
}

#[test]
fn checksums_that_are_missing_or_damaged_are_made_again_from_content_that_is_whole() {
    let world = World::new();
    let bytes = content(3 * PIECE + 5, 4);
    let digest = push(&world.open(), &name("a"), &bytes).unwrap();
    let good = fs::read(world.sums_file(&digest)).unwrap();
    let mut flipped = good.clone();
    flipped[30] ^= 1;
    for sums in
        [None, Some(Vec::new()), Some(good[..good.len() - 8].to_vec()), Some(flipped), Some(vec![7; 1 << 20])]
    {
        match &sums {
            None => fs::remove_file(world.sums_file(&digest)).unwrap(),
            Some(sums) => fs::write(world.sums_file(&digest), sums).unwrap(),
        }
        // Opened anew: they are in memory otherwise.
        let storage = world.open();
        let blob = storage.blob(&name("a"), &digest).unwrap().unwrap();
        assert_eq!(blob.piece(0, 1), PieceRead::WouldBlock, "making them takes a while");
        assert_eq!(blob.piece_blocking(PIECE as u64, 10).unwrap(), bytes[PIECE..PIECE + 10]);
        assert_eq!(fs::read(world.sums_file(&digest)).unwrap(), good);
    }
    check(&world);
}

#[test]
fn checksums_are_not_made_from_content_that_is_damaged() {
    let world = World::new();
    let digest = push(&world.open(), &name("a"), &content(3 * PIECE, 5)).unwrap();
    fs::remove_file(world.sums_file(&digest)).unwrap();
    flip(&world, &digest, 2 * PIECE as u64);
    let storage = world.open();
    let blob = storage.blob(&name("a"), &digest).unwrap().unwrap();
    // The damage is in another piece: without checksums nobody can tell, so nothing of it leaves.
    let error = blob.piece_blocking(0, 10).unwrap_err();
    assert!(matches!(error, StorageError::Corrupt { .. }), "{error}");
    assert!(!world.sums_file(&digest).exists());
    assert!(storage.blob(&name("a"), &digest).unwrap().is_none());
}

#[test]
fn many_who_need_missing_checksums_share_one_reading() {
    let world = World::new();
    let bytes = content(4 * PIECE, 6);
    let digest = push(&world.open(), &name("a"), &bytes).unwrap();
    fs::remove_file(world.sums_file(&digest)).unwrap();
    let storage = world.open();
    let barrier = Barrier::new(8);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                barrier.wait();
                assert_eq!(pull(&storage, &name("a"), &digest).unwrap().unwrap(), bytes);
            });
        }
    });
    check(&world);
}

#[test]
fn a_reader_of_damaged_content_does_not_put_the_good_content_away_that_replaced_it() {
    let world = World::new();
    let storage = world.open();
    let bytes = content(2 * PIECE, 7);
    let digest = push(&storage, &name("a"), &bytes).unwrap();
    let old = storage.blob(&name("a"), &digest).unwrap().unwrap();
    flip(&world, &digest, 0);
    push(&storage, &name("a"), &bytes).unwrap();
    assert!(matches!(old.piece_blocking(0, 1), Err(StorageError::Corrupt { .. })), "it has the old file");
    assert_eq!(pull(&storage, &name("a"), &digest).unwrap().unwrap(), bytes);
    check(&world);
}

#[test]
fn what_is_open_can_be_read_to_its_end_after_it_was_deleted() {
    let world = World::new();
    let storage = world.open();
    let bytes = content(2 * PIECE, 8);
    let digest = push(&storage, &name("a"), &bytes).unwrap();
    let blob = storage.blob(&name("a"), &digest).unwrap().unwrap();
    assert!(storage.delete_blob(&name("a"), &digest).unwrap());
    fs::remove_file(world.blob_file(&digest)).unwrap();
    assert_eq!(read_either_way(&blob, usize::MAX).0, bytes);
}

#[test]
fn symbolic_links_in_the_storage_lead_nowhere() {
    let outside = tempfile::tempdir().unwrap();
    let world = World::new();
    let storage = world.open_real();
    let digest = push(&storage, &name("a"), b"inside").unwrap();
    // Even with the right bytes behind it.
    let target = outside.path().join("content");
    fs::write(&target, "inside").unwrap();
    fs::remove_file(world.blob_file(&digest)).unwrap();
    symlink(&target, world.blob_file(&digest)).unwrap();
    let error = storage.blob(&name("a"), &digest).unwrap_err();
    assert!(matches!(error, StorageError::Symlink { .. }), "{error}");
    // A push replaces the link, not what it points at.
    push(&storage, &name("a"), b"inside").unwrap();
    assert!(fs::symlink_metadata(world.blob_file(&digest)).unwrap().is_file());
    // A repository that is a link to elsewhere takes nothing there.
    symlink(outside.path(), world.root().join("repositories/evil")).unwrap();
    let error = push(&storage, &name("evil/repo"), b"x").unwrap_err();
    assert!(matches!(error, StorageError::Symlink { .. }), "{error}");
    assert_eq!(support::names(outside.path()), ["content"]);
}

#[test]
fn a_use_is_noted_after_ten_seconds_and_not_before() {
    let world = World::new();
    let storage = world.open();
    let digest = push(&storage, &name("a"), b"x").unwrap();
    let link = world.root().join("repositories/a/_blobs/sha256").join(digest.hex());
    let pushed = fs::metadata(&link).unwrap().modified().unwrap();
    world.clock.advance(SignedDuration::from_secs(9));
    storage.blob(&name("a"), &digest).unwrap();
    assert_eq!(fs::metadata(&link).unwrap().modified().unwrap(), pushed);
    world.clock.advance(SignedDuration::from_secs(2));
    storage.blob_size(&name("a"), &digest).unwrap();
    assert!(fs::metadata(&link).unwrap().modified().unwrap() > pushed);
}

#[test]
fn sixty_four_readers_and_their_buffers() {
    let world = World::new();
    let storage = world.open();
    let bytes = content(5 * PIECE + 77, 9);
    let digest = push(&storage, &name("a"), &bytes).unwrap();
    std::thread::scope(|scope| {
        for reader in 0..64 {
            let (storage, bytes, digest) = (&storage, &bytes, &digest);
            scope.spawn(move || {
                let blob = storage.blob(&name("a"), digest).unwrap().unwrap();
                assert_eq!(&read_either_way(&blob, 1000 + reader * 10_000).0, bytes);
            });
        }
    });
}

#[test]
fn both_algorithms_are_read_and_checked() {
    let world = World::new();
    let storage: Storage = world.open();
    for size in SIZES {
        let bytes = content(size, 10);
        let digest = Digest::of(Algorithm::Sha512, &bytes);
        let id = storage.begin(&name("a"), Algorithm::Sha512).unwrap();
        let mut writer = storage.writer(&name("a"), id).unwrap();
        writer.write(&bytes).unwrap();
        writer.finish(&digest).unwrap();
        assert_eq!(pull(&storage, &name("a"), &digest).unwrap().unwrap(), bytes);
    }
    check(&world);
}
