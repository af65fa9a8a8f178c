// SPDX-License-Identifier: AGPL-3.0-or-later
//! Pushing and deleting manifests and tags, and collecting, while the world stops at every step.

mod images;
mod support;

use std::sync::Arc;

use images::{Image, all_tags, assert_whole, by_digest, collect, everything, hours, resolve, tag};
use shoal_oci::Reference;
use shoal_registry_storage::disk::{Fault, FaultDisk, Lost, Root, Tear};
use shoal_registry_storage::{CollectRules, Pattern, Retention, Storage, StorageError};
use support::{Ended, FULL, World, at_every_step, check, crashes, name};

/// `kill -9`, and a power cut that takes all that it may.
const TEARS: [Tear; 2] =
    [Tear { content: Lost::Nothing, names: false }, Tear { content: Lost::Zeros, names: true }];

/// Opens the storage again, and looks at all that must hold.
fn reopen(world: &World, about: &str) -> Storage {
    // Not the real disk: its syncs take the time of all the rest together.
    let storage = world.open_on(&Arc::new(FaultDisk::new()));
    check(world);
    assert_whole(&storage, about);
    storage
}

#[test]
fn a_push_with_two_tags_and_a_subject_that_is_stopped_leaves_every_tag_whole() {
    let subject = Image::new(1);
    let (before, image) = (Image::new(2), Image::about(&subject, 3));
    let prepare = |storage: &Storage| {
        before.push(storage, "a", &["moved"]).unwrap();
        image.push_blobs(storage, "a").unwrap();
    };
    let put = |storage: &Storage, (): &()| image.put(storage, "a", &["moved", "new"]);
    let steps = at_every_step(&crashes(&TEARS), prepare, put, |ended, ()| {
        let Ended { world, result, about, .. } = ended;
        let storage = reopen(&world, &about);
        let moved = resolve(&storage, "a", "moved").expect("it was there before");
        let new = resolve(&storage, "a", "new");
        assert!(moved == before.digest || moved == image.digest, "{about}");
        assert!(new.is_none() || moved == image.digest, "the tags come in order; {about}");
        let listed = storage.referrers(&name("a"), &subject.digest, None).unwrap();
        if result.is_ok() {
            assert!(moved == image.digest && new.is_some(), "acknowledged and lost: {about}");
        }
        if moved == image.digest {
            assert_eq!(listed.len(), 1, "the entry comes before the tags; {about}");
        }
        image.put(&storage, "a", &["moved", "new"]).unwrap();
        assert_eq!(resolve(&storage, "a", "moved"), Some(image.digest.clone()));
        assert_eq!(resolve(&storage, "a", "new"), Some(image.digest.clone()));
        assert_eq!(storage.referrers(&name("a"), &subject.digest, None).unwrap().len(), 1);
        collect(&storage, &everything());
        assert_whole(&storage, &about);
        assert_eq!(images::content(&world), image.digests(), "{about}");
        drop(storage);
        reopen(&world, &about);
    });
    assert!(steps > 20, "content, record, entry, two tags: {steps}");
}

#[test]
fn the_first_push_to_a_repository_that_is_stopped_can_be_done_again() {
    let image = Image::new(1);
    let push = |storage: &Storage, (): &()| image.push(storage, "deep/in/here", &["t"]);
    at_every_step(
        &crashes(&TEARS),
        |_| (),
        push,
        |ended, ()| {
            let storage = reopen(&ended.world, &ended.about);
            let there = resolve(&storage, "deep/in/here", "t");
            assert!(there.is_some() || ended.result.is_err(), "{}", ended.about);
            image.push(&storage, "deep/in/here", &["t"]).unwrap();
            drop(storage);
            let storage = reopen(&ended.world, &ended.about);
            assert_eq!(resolve(&storage, "deep/in/here", "t"), Some(image.digest.clone()));
        },
    );
}

#[test]
fn deleting_a_manifest_that_is_stopped_leaves_no_tag_without_it() {
    let subject = Image::new(1);
    let (kept, image) = (Image::new(2), Image::about(&subject, 3));
    let prepare = |storage: &Storage| {
        kept.push(storage, "a", &["kept"]).unwrap();
        image.push(storage, "a", &["one", "two"]).unwrap();
    };
    let delete = |storage: &Storage, (): &()| storage.delete_manifest(&name("a"), &image.digest);
    at_every_step(&crashes(&TEARS), prepare, delete, |ended, ()| {
        let Ended { world, result, about, .. } = ended;
        let storage = reopen(&world, &about);
        let gone = storage.manifest(&name("a"), &by_digest(&image.digest)).unwrap().is_none();
        let listed = storage.referrers(&name("a"), &subject.digest, None).unwrap().len();
        if result.is_ok() {
            assert!(gone && listed == 0, "acknowledged and back: {about}");
        }
        if gone {
            assert_eq!(all_tags(&storage).len(), 1, "{about}");
        }
        assert_eq!(storage.delete_manifest(&name("a"), &image.digest).unwrap(), !gone, "{about}");
        assert_eq!(all_tags(&storage), [(name("a"), tag("kept"))]);
        assert_eq!(storage.referrers(&name("a"), &subject.digest, None).unwrap(), []);
        collect(&storage, &everything());
        assert_eq!(images::content(&world), kept.digests(), "{about}");
        assert_whole(&storage, &about);
    });
}

#[test]
fn deleting_a_tag_that_is_stopped_has_happened_or_not() {
    let image = Image::new(1);
    let prepare = |storage: &Storage| image.push(storage, "a", &["one", "two"]).unwrap();
    let delete = |storage: &Storage, (): &()| storage.delete_tag(&name("a"), &tag("one"));
    at_every_step(&crashes(&TEARS), prepare, delete, |ended, ()| {
        let storage = reopen(&ended.world, &ended.about);
        let there = resolve(&storage, "a", "one").is_some();
        assert!(!(there && ended.result.is_ok()), "acknowledged and back: {}", ended.about);
        assert_eq!(storage.delete_tag(&name("a"), &tag("one")).unwrap(), there);
        assert_eq!(resolve(&storage, "a", "one"), None);
        assert_eq!(resolve(&storage, "a", "two"), Some(image.digest.clone()));
    });
}

/// Something of each kind to take out, and something of each to keep.
fn prepare_to_collect(storage: &Storage) {
    for seed in 0..2 {
        let image = Image::new(seed);
        image.push(storage, "tools/a", &[&format!("v{seed}")]).unwrap();
        Image::about(&image, 10 + seed).push(storage, "tools/a", &[]).unwrap();
    }
    let kept = Image::new(20);
    kept.push(storage, "b", &[]).unwrap();
    Image::index(&[&kept]).push(storage, "b", &["index"]).unwrap();
    Image::index(&[&Image::index(&[&kept])]).push(storage, "b", &[]).unwrap();
    support::push(storage, &name("c"), b"nobody names this").unwrap();
}

fn rules() -> CollectRules {
    let repositories = Pattern::parse("tools/*").unwrap();
    let retention = vec![Retention { repositories, keep_last: Some(1) }];
    CollectRules { retention, quarantine: hours(1), ..everything() }
}

/// What tags name before, and must name after unless retention takes the tag.
const STAYS: [(&str, &str); 2] = [("tools/a", "v1"), ("b", "index")];

fn check_collected(ended: Ended<usize>, rules: &CollectRules) {
    let Ended { world, result, about, .. } = ended;
    let storage = reopen(&world, &about);
    for (repository, tag) in STAYS {
        assert!(resolve(&storage, repository, tag).is_some(), "{about}");
    }
    for image in 0..2 {
        // Whatever is there by its digest is whole too: records go before what they name.
        let digest = Image::new(image).digest;
        if storage.manifest(&name("tools/a"), &Reference::Digest(digest.clone())).unwrap().is_some() {
            images::assert_manifest_whole(&storage, &name("tools/a"), &digest, &about);
        }
    }
    let again = collect(&storage, rules);
    assert!(result.is_err() || again.rows.is_empty(), "acknowledged and not done: {about}");
    assert_whole(&storage, &about);
    let signed = Image::new(1);
    let kept = Image::new(20);
    let mut expected = signed.digests();
    expected.extend(Image::about(&signed, 11).digests());
    expected.extend(kept.digests());
    expected.extend(Image::index(&[&kept]).digests());
    assert_eq!(images::content(&world), expected, "{about}");
    assert_eq!(storage.repositories().unwrap(), [name("b"), name("tools/a")], "{about}");
    drop(storage);
    reopen(&world, &about);
}

#[test]
fn a_collection_that_is_stopped_loses_nothing_and_the_next_one_ends_it() {
    let run = |storage: &Storage, (): &()| Ok(storage.collect(&rules(), &mut |_| {})?.rows.len());
    let steps = at_every_step(&crashes(&TEARS), prepare_to_collect, run, |ended, ()| {
        check_collected(ended, &rules());
    });
    assert!(steps > 50, "{steps}");
}

#[test]
fn a_collection_on_a_full_disk_loses_nothing_and_the_next_one_ends_it() {
    let run = |storage: &Storage, (): &()| match storage.collect(&rules(), &mut |_| {}) {
        Ok(collected) => Ok(collected.rows.len()),
        Err(error @ StorageError::NoSpace { .. }) => Err(error),
        Err(other) => panic!("{other}"),
    };
    at_every_step(&FULL, prepare_to_collect, run, |ended, ()| {
        check_collected(ended, &rules());
    });
}

/// A version that retention takes, and one that stays.
fn prepare_two_versions(storage: &Storage) {
    Image::new(0).push(storage, "tools/a", &["v0"]).unwrap();
    Image::new(1).push(storage, "tools/a", &["v1"]).unwrap();
}

#[test]
fn emptying_the_quarantine_that_is_stopped_is_ended_by_the_next_run() {
    let world_rules = CollectRules { quarantine: hours(0), ..rules() };
    let prepare = |storage: &Storage| {
        prepare_two_versions(storage);
        collect(storage, &rules());
    };
    let run = |storage: &Storage, (): &()| Ok(storage.collect(&world_rules, &mut |_| {})?.rows.len());
    at_every_step(&crashes(&TEARS), prepare, run, |ended, ()| {
        let storage = reopen(&ended.world, &ended.about);
        collect(&storage, &world_rules);
        assert_eq!(ended.world.names("quarantine/gc"), Vec::<String>::new(), "{}", ended.about);
        assert_eq!(ended.world.names("quarantine/records"), Vec::<String>::new(), "{}", ended.about);
        assert_whole(&storage, &ended.about);
    });
}

#[test]
fn a_restore_that_is_stopped_leaves_every_tag_whole_and_can_be_done_again() {
    let image = Image::new(0);
    let prepare = |storage: &Storage| {
        prepare_two_versions(storage);
        collect(storage, &rules());
        assert_eq!(resolve(storage, "tools/a", "v0"), None);
    };
    let restore = |storage: &Storage, (): &()| storage.restore(&image.digest);
    at_every_step(&crashes(&TEARS), prepare, restore, |ended, ()| {
        let storage = reopen(&ended.world, &ended.about);
        storage.restore(&image.digest).unwrap();
        assert_eq!(resolve(&storage, "tools/a", "v0"), Some(image.digest.clone()), "{}", ended.about);
        assert_whole(&storage, &ended.about);
    });
}

/// Runs an operation, and cuts the power once it has returned.
fn cut_after(prepare: impl Fn(&Storage), operate: impl Fn(&Storage), check: impl Fn(&Storage)) {
    let world = World::new();
    let disk = Arc::new(FaultDisk::new());
    let storage = world.open_on(&disk);
    prepare(&storage);
    disk.arm(Fault::None, TEARS[1]);
    operate(&storage);
    disk.crash(&Root::open(&world.root()).unwrap());
    drop(storage);
    check(&reopen(&world, "after a power cut"));
}

#[test]
fn what_was_acknowledged_survives_a_power_cut_right_after() {
    let subject = Image::new(1);
    let image = Image::about(&subject, 2);
    let nothing = |_: &Storage| {};
    let pushed = |storage: &Storage| image.push(storage, "a", &["one", "two"]).unwrap();
    cut_after(nothing, pushed, |storage| {
        assert_eq!(resolve(storage, "a", "one"), Some(image.digest.clone()));
        assert_eq!(resolve(storage, "a", "two"), Some(image.digest.clone()));
        assert_eq!(storage.referrers(&name("a"), &subject.digest, None).unwrap().len(), 1);
    });
    let delete_tag = |storage: &Storage| assert!(storage.delete_tag(&name("a"), &tag("one")).unwrap());
    cut_after(pushed, delete_tag, |storage| assert_eq!(all_tags(storage), [(name("a"), tag("two"))]));
    let delete = |storage: &Storage| assert!(storage.delete_manifest(&name("a"), &image.digest).unwrap());
    cut_after(pushed, delete, |storage| {
        assert_eq!(all_tags(storage), []);
        assert!(storage.manifest(&name("a"), &by_digest(&image.digest)).unwrap().is_none());
        assert_eq!(storage.referrers(&name("a"), &subject.digest, None).unwrap(), []);
    });
    let blob = support::digest(&image.blobs[0]);
    let mount = |storage: &Storage| assert!(storage.mount(&name("b/c"), None, &blob, &|_| true).unwrap());
    cut_after(pushed, mount, |storage| assert!(storage.blob(&name("b/c"), &blob).unwrap().is_some()));
    let run = |storage: &Storage| drop(collect(storage, &rules()));
    cut_after(prepare_to_collect, run, |storage| {
        let again = collect(storage, &CollectRules { dry_run: true, ..rules() });
        assert_eq!(again.rows, [], "it is done");
    });
}
