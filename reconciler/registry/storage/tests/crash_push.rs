// SPDX-License-Identifier: AGPL-3.0-or-later
//! Pushing, mounting and deleting blobs while the world stops, or the disk fills up, at every step.

mod support;

use std::fs;

use shoal_oci::{Algorithm, Digest};
use shoal_registry_storage::disk::{Fault, Lost, Tear};
use shoal_registry_storage::{PIECE, Storage, StorageError};
use support::{
    Ended, FULL, at_every_step, cases, check, content, crash, crashes, name, pull, push, seed, tears,
};

/// Content is there or not as a whole, what was acknowledged is there, and trying again works.
fn check_push(ended: Ended<Digest>, bytes: &[u8]) {
    let Ended { world, result, about, .. } = ended;
    let repository = name("os-images/debian");
    let storage = world.open();
    check(&world);
    let digest = support::digest(bytes);
    let pulled = pull(&storage, &repository, &digest).unwrap();
    assert!(pulled.is_some() || result.is_err(), "acknowledged and lost: {about}");
    assert!(pulled.is_none_or(|pulled| pulled == bytes), "{about}");
    assert_eq!(
        storage.blob_size(&repository, &digest).unwrap().is_some(),
        storage.blob(&repository, &digest).unwrap().is_some()
    );
    push(&storage, &repository, bytes).unwrap();
    assert_eq!(pull(&storage, &repository, &digest).unwrap().unwrap(), bytes, "{about}");
    drop(storage);
    world.open();
    check(&world);
}

#[test]
fn a_push_that_is_stopped_at_any_step_leaves_all_of_it_or_nothing() {
    for bytes in [content(100, 1), content(2 * PIECE + 1000, 2)] {
        let push = |storage: &Storage, (): &()| push(storage, &name("os-images/debian"), &bytes);
        let steps = at_every_step(&crashes(&tears()), |_| (), push, |ended, ()| check_push(ended, &bytes));
        assert!(steps >= 6, "create, write, sync, rename, link, two directories: {steps}");
    }
}

#[test]
fn an_end_that_is_stopped_at_any_step_leaves_the_blob_or_an_upload_that_can_be_taken_up() {
    let bytes = content(2 * PIECE + 1000, 2);
    let repository = name("os-images/debian");
    let begun = |storage: &Storage| {
        let id = storage.begin(&repository, Algorithm::Sha256).unwrap();
        storage.writer(&repository, id).unwrap().write(&bytes).unwrap();
        id
    };
    let digest = support::digest(&bytes);
    let end = |storage: &Storage, id: &_| storage.writer(&repository, *id)?.finish(&digest);
    // What a kill leaves: nothing of what was written is lost.
    let killed = Tear { content: Lost::Nothing, names: false };
    let steps = at_every_step(&crashes(&[killed]), begun, end, |ended, id| {
        let storage = ended.world.open();
        let upload = storage.upload(&repository, id).unwrap();
        if let Some(received) = upload {
            assert_eq!(received, bytes.len() as u64, "{}", ended.about);
            storage.writer(&repository, id).unwrap().finish(&digest).unwrap();
        }
        let pulled = pull(&storage, &repository, &digest).unwrap();
        assert!(pulled.is_some_and(|pulled| pulled == bytes), "{}, upload {upload:?}", ended.about);
        check(&ended.world);
    });
    assert!(steps >= 5, "sync, link, a directory, rename, a directory: {steps}");
}

#[test]
fn a_second_push_of_the_same_content_that_is_stopped_loses_nothing() {
    let bytes = content(PIECE + 1, 3);
    let prepare = |storage: &Storage| push(storage, &name("first"), &bytes).unwrap();
    let second = |storage: &Storage, _: &Digest| push(storage, &name("second"), &bytes);
    at_every_step(&crashes(&tears()), prepare, second, |ended, digest| {
        let storage = ended.world.open();
        check(&ended.world);
        assert_eq!(pull(&storage, &name("first"), &digest).unwrap().unwrap(), bytes, "{}", ended.about);
        let second = pull(&storage, &name("second"), &digest).unwrap();
        assert!(second.is_some() || ended.result.is_err(), "{}", ended.about);
        push(&storage, &name("second"), &bytes).unwrap();
        assert_eq!(support::copies(&ended.world).len(), 1);
    });
}

#[test]
fn a_mount_that_is_stopped_leaves_the_blob_mounted_or_not() {
    let bytes = content(100, 4);
    let prepare = |storage: &Storage| push(storage, &name("from"), &bytes).unwrap();
    let mount = |storage: &Storage, digest: &Digest| {
        storage.mount(&name("to/here"), Some(&name("from")), digest, &|_| true)
    };
    at_every_step(&crashes(&tears()), prepare, mount, |ended, digest| {
        let storage = ended.world.open();
        check(&ended.world);
        assert_eq!(pull(&storage, &name("from"), &digest).unwrap().unwrap(), bytes);
        let mounted = pull(&storage, &name("to/here"), &digest).unwrap();
        assert!(mounted.is_some() || ended.result.is_err(), "{}", ended.about);
        assert!(storage.mount(&name("to/here"), None, &digest, &|_| true).unwrap());
        assert_eq!(pull(&storage, &name("to/here"), &digest).unwrap().unwrap(), bytes);
    });
}

#[test]
fn a_deletion_that_is_stopped_has_happened_or_not_and_stays_once_acknowledged() {
    let bytes = content(100, 5);
    let prepare = |storage: &Storage| {
        push(storage, &name("other"), &bytes).unwrap();
        push(storage, &name("one"), &bytes).unwrap()
    };
    let delete = |storage: &Storage, digest: &Digest| storage.delete_blob(&name("one"), digest);
    at_every_step(&crashes(&tears()), prepare, delete, |ended, digest| {
        let storage = ended.world.open();
        check(&ended.world);
        let there = storage.blob(&name("one"), &digest).unwrap().is_some();
        assert!(!(there && ended.result.is_ok()), "acknowledged and back: {}", ended.about);
        assert_eq!(storage.delete_blob(&name("one"), &digest).unwrap(), there);
        assert!(storage.blob(&name("one"), &digest).unwrap().is_none());
        assert_eq!(pull(&storage, &name("other"), &digest).unwrap().unwrap(), bytes);
    });
}

#[test]
fn an_upload_in_parts_that_is_stopped_goes_on_where_its_file_ends() {
    let bytes = content(2 * PIECE, 6);
    let repository = name("parts");
    let digest = support::digest(&bytes);
    let prepare = |storage: &Storage| storage.begin(&name("parts"), Algorithm::Sha256).unwrap();
    let write = |storage: &Storage, id: &_| {
        for part in bytes.chunks(PIECE / 3) {
            storage.writer(&name("parts"), *id)?.write(part)?;
        }
        storage.writer(&name("parts"), *id)?.finish(&digest)
    };
    at_every_step(&crashes(&[Tear::default()]), prepare, write, |ended, id| {
        let storage = ended.world.open();
        check(&ended.world);
        let about = ended.about;
        if storage.blob(&repository, &digest).unwrap().is_none() {
            let received = storage.upload(&repository, id).unwrap();
            if let Some(received) = received {
                let mut writer = storage.writer(&repository, id).unwrap();
                assert_eq!(writer.received(), received, "{about}");
                writer.write(&bytes[usize::try_from(received).unwrap()..]).unwrap();
                writer.finish(&digest).unwrap();
            } else {
                // It was moved into place, and not linked any more.
                push(&storage, &repository, &bytes).unwrap();
            }
        }
        assert_eq!(pull(&storage, &repository, &digest).unwrap().unwrap(), bytes, "{about}");
    });
}

#[test]
fn bytes_that_a_power_cut_has_torn_are_noticed_at_the_end_and_the_next_upload_is_good() {
    let bytes = content(PIECE + 5, 7);
    let digest = support::digest(&bytes);
    let repository = name("torn");
    let prepare = |storage: &Storage| storage.begin(&name("torn"), Algorithm::Sha256).unwrap();
    let write = |storage: &Storage, id: &_| storage.writer(&name("torn"), *id)?.write(&bytes);
    let torn: Vec<Tear> = tears().into_iter().filter(|tear| !tear.names).collect();
    at_every_step(&crashes(&torn), prepare, write, |ended, id| {
        let storage = ended.world.open();
        let mut writer = storage.writer(&repository, id).unwrap();
        let received = usize::try_from(writer.received()).unwrap();
        writer.write(&bytes[received..]).unwrap();
        match writer.finish(&digest) {
            Ok(_) => assert_eq!(pull(&storage, &repository, &digest).unwrap().unwrap(), bytes),
            Err(StorageError::DigestMismatch { .. }) => {
                assert_eq!(storage.upload(&repository, id).unwrap(), None);
                push(&storage, &repository, &bytes).unwrap();
            }
            Err(other) => panic!("{other}"),
        }
        check(&ended.world);
    });
}

#[test]
fn a_disk_that_is_full_at_any_step_refuses_without_harm_and_the_push_works_with_room() {
    let bytes = content(2 * PIECE + 1000, 8);
    let before = content(300, 9);
    let repository = name("full/disk");
    let prepare = |storage: &Storage| push(storage, &name("full/before"), &before).unwrap();
    let push_it = |storage: &Storage, _: &Digest| push(storage, &repository, &bytes);
    at_every_step(&FULL, prepare, push_it, |ended, earlier| {
        let about = &ended.about;
        match &ended.result {
            Ok(_) => {}
            Err(StorageError::NoSpace { .. }) => {}
            Err(other) => panic!("{other}: {about}"),
        }
        // What is left over without any restart: a push without the fault works on what is there.
        let storage = ended.world.open();
        check(&ended.world);
        assert_eq!(pull(&storage, &name("full/before"), &earlier).unwrap().unwrap(), before, "{about}");
        let digest = support::digest(&bytes);
        let there = pull(&storage, &repository, &digest).unwrap();
        assert!(there.is_some() || ended.result.is_err(), "acknowledged and lost: {about}");
        push(&storage, &repository, &bytes).unwrap();
        assert_eq!(pull(&storage, &repository, &digest).unwrap().unwrap(), bytes, "{about}");
    });
}

#[test]
fn an_upload_that_met_a_full_disk_goes_on_once_there_is_room() {
    let bytes = content(2 * PIECE, 10);
    let digest = support::digest(&bytes);
    let repository = name("resumed");
    for room in [0, 1, 1000, PIECE as u64, PIECE as u64 + 1] {
        let world = support::World::new();
        let disk = std::sync::Arc::new(shoal_registry_storage::disk::FaultDisk::new());
        let storage = world.open_on(&disk);
        let id = storage.begin(&repository, Algorithm::Sha256).unwrap();
        disk.arm(Fault::NoSpaceAfterBytes(room), Tear::default());
        let mut writer = storage.writer(&repository, id).unwrap();
        let error = writer.write(&bytes).unwrap_err();
        assert!(error.is_no_space(), "{error}");
        assert_eq!(writer.received(), room);
        drop(writer);
        assert_eq!(storage.upload(&repository, id).unwrap(), Some(room));
        disk.arm(Fault::None, Tear::default());
        let mut writer = storage.writer(&repository, id).unwrap();
        assert_eq!(writer.received(), room);
        writer.write(&bytes[usize::try_from(room).unwrap()..]).unwrap();
        writer.finish(&digest).unwrap();
        assert_eq!(pull(&storage, &repository, &digest).unwrap().unwrap(), bytes);
        check(&world);
    }
}

#[test]
fn no_temporary_file_and_no_upload_is_left_by_a_push_that_found_the_disk_full_while_it_runs() {
    let bytes = content(PIECE + 1, 11);
    let repository = name("tidy");
    at_every_step(
        &FULL[..1],
        |_| (),
        |storage, ()| push(storage, &repository, &bytes),
        |ended, ()| {
            assert_eq!(
                ended.world.names("temp"),
                Vec::<String>::new(),
                "before any restart: {}",
                ended.about
            );
            let uploads = ended.world.root().join("uploads");
            for upload in support::names(&uploads) {
                // What stays can be gone on with: it is a part of what was sent.
                let part = fs::read(uploads.join(upload)).unwrap();
                assert!(bytes.starts_with(&part), "{}", ended.about);
            }
        },
    );
}

#[test]
fn opening_for_the_first_time_can_be_stopped_at_any_step() {
    let (tears, seed) = (tears(), seed());
    for step in 0.. {
        for turn in 0..tears.len().min(cases() as usize) {
            let tear = tears[(seed.wrapping_add(step) as usize % tears.len() + turn) % tears.len()];
            let world = support::World::new();
            let disk = std::sync::Arc::new(shoal_registry_storage::disk::FaultDisk::new());
            disk.arm(crash(step), tear);
            let options = shoal_registry_storage::Options { disk: disk.clone(), ..world.options() };
            let result = Storage::open(&world.root(), options).map(drop);
            if result.is_ok() {
                assert!(step > 10, "opening has more steps than that");
                return;
            }
            let storage = world.open();
            check(&world);
            let digest = push(&storage, &name("a"), b"x").unwrap();
            assert_eq!(pull(&storage, &name("a"), &digest).unwrap().unwrap(), b"x");
        }
    }
}
