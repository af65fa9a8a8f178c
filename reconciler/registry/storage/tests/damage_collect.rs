// SPDX-License-Identifier: AGPL-3.0-or-later
//! Collecting with damaged manifests, and with a clock that jumps.

mod images;
mod support;

use std::collections::BTreeSet;
use std::fs;
use std::sync::Arc;

use images::{Image, everything, hours, usual};
use jiff::SignedDuration;
use shoal_oci::{Algorithm, Digest};
use shoal_registry_storage::disk::{Broken, FaultDisk};
use shoal_registry_storage::layout::Place;
use shoal_registry_storage::{CollectRules, Collected, Pattern, Retention, Storage};
use support::{World, name, push};

fn collect(storage: &Storage, rules: &CollectRules) -> Collected {
    storage.collect(rules, &mut |_| {}).unwrap()
}

fn union(images: &[&Image]) -> BTreeSet<Digest> {
    images.iter().flat_map(|image| image.digests()).collect()
}

#[test]
fn a_manifest_that_cannot_be_read_keeps_its_repository_and_no_other() {
    const EIO: i32 = 5;
    for damage in ["damaged", "missing", "unreadable"] {
        let world = World::new();
        let disk = Arc::new(FaultDisk::new());
        let storage = world.open_on(&disk);
        let (tagged, untagged, retired, elsewhere, child) =
            (Image::new(1), Image::new(2), Image::new(3), Image::new(4), Image::new(5));
        let index = Image::index(&[&child]);
        retired.push(&storage, "a", &["retired"]).unwrap();
        child.push(&storage, "a", &[]).unwrap();
        index.push(&storage, "a", &[]).unwrap();
        tagged.push(&storage, "a", &["t"]).unwrap();
        untagged.push(&storage, "a", &[]).unwrap();
        let loose = push(&storage, &name("a"), b"loose").unwrap();
        elsewhere.push(&storage, "b", &[]).unwrap();
        match damage {
            "damaged" => fs::write(world.blob_file(&tagged.digest), "damaged").unwrap(),
            "missing" => fs::remove_file(world.blob_file(&tagged.digest)).unwrap(),
            _ => {
                let path = ["blobs", "sha256", tagged.digest.hex()];
                let place = path.iter().fold(Place::root(), |place, part| place.child(part).unwrap());
                disk.break_file(place, Broken::Reading, EIO);
            }
        }
        let retention = vec![Retention { repositories: Pattern::parse("*").unwrap(), keep_last: Some(1) }];
        let rules = CollectRules { retention, ..everything() };
        let collected = collect(&storage, &rules);
        let mut expected = union(&[&tagged, &untagged, &retired, &index, &child]);
        expected.insert(loose);
        if damage == "missing" {
            expected.remove(&tagged.digest);
        }
        assert_eq!(images::content(&world), expected, "{damage}");
        assert_eq!(collected.skipped, BTreeSet::from([name("a")]));
        assert!(collected.damaged[0].path.ends_with(tagged.digest.hex()), "{damage}");
        assert!(collected.rows.iter().all(|row| row.item.repository() != Some(&name("a"))), "{damage}");
        // Whoever asks for it is told, and it is put away.
        assert!(!matches!(storage.manifest(&name("a"), &images::by_tag("t")), Ok(Some(_))));
        tagged.push(&storage, "a", &["t"]).unwrap();
        let collected = collect(&storage, &rules);
        assert_eq!(images::content(&world), tagged.digests());
        assert_eq!((collected.skipped.len(), collected.damaged.len()), (0, 0));
    }
}

#[test]
fn a_clock_that_jumps_forward_makes_nothing_old_in_one_run() {
    let world = World::new();
    let storage = world.open();
    Image::new(1).push(&storage, "a", &[]).unwrap();
    assert!(!collect(&storage, &usual()).postponed, "nothing is remembered");
    world.clock.advance(SignedDuration::from_hours(25));
    assert!(!collect(&storage, &usual()).rows.is_empty());
    assert_eq!(images::content(&world), BTreeSet::new());
    let image = Image::new(2);
    image.push(&storage, "a", &[]).unwrap();
    let quarantined = world.names("quarantine/gc");
    assert_ne!(quarantined, Vec::<String>::new());
    world.clock.advance(SignedDuration::from_hours(10_000));
    let dry = CollectRules { dry_run: true, ..usual() };
    for rules in [&dry, &usual()] {
        let collected = collect(&storage, rules);
        assert!(collected.postponed);
        assert_eq!(collected.rows, []);
        assert_eq!(collected.kept.manifests, 1);
    }
    assert_eq!(images::content(&world), image.digests());
    assert_eq!(world.names("quarantine/gc"), quarantined);
    // It was right after all: the next run is as usual, also of another process.
    drop(storage);
    let storage = world.open();
    world.clock.advance(SignedDuration::from_hours(1));
    let collected = collect(&storage, &usual());
    assert!(!collected.postponed && collected.freed_bytes > 0);
    assert_eq!(images::content(&world), BTreeSet::new());
}

#[test]
fn days_without_a_run_that_are_not_many_are_no_jump() {
    let world = World::new();
    let storage = world.open();
    collect(&storage, &usual());
    Image::new(1).push(&storage, "a", &[]).unwrap();
    world.clock.advance(SignedDuration::from_hours(48));
    let rules = CollectRules { grace: hours(1), ..usual() };
    assert!(!collect(&storage, &rules).postponed);
    assert_eq!(images::content(&world), BTreeSet::new());
}

#[test]
fn a_clock_that_jumps_forward_ends_no_upload_in_one_run() {
    let world = World::new();
    let storage = world.open();
    assert_eq!(storage.expire_uploads().unwrap(), 0);
    let id = storage.begin(&name("a"), Algorithm::Sha256).unwrap();
    world.clock.advance(SignedDuration::from_hours(10_000));
    assert!(!collect(&storage, &usual()).postponed, "each remembers its own runs");
    assert_eq!(storage.expire_uploads().unwrap(), 0);
    assert!(storage.upload(&name("a"), id).unwrap().is_some());
    world.clock.advance(SignedDuration::from_hours(1));
    assert_eq!(storage.expire_uploads().unwrap(), 1);
}
