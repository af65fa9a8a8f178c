// SPDX-License-Identifier: AGPL-3.0-or-later
//! Uploads: in parts, resumed, wrong, at the same time, abandoned.

mod support;

use std::fs;
use std::sync::Barrier;

use jiff::SignedDuration;
use shoal_oci::{Algorithm, Digest};
use shoal_registry_storage::{PIECE, StorageError, UploadId};
use support::{World, check, content, copies, name, pull, push};

#[test]
fn an_upload_in_parts_of_any_size_becomes_content() {
    let world = World::new();
    let storage = world.open();
    let bytes = content(2 * PIECE + 333, 1);
    let digest = support::digest(&bytes);
    for part in [7777, PIECE - 1, PIECE, PIECE + 1, 1 << 20] {
        let id = storage.begin(&name("a"), Algorithm::Sha256).unwrap();
        let mut sent = 0;
        for part in bytes.chunks(part) {
            // Each part by a request of its own.
            let mut writer = storage.writer(&name("a"), id).unwrap();
            assert_eq!(writer.received(), sent);
            writer.write(part).unwrap();
            sent += part.len() as u64;
            assert_eq!(writer.received(), sent);
            drop(writer);
            assert_eq!(storage.upload(&name("a"), id).unwrap(), Some(sent));
        }
        assert_eq!(storage.writer(&name("a"), id).unwrap().finish(&digest).unwrap(), bytes.len() as u64);
        assert_eq!(storage.upload(&name("a"), id).unwrap(), None, "it has ended");
        let error = storage.writer(&name("a"), id).unwrap_err();
        assert!(matches!(error, StorageError::UploadUnknown(unknown) if unknown == id));
        assert_eq!(pull(&storage, &name("a"), &digest).unwrap().unwrap(), bytes);
        assert!(storage.delete_blob(&name("a"), &digest).unwrap());
        fs::remove_file(world.blob_file(&digest)).unwrap();
    }
}

#[test]
fn an_upload_goes_on_after_a_restart() {
    let world = World::new();
    let bytes = content(2 * PIECE + 333, 2);
    let digest = support::digest(&bytes);
    let id = world.open().begin(&name("a"), Algorithm::Sha256).unwrap();
    for part in bytes.chunks(100_000) {
        world.open().writer(&name("a"), id).unwrap().write(part).unwrap();
    }
    let storage = world.open();
    assert_eq!(storage.upload(&name("a"), id).unwrap(), Some(bytes.len() as u64));
    storage.writer(&name("a"), id).unwrap().finish(&digest).unwrap();
    assert_eq!(pull(&storage, &name("a"), &digest).unwrap().unwrap(), bytes);
    check(&world);
}

#[test]
fn a_blob_with_a_wrong_digest_is_refused_and_nothing_is_left() {
    let world = World::new();
    let storage = world.open();
    for (sent, expected) in [
        (content(100, 3), support::digest(b"something else")),
        (content(2 * PIECE, 3), support::digest(&content(2 * PIECE - 1, 3))),
        (Vec::new(), support::digest(b"something else")),
        (content(100, 3), Digest::of(Algorithm::Sha512, b"something else")),
    ] {
        let id = storage.begin(&name("a"), Algorithm::Sha256).unwrap();
        let mut writer = storage.writer(&name("a"), id).unwrap();
        writer.write(&sent).unwrap();
        let error = writer.finish(&expected).unwrap_err();
        let StorageError::DigestMismatch { expected: named, got } = error else { panic!("{error}") };
        assert_eq!(named, expected);
        assert_eq!(got, Digest::of(expected.algorithm(), &sent));
        assert_eq!(storage.upload(&name("a"), id).unwrap(), None);
        assert!(storage.blob(&name("a"), &expected).unwrap().is_none());
        assert!(storage.blob(&name("a"), &got).unwrap().is_none());
    }
    assert_eq!(world.names("uploads"), Vec::<String>::new());
    assert_eq!(copies(&world).len(), 0);
    check(&world);
}

#[test]
fn a_digest_of_the_other_algorithm_than_announced_is_checked_all_the_same() {
    let world = World::new();
    let storage = world.open();
    for size in support::SIZES {
        let bytes = content(size, 4);
        let digest = Digest::of(Algorithm::Sha512, &bytes);
        let id = storage.begin(&name("a"), Algorithm::Sha256).unwrap();
        let mut writer = storage.writer(&name("a"), id).unwrap();
        writer.write(&bytes).unwrap();
        writer.finish(&digest).unwrap();
        assert_eq!(pull(&storage, &name("a"), &digest).unwrap().unwrap(), bytes);
    }
    check(&world);
}

#[test]
fn one_request_at_a_time_writes_to_an_upload() {
    let world = World::new();
    let storage = world.open();
    let id = storage.begin(&name("a"), Algorithm::Sha256).unwrap();
    let mut writer = storage.writer(&name("a"), id).unwrap();
    writer.write(b"first").unwrap();
    assert!(matches!(storage.writer(&name("a"), id), Err(StorageError::UploadBusy(busy)) if busy == id));
    assert!(matches!(storage.cancel(&name("a"), id), Err(StorageError::UploadBusy(_))));
    assert_eq!(storage.upload(&name("a"), id).unwrap(), Some(5), "asking is allowed");
    drop(writer);
    let mut writer = storage.writer(&name("a"), id).unwrap();
    writer.write(b" second").unwrap();
    writer.finish(&support::digest(b"first second")).unwrap();
}

#[test]
fn an_upload_is_found_in_its_own_repository_only() {
    let world = World::new();
    let storage = world.open();
    let id = storage.begin(&name("a"), Algorithm::Sha256).unwrap();
    storage.writer(&name("a"), id).unwrap().write(b"secret").unwrap();
    assert_eq!(storage.upload(&name("b"), id).unwrap(), None);
    assert!(matches!(storage.writer(&name("b"), id), Err(StorageError::UploadUnknown(_))));
    assert!(!storage.cancel(&name("b"), id).unwrap());
    let writer = storage.writer(&name("a"), id).unwrap();
    assert_eq!(writer.received(), 6, "nobody has disturbed it");
    writer.finish(&support::digest(b"secret")).unwrap();
    let unknown = UploadId::random().unwrap();
    assert!(matches!(storage.writer(&name("a"), unknown), Err(StorageError::UploadUnknown(_))));
}

#[test]
fn a_cancelled_upload_is_gone() {
    let world = World::new();
    let storage = world.open();
    let id = storage.begin(&name("a"), Algorithm::Sha256).unwrap();
    storage.writer(&name("a"), id).unwrap().write(b"x").unwrap();
    assert!(storage.cancel(&name("a"), id).unwrap());
    assert!(!storage.cancel(&name("a"), id).unwrap());
    assert_eq!(storage.upload(&name("a"), id).unwrap(), None);
    assert_eq!(world.names("uploads"), Vec::<String>::new());
}

#[test]
fn clients_that_finish_the_same_blob_at_once_all_succeed_and_there_is_one_copy() {
    for size in [100, 2 * PIECE] {
        let world = World::new();
        let storage = world.open();
        let bytes = content(size, 5);
        let digest = support::digest(&bytes);
        let barrier = Barrier::new(8);
        std::thread::scope(|scope| {
            for client in 0..8 {
                let (storage, bytes, digest, barrier) = (&storage, &bytes, &digest, &barrier);
                scope.spawn(move || {
                    let repository = name(["a", "b"][client % 2]);
                    let id = storage.begin(&repository, Algorithm::Sha256).unwrap();
                    let mut writer = storage.writer(&repository, id).unwrap();
                    writer.write(bytes).unwrap();
                    barrier.wait();
                    writer.finish(digest).unwrap();
                    assert_eq!(&pull(storage, &repository, digest).unwrap().unwrap(), bytes);
                });
            }
        });
        assert_eq!(copies(&world).len(), 1);
        assert_eq!(world.names("uploads"), Vec::<String>::new());
        check(&world);
    }
}

#[test]
fn a_push_replaces_content_that_is_damaged_on_disk_and_nobody_has_noticed() {
    let world = World::new();
    let storage = world.open();
    for size in [100, 2 * PIECE] {
        let bytes = content(size, 6);
        let digest = push(&storage, &name("a"), &bytes).unwrap();
        for damaged in [Vec::new(), content(size, 7), content(size + 1, 7)] {
            fs::write(world.blob_file(&digest), damaged).unwrap();
            push(&storage, &name("b"), &bytes).unwrap();
            assert_eq!(pull(&storage, &name("a"), &digest).unwrap().unwrap(), bytes);
        }
    }
    check(&world);
}

#[test]
fn uploads_that_nobody_goes_on_with_expire_and_those_in_use_do_not() {
    let world = World::new();
    let storage = world.open();
    let begin = || {
        let id = storage.begin(&name("a"), Algorithm::Sha256).unwrap();
        storage.writer(&name("a"), id).unwrap().write(b"x").unwrap();
        id
    };
    let (abandoned, slow) = (begin(), begin());
    fs::write(world.root().join("uploads/notes.txt"), "of a person").unwrap();
    assert_eq!(storage.expire_uploads().unwrap(), 0);
    let writer = storage.writer(&name("a"), slow).unwrap();
    world.clock.advance(SignedDuration::from_hours(25));
    assert_eq!(storage.expire_uploads().unwrap(), 1);
    assert_eq!(storage.upload(&name("a"), abandoned).unwrap(), None);
    writer.finish(&support::digest(b"x")).unwrap();
    assert_eq!(storage.expire_uploads().unwrap(), 0);
    assert_eq!(world.names("uploads"), ["notes.txt"]);
}

#[test]
fn an_upload_whose_file_somebody_has_cut_is_hashed_again_from_what_is_there() {
    let world = World::new();
    let storage = world.open();
    let bytes = content(1000, 8);
    let id = storage.begin(&name("a"), Algorithm::Sha256).unwrap();
    storage.writer(&name("a"), id).unwrap().write(&bytes).unwrap();
    let file = world.root().join("uploads").join(&world.names("uploads")[0]);
    fs::File::options().write(true).open(file).unwrap().set_len(400).unwrap();
    let mut writer = storage.writer(&name("a"), id).unwrap();
    assert_eq!(writer.received(), 400);
    writer.write(&bytes[400..]).unwrap();
    writer.finish(&support::digest(&bytes)).unwrap();
    check(&world);
}
