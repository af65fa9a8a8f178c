// SPDX-License-Identifier: AGPL-3.0-or-later
//! What a collection keeps and takes out, and what it says about it.

mod images;
mod support;

use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

use images::{
    Image, all_tags, assert_manifest_whole, assert_whole, by_digest, collect, everything, hours, resolve,
    tag, usual,
};
use jiff::SignedDuration;
use shoal_oci::{Digest, referrers_tag};
use shoal_registry_storage::collect::{Item, Reason};
use shoal_registry_storage::{CollectRules, Pattern, Retention, Roots, StorageError};
use support::{World, digest, name, pull, push};

fn keep(pattern: &str, last: u32) -> Vec<Retention> {
    vec![Retention { repositories: Pattern::parse(pattern).unwrap(), keep_last: Some(last) }]
}

fn roots(digests: &[&Digest]) -> Roots {
    Roots { digests: digests.iter().map(|digest| (*digest).clone()).collect() }
}

fn union(images: &[&Image]) -> BTreeSet<Digest> {
    images.iter().flat_map(|image| image.digests()).collect()
}

#[test]
fn what_a_tag_reaches_stays_and_the_rest_goes() {
    let world = World::new();
    let storage = world.open();
    let (tagged, child, untagged) = (Image::new(1), Image::new(2), Image::new(3));
    let index = Image::index(&[&child]);
    tagged.push(&storage, "a", &["t"]).unwrap();
    child.push(&storage, "a", &[]).unwrap();
    index.push(&storage, "a", &["i"]).unwrap();
    untagged.push(&storage, "a", &[]).unwrap();
    push(&storage, &name("a"), b"nobody names this").unwrap();
    let collected = collect(&storage, &everything());
    assert_eq!(images::content(&world), union(&[&tagged, &child, &index]));
    assert_whole(&storage, "");
    assert_eq!((collected.kept.tags, collected.kept.manifests, collected.kept.blobs), (2, 3, 8));
    assert!(collected.quarantined_bytes == 0 && collected.freed_bytes > 0);
    assert_eq!(collect(&storage, &everything()).rows, [], "a second run has nothing to do");
}

#[test]
fn nothing_goes_within_the_grace_and_everything_unused_after_it() {
    let world = World::new();
    let storage = world.open();
    Image::new(1).push(&storage, "a", &[]).unwrap();
    push(&storage, &name("b"), b"a push whose manifest is still to come").unwrap();
    let before = images::content(&world);
    assert_eq!(collect(&storage, &usual()).rows, []);
    world.clock.advance(SignedDuration::from_hours(23));
    assert_eq!(collect(&storage, &usual()).rows, []);
    assert_eq!(images::content(&world), before);
    world.clock.advance(SignedDuration::from_hours(2));
    let collected = collect(&storage, &usual());
    assert_eq!(images::content(&world), BTreeSet::new());
    assert!(collected.quarantined_bytes > 0 && collected.freed_bytes == 0);
    assert_eq!(storage.repositories().unwrap(), [], "empty repositories go too");
}

#[test]
fn asking_for_something_is_a_use_of_it() {
    let world = World::new();
    let storage = world.open();
    let image = Image::new(1);
    image.push(&storage, "a", &[]).unwrap();
    let blob = push(&storage, &name("a"), b"blob").unwrap();
    let unused = push(&storage, &name("a"), b"unused").unwrap();
    world.clock.advance(SignedDuration::from_hours(20));
    assert!(storage.manifest_facts(&name("a"), &by_digest(&image.digest)).unwrap().is_some());
    assert!(storage.blob_size(&name("a"), &blob).unwrap().is_some());
    world.clock.advance(SignedDuration::from_hours(20));
    collect(&storage, &usual());
    assert_manifest_whole(&storage, &name("a"), &image.digest, "");
    assert!(storage.blob(&name("a"), &blob).unwrap().is_some());
    assert!(storage.blob(&name("a"), &unused).unwrap().is_none());
}

#[test]
fn a_clock_that_jumps_back_makes_nothing_older_and_does_not_turn_the_order_of_tags() {
    let world = World::new();
    let storage = world.open();
    Image::new(1).push(&storage, "a", &["old"]).unwrap();
    Image::new(9).push(&storage, "b", &[]).unwrap();
    world.clock.advance(SignedDuration::from_hours(-1000));
    Image::new(2).push(&storage, "a", &["new"]).unwrap();
    let rules = CollectRules { retention: keep("a", 1), ..usual() };
    assert_eq!(collect(&storage, &rules).rows, []);
    // With nothing young the tag pushed last is kept, whatever time it says.
    collect(&storage, &CollectRules { retention: keep("a", 1), ..everything() });
    assert_eq!(all_tags(&storage), [(name("a"), tag("new"))]);
    assert_whole(&storage, "");
}

#[test]
fn retention_keeps_the_last_tags_of_each_repository_that_it_fits() {
    let world = World::new();
    let storage = world.open();
    let pushed: Vec<Image> = (0..8).map(Image::new).collect();
    for (at, image) in pushed.iter().enumerate() {
        for repository in ["tools/a", "os-images/b"] {
            image.push(&storage, repository, &[&format!("v{at}")]).unwrap();
        }
        world.clock.advance(SignedDuration::from_secs(1));
    }
    // Pushing again makes a tag the newest.
    pushed[0].push(&storage, "tools/a", &["v0"]).unwrap();
    world.clock.advance(SignedDuration::from_hours(48));
    let rules = CollectRules { retention: keep("tools/*", 3), ..usual() };
    let collected = collect(&storage, &rules);
    let page = storage.tags(&name("tools/a"), None, None).unwrap().unwrap();
    assert_eq!(page.tags, ["v0", "v6", "v7"].map(tag));
    assert_eq!(storage.tags(&name("os-images/b"), None, None).unwrap().unwrap().tags.len(), 8);
    assert!(storage.manifest(&name("tools/a"), &by_digest(&pushed[3].digest)).unwrap().is_none());
    let retired =
        |row: &&shoal_registry_storage::CollectedRow| row.reason == Reason::Retired { keep_last: 3 };
    assert_eq!(collected.rows.iter().filter(retired).count(), 5);
    assert_eq!(collected.quarantined_bytes, 0, "the other repository has all of it");
    assert_whole(&storage, "");
}

#[test]
fn the_first_rule_that_fits_counts_and_one_without_a_number_keeps_all() {
    let world = World::new();
    let storage = world.open();
    for seed in 0..4 {
        Image::new(seed).push(&storage, "tools/kept", &[&format!("v{seed}")]).unwrap();
    }
    let all = Retention { repositories: Pattern::parse("tools/kept").unwrap(), keep_last: None };
    let retention = [vec![all], keep("tools/*", 1)].concat();
    assert_eq!(collect(&storage, &CollectRules { retention, ..everything() }).rows, []);
}

#[test]
fn retention_leaves_a_tag_that_is_young_or_whose_image_is_a_root() {
    let world = World::new();
    let storage = world.open();
    let images: Vec<Image> = (0..4).map(Image::new).collect();
    images[0].push(&storage, "a", &["installed"]).unwrap();
    images[1].push(&storage, "a", &["old"]).unwrap();
    world.clock.advance(SignedDuration::from_hours(48));
    images[2].push(&storage, "a", &["young"]).unwrap();
    images[3].push(&storage, "a", &["newest"]).unwrap();
    let rules = CollectRules { retention: keep("*", 1), roots: roots(&[&images[0].digest]), ..usual() };
    collect(&storage, &rules);
    let tags: Vec<String> = all_tags(&storage).iter().map(|(_, tag)| tag.to_string()).collect();
    assert_eq!(tags, ["installed", "newest", "young"]);
    assert_whole(&storage, "");
}

#[test]
fn roots_keep_what_they_name_in_every_repository_and_in_none() {
    let world = World::new();
    let storage = world.open();
    let (one, two, other) = (Image::new(1), Image::new(2), Image::new(3));
    let index = Image::index(&[&one]);
    for image in [&one, &index, &two, &other] {
        image.push(&storage, "a", &[]).unwrap();
    }
    one.push(&storage, "b", &[]).unwrap();
    let blob = push(&storage, &name("c"), b"a disk named by itself").unwrap();
    // Its record is gone, its content is not: somebody deleted it by hand.
    assert!(storage.delete_manifest(&name("a"), &two.digest).unwrap());
    let rules = CollectRules { roots: roots(&[&index.digest, &two.digest, &blob]), ..everything() };
    collect(&storage, &rules);
    let mut expected = union(&[&one, &two, &index]);
    expected.insert(blob.clone());
    assert_eq!(images::content(&world), expected);
    assert_manifest_whole(&storage, &name("a"), &index.digest, "");
    assert!(pull(&storage, &name("c"), &blob).unwrap().is_some());
    assert!(storage.manifest(&name("b"), &by_digest(&one.digest)).unwrap().is_none(), "not reached there");
}

#[test]
fn a_child_that_is_a_root_keeps_its_record_in_every_repository() {
    let world = World::new();
    let storage = world.open();
    let one = Image::new(1);
    one.push(&storage, "a", &[]).unwrap();
    one.push(&storage, "b", &[]).unwrap();
    collect(&storage, &CollectRules { roots: roots(&[&one.digest]), ..everything() });
    assert_manifest_whole(&storage, &name("a"), &one.digest, "");
    assert_manifest_whole(&storage, &name("b"), &one.digest, "");
}

#[test]
fn what_refers_to_something_kept_stays_and_goes_with_it() {
    let world = World::new();
    let storage = world.open();
    let image = Image::new(1);
    let signature = Image::about(&image, 2);
    let countersignature = Image::about(&signature, 3);
    for referrer in [&countersignature, &signature] {
        referrer.push(&storage, "a", &[]).unwrap();
    }
    image.push(&storage, "a", &["t"]).unwrap();
    assert_eq!(collect(&storage, &everything()).rows, []);
    assert!(storage.delete_tag(&name("a"), &tag("t")).unwrap());
    collect(&storage, &everything());
    assert_eq!(images::content(&world), BTreeSet::new());
    assert_eq!(storage.repositories().unwrap(), []);
}

#[test]
fn a_tag_that_accompanies_an_image_does_not_count_and_goes_with_it() {
    let world = World::new();
    let storage = world.open();
    let images: Vec<Image> = (0..3).map(Image::new).collect();
    for (at, image) in images.iter().enumerate() {
        image.push(&storage, "a", &[&format!("v{at}")]).unwrap();
        let signature = format!("{}.sig", referrers_tag(&image.digest));
        Image::new(100 + at as u64).push(&storage, "a", &[&signature]).unwrap();
    }
    collect(&storage, &CollectRules { retention: keep("*", 2), ..everything() });
    assert_eq!(all_tags(&storage).len(), 4);
    for (at, image) in images.iter().enumerate() {
        let signature = format!("{}.sig", referrers_tag(&image.digest));
        assert_eq!(resolve(&storage, "a", &signature).is_some(), at > 0);
    }
    assert_whole(&storage, "");
}

#[test]
fn a_dry_run_changes_nothing_and_lists_exactly_what_the_real_run_does() {
    let world = World::new();
    let storage = world.open();
    for seed in 0..6 {
        let image = Image::new(seed);
        image.push(&storage, "tools/a", &[&format!("v{seed}")]).unwrap();
        Image::about(&image, 10 + seed).push(&storage, "tools/a", &[]).unwrap();
        image.push(&storage, "b", &[]).unwrap();
    }
    push(&storage, &name("c"), b"blob").unwrap();
    world.clock.advance(SignedDuration::from_hours(48));
    Image::new(7).push(&storage, "b", &[]).unwrap();
    let rules = CollectRules { retention: keep("tools/*", 2), ..usual() };
    let dry = |rules: &CollectRules| CollectRules { dry_run: true, ..rules.clone() };
    let mut seen = BTreeSet::new();
    for hours in [0, 200, 400] {
        world.clock.advance(SignedDuration::from_hours(hours));
        // A run that notices how far the clock went, and takes nothing out.
        collect(&storage, &CollectRules { grace: Duration::MAX, quarantine: Duration::MAX, ..everything() });
        let before = images::content(&world);
        let told = collect(&storage, &dry(&rules));
        assert!(told.dry_run);
        assert_eq!(images::content(&world), before);
        let mut done = collect(&storage, &rules);
        done.dry_run = true;
        assert_eq!(told, done);
        seen.extend(done.rows.iter().map(|row| row.item.kind()));
        assert!(done.rows.iter().all(|row| !row.reason.to_string().is_empty()));
        assert_whole(&storage, "");
    }
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), ["content", "link", "manifest", "quarantined", "tag"]);
}

#[test]
fn what_was_taken_out_lies_in_quarantine_until_its_time_is_over() {
    let world = World::new();
    let storage = world.open();
    let image = Image::new(1);
    image.push(&storage, "a", &[]).unwrap();
    let rules = CollectRules { grace: hours(0), ..usual() };
    let collected = collect(&storage, &rules);
    assert_eq!(storage.usage().unwrap().quarantined_bytes > 0, collected.quarantined_bytes > 0);
    world.clock.advance(SignedDuration::from_hours(6 * 24));
    assert_eq!(collect(&storage, &rules).rows, []);
    world.clock.advance(SignedDuration::from_hours(-1000));
    assert_eq!(collect(&storage, &rules).rows, [], "time that runs back makes nothing older");
    world.clock.advance(SignedDuration::from_hours(1000 + 2 * 24));
    let expired = collect(&storage, &rules);
    assert_eq!(expired.freed_bytes, collected.quarantined_bytes);
    assert!(expired.rows.iter().all(|row| matches!(row.item, Item::Quarantined { .. })));
    assert_eq!(world.names("quarantine/gc"), Vec::<String>::new());
    assert_eq!(world.names("quarantine/records"), Vec::<String>::new());
}

#[test]
fn an_image_is_restored_from_quarantine_with_everything_that_belongs_to_it() {
    let world = World::new();
    let storage = world.open();
    let (one, two) = (Image::new(1), Image::new(2));
    let index = Image::index(&[&one, &two]);
    for image in [&one, &two] {
        image.push(&storage, "a", &[]).unwrap();
    }
    index.push(&storage, "a", &["v1"]).unwrap();
    Image::new(3).push(&storage, "a", &["v2"]).unwrap();
    let rules = CollectRules { retention: keep("*", 1), grace: hours(0), ..usual() };
    collect(&storage, &rules);
    assert_eq!(resolve(&storage, "a", "v1"), None);
    assert!(!storage.restore(&digest(b"never seen")).unwrap());
    assert!(storage.restore(&index.digest).unwrap());
    assert_eq!(resolve(&storage, "a", "v1"), Some(index.digest.clone()));
    assert_whole(&storage, "restored");
    assert!(!storage.restore(&index.digest).unwrap(), "there is nothing left to restore");
    // Retention leaves it for the grace, as the tag pushed last.
    collect(&storage, &CollectRules { grace: hours(24), ..rules });
    assert_eq!(resolve(&storage, "a", "v1"), Some(index.digest));
    assert_whole(&storage, "and kept");
    drop(storage);
    assert_whole(&world.open(), "and opened again");
}

#[test]
fn nothing_is_restored_of_what_is_there_although_another_repository_lost_parts_of_it() {
    let world = World::new();
    let storage = world.open();
    let (kept, gone) = (Image::new(1), Image::new(2));
    kept.push(&storage, "a", &["kept"]).unwrap();
    gone.push(&storage, "b", &["gone"]).unwrap();
    storage.delete_tag(&name("b"), &tag("gone")).unwrap();
    collect(&storage, &CollectRules { grace: hours(0), ..usual() });
    let shared = digest(&kept.blobs[2]);
    assert_eq!(kept.blobs[2], gone.blobs[2]);
    assert!(!storage.restore(&kept.digest).unwrap(), "it was never gone");
    assert!(storage.blob(&name("b"), &shared).unwrap().is_none(), "nor was it ever there");
    assert!(storage.restore(&gone.digest).unwrap());
    assert_manifest_whole(&storage, &name("b"), &gone.digest, "restored");
    assert!(!storage.restore(&gone.digest).unwrap());
    assert!(!storage.restore(&kept.digest).unwrap());
}

#[test]
fn what_is_in_quarantine_is_missing_and_pushing_it_again_works() {
    let world = World::new();
    let storage = world.open();
    let image = Image::new(1);
    image.push(&storage, "a", &[]).unwrap();
    collect(&storage, &CollectRules { grace: hours(0), ..usual() });
    let error = image.put(&storage, "a", &["t"]).unwrap_err();
    assert!(matches!(error, StorageError::MissingContent(missing) if missing.len() == image.blobs.len()));
    assert!(!storage.mount(&name("b"), Some(&name("a")), &digest(&image.blobs[0]), &|_| true).unwrap());
    image.push(&storage, "a", &["t"]).unwrap();
    assert_whole(&storage, "");
    // What is in place again stays, and the copies in quarantine expire.
    world.clock.advance(SignedDuration::from_hours(8 * 24));
    collect(&storage, &usual());
    assert_whole(&storage, "");
    assert_eq!(storage.usage().unwrap().quarantined_bytes, 0);
}

#[test]
fn a_manifest_that_nobody_needs_may_be_damaged() {
    let world = World::new();
    let storage = world.open();
    let image = Image::new(1);
    image.push(&storage, "a", &[]).unwrap();
    fs::write(world.blob_file(&image.digest), "damaged").unwrap();
    collect(&storage, &everything());
    assert_eq!(images::content(&world), BTreeSet::new());
}

#[test]
fn a_damaged_record_is_reported_and_what_it_may_stand_for_is_kept() {
    for damage in [&b"{"[..], b"", b"null", b"\xff\xfe", b"{\"digest\":\"sha256:00\"}"] {
        let world = World::new();
        let storage = world.open();
        let (tagged, untagged, elsewhere) = (Image::new(1), Image::new(2), Image::new(3));
        tagged.push(&storage, "a", &["t"]).unwrap();
        untagged.push(&storage, "a", &[]).unwrap();
        elsewhere.push(&storage, "b", &[]).unwrap();
        fs::write(world.root().join("repositories/a/_tags/t"), damage).unwrap();
        let rules = CollectRules { retention: keep("*", 1), ..everything() };
        let collected = collect(&storage, &rules);
        assert_eq!(collected.damaged.len(), 1);
        assert!(collected.damaged[0].path.ends_with("repositories/a/_tags/t"));
        assert_eq!(images::content(&world), union(&[&tagged, &untagged]), "all of that repository, no other");
        assert!(storage.manifest(&name("a"), &images::by_tag("t")).is_err());
        tagged.push(&storage, "a", &["t"]).unwrap();
        collect(&storage, &rules);
        assert_eq!(images::content(&world), tagged.digests());
    }
}

#[test]
fn a_damaged_record_of_a_manifest_keeps_it_with_what_it_names() {
    let world = World::new();
    let storage = world.open();
    let image = Image::new(1);
    image.push(&storage, "a", &[]).unwrap();
    Image::new(2).push(&storage, "a", &[]).unwrap();
    let record = format!("repositories/a/_manifests/sha256/{}", image.digest.hex());
    fs::write(world.root().join(record), "{").unwrap();
    let collected = collect(&storage, &everything());
    assert_eq!(collected.damaged.len(), 1);
    assert_eq!(images::content(&world), image.digests());
    image.push(&storage, "a", &["t"]).unwrap();
    assert_whole(&storage, "");
    assert_eq!(collect(&storage, &everything()).damaged, []);
}

#[test]
fn files_that_are_not_the_storages_are_left_alone() {
    let world = World::new();
    let storage = world.open();
    Image::new(1).push(&storage, "a", &[]).unwrap();
    let foreign =
        ["blobs/sha256/README", "repositories/a/_tags/.hidden", "repositories/a/_blobs/sha256/x", "notes"];
    for path in foreign {
        fs::create_dir_all(world.root().join(path).parent().unwrap()).unwrap();
        fs::write(world.root().join(path), "mine").unwrap();
    }
    collect(&storage, &everything());
    for path in foreign {
        assert_eq!(fs::read(world.root().join(path)).unwrap(), b"mine", "{path}");
    }
}

#[test]
fn an_upload_in_flight_is_not_touched() {
    let world = World::new();
    let storage = world.open();
    let id = storage.begin(&name("a"), shoal_oci::Algorithm::Sha256).unwrap();
    let mut writer = storage.writer(&name("a"), id).unwrap();
    writer.write(b"half of ").unwrap();
    collect(&storage, &everything());
    writer.write(b"it").unwrap();
    writer.finish(&digest(b"half of it")).unwrap();
    assert_eq!(pull(&storage, &name("a"), &digest(b"half of it")).unwrap().unwrap(), b"half of it");
}

#[test]
fn what_is_asked_for_mounted_or_tagged_while_a_collection_runs_stays() {
    // At each of its stages in turn; the clock stands still, so no time says that anything was used.
    for stage in 0.. {
        let world = World::new();
        let storage = world.open();
        let (tagged, asked, index) = (Image::new(1), Image::new(2), Image::index(&[&Image::new(3)]));
        for image in [&tagged, &asked, &Image::new(3)] {
            image.push(&storage, "a", &[]).unwrap();
        }
        let blob = push(&storage, &name("b"), b"asked for").unwrap();
        let mounted = push(&storage, &name("b"), b"mounted").unwrap();
        let (mut calls, mut told) = (0, None);
        let rules = CollectRules { quarantine: hours(1), ..everything() };
        let collected = storage.collect(&rules, &mut |_| {
            calls += 1;
            if calls == stage + 1 {
                let there = storage.blob_size(&name("b"), &blob).unwrap().is_some();
                let mount = storage.mount(&name("c"), Some(&name("b")), &mounted, &|_| true).unwrap();
                let facts = storage.manifest_facts(&name("a"), &by_digest(&asked.digest)).unwrap().is_some();
                let put = tagged.put(&storage, "a", &["t"]).is_ok();
                told = Some((there, mount, facts, put, index.put(&storage, "a", &["i"]).is_ok()));
            }
        });
        collected.unwrap();
        let Some((there, mount, facts, put, put_index)) = told else {
            assert!(stage > 3, "scan, mark, and several batches: {stage}");
            break;
        };
        assert_eq!(pull(&storage, &name("b"), &blob).unwrap().is_some(), there, "stage {stage}");
        assert_eq!(pull(&storage, &name("c"), &mounted).unwrap().is_some(), mount, "stage {stage}");
        if facts {
            assert_manifest_whole(&storage, &name("a"), &asked.digest, "asked for");
        }
        assert_eq!(resolve(&storage, "a", "t").is_some(), put, "stage {stage}");
        assert_eq!(resolve(&storage, "a", "i").is_some(), put_index, "stage {stage}");
        assert_whole(&storage, "tagged meanwhile");
        assert!(
            stage > 0 || (there && mount && facts && put && put_index),
            "nothing is gone at the first stage"
        );
    }
}
