// SPDX-License-Identifier: AGPL-3.0-or-later
//! Long lists of referrers, tags whose push failed half way, and uploads that are counted.

mod images;
mod support;

use std::fs;
use std::ops::ControlFlow;
use std::sync::Arc;

use images::{Image, by_tag, resolve, tag};
use shoal_oci::{Algorithm, Digest};
use shoal_registry_storage::disk::{Fault, FaultDisk, Tear};
use shoal_registry_storage::{Deletion, Keep, Need, UploadLimits};
use support::{World, name};

#[test]
fn a_page_of_referrers_reads_its_own_entries_and_no_other() {
    let world = World::new();
    let storage = world.open();
    let subject = Image::new(1);
    let mut all = Vec::new();
    for seed in 2..7 {
        let signature = Image::about(&subject, seed);
        signature.push(&storage, "a", &[]).unwrap();
        all.push(signature.digest);
    }
    all.sort();
    let visit = |after: Option<&Digest>, most: usize| {
        let mut seen = Vec::new();
        let after = after.map(Digest::as_str);
        let read = storage.each_referrer(&name("a"), &subject.digest, after, &mut |descriptor| {
            seen.push(descriptor.digest);
            if seen.len() < most { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        });
        read.map(|()| seen)
    };
    assert_eq!(visit(None, 9).unwrap(), all);
    assert_eq!(visit(Some(&all[1]), 2).unwrap(), all[2..4]);
    assert_eq!(visit(Some(&all[4]), 2).unwrap(), []);
    // Whoever reads this entry fails.
    let dashed = |digest: &Digest| digest.as_str().replace(':', "-");
    let entry = format!("repositories/a/_referrers/{}/{}", dashed(&subject.digest), dashed(&all[2]));
    fs::remove_file(world.root().join(&entry)).unwrap();
    fs::create_dir(world.root().join(&entry)).unwrap();
    assert_eq!(visit(None, 2).unwrap(), all[..2]);
    assert_eq!(visit(Some(&all[2]), 9).unwrap(), all[3..]);
    assert!(visit(None, 3).is_err());
}

#[test]
fn a_tag_that_is_on_disk_is_known_whatever_became_of_its_push() {
    let image = Image::new(1);
    for step in 0.. {
        let world = World::new();
        let disk = Arc::new(FaultDisk::new());
        let storage = world.open_on(&disk);
        image.push_blobs(&storage, "a").unwrap();
        disk.arm(Fault::NoSpaceAt(step), Tear::default());
        let pushed = image.put(&storage, "a", &["t"]);
        let met = disk.steps().len() as u64 > step;
        disk.arm(Fault::None, Tear::default());
        let there = world.root().join("repositories/a/_tags/t").exists();
        assert!(there || pushed.is_err(), "step {step}");
        if there {
            let keep = Keep { immutable: &|_| true, ..Keep::default() };
            let kept = storage.delete_manifest_unless(&name("a"), &image.digest, keep).unwrap();
            assert_eq!(kept, Deletion::Needed(Need::Tag(tag("t"))), "step {step}");
            assert_eq!(resolve(&storage, "a", "t"), Some(image.digest.clone()), "step {step}");
            assert!(storage.delete_manifest(&name("a"), &image.digest).unwrap(), "step {step}");
            assert!(!world.root().join("repositories/a/_tags/t").exists(), "step {step}");
            assert_eq!(storage.manifest(&name("a"), &by_tag("t")).unwrap(), None, "step {step}");
        }
        if !met {
            assert!(there && step > 5, "only {step} steps");
            return;
        }
    }
}

#[test]
fn so_many_uploads_are_open_in_a_repository_and_in_all_of_them_also_after_a_restart() {
    let world = World::new();
    let most = UploadLimits { all: 3, each: 2 };
    let storage = world.open();
    let begin = |storage: &shoal_registry_storage::Storage, repository: &str| {
        storage.begin_within(&name(repository), Algorithm::Sha256, most).unwrap()
    };
    let first = begin(&storage, "a").unwrap();
    assert!(begin(&storage, "a").is_some());
    assert_eq!(begin(&storage, "a"), None, "two in one");
    drop(storage);
    let storage = world.open();
    assert_eq!(begin(&storage, "a"), None, "two in one");
    assert!(begin(&storage, "b").is_some());
    assert_eq!(begin(&storage, "c"), None, "three in all");
    assert!(storage.cancel(&name("a"), first).unwrap());
    assert!(begin(&storage, "a").is_some());
}
