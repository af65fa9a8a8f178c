// SPDX-License-Identifier: AGPL-3.0-or-later
//! Finding damage before somebody needs the content.

mod images;
mod support;

use std::cell::Cell;
use std::fs;

use images::{Image, assert_whole, collect, everything, hours, resolve, tag};
use shoal_oci::Digest;
use shoal_registry_storage::disk::{Lost, Tear};
use shoal_registry_storage::{Affected, CollectRules, PIECE, Storage, StorageError};
use support::{Ended, World, at_every_step, check, content, crashes, digest, name, pull, push};

#[test]
fn damaged_content_is_found_put_away_and_everybody_who_needs_it_is_named() {
    let world = World::new();
    let storage = world.open();
    let (one, two) = (Image::new(1), Image::new(2));
    one.push(&storage, "a", &[]).unwrap();
    Image::index(&[&one]).push(&storage, "a", &["index", "again"]).unwrap();
    two.push(&storage, "b", &["other"]).unwrap();
    let own = digest(&one.blobs[1]);
    let mut bytes = fs::read(world.blob_file(&own)).unwrap();
    bytes[0] ^= 1;
    fs::write(world.blob_file(&own), bytes).unwrap();
    let before = images::content(&world).len() as u64;
    let scrubbed = storage.scrub(None, &mut |_| {}, &|| false).unwrap();
    assert_eq!((scrubbed.checked, scrubbed.stopped), (before, false));
    assert_eq!(scrubbed.corrupt, std::slice::from_ref(&own));
    let tags = vec![tag("again"), tag("index")];
    assert_eq!(scrubbed.affected, [Affected { digest: own.clone(), repository: name("a"), tags }]);
    assert!(storage.blob(&name("a"), &own).unwrap().is_none());
    assert!(!world.names("quarantine/corrupt").is_empty());
    assert_eq!(resolve(&storage, "b", "other"), Some(two.digest.clone()));
    // Pushing what is missing heals it.
    one.push(&storage, "a", &[]).unwrap();
    assert_whole(&storage, "healed");
    let scrubbed = storage.scrub(None, &mut |_| {}, &|| false).unwrap();
    assert_eq!((scrubbed.corrupt, scrubbed.affected), (vec![], vec![]));
}

#[test]
fn missing_and_damaged_checksums_of_pieces_are_made_again() {
    let world = World::new();
    let storage = world.open();
    let bytes = content(3 * PIECE + 7, 1);
    let digest = push(&storage, &name("a"), &bytes).unwrap();
    let sums = fs::read(world.sums_file(&digest)).unwrap();
    for damage in [None, Some(b"damaged")] {
        match damage {
            None => fs::remove_file(world.sums_file(&digest)).unwrap(),
            Some(damage) => fs::write(world.sums_file(&digest), damage).unwrap(),
        }
        let scrubbed = storage.scrub(None, &mut |_| {}, &|| false).unwrap();
        assert_eq!((scrubbed.checked, scrubbed.bytes), (1, bytes.len() as u64));
        assert_eq!(fs::read(world.sums_file(&digest)).unwrap(), sums);
    }
    assert_eq!(pull(&storage, &name("a"), &digest).unwrap().unwrap(), bytes);
}

#[test]
fn a_scrub_says_how_far_it_is_and_stops_when_it_is_told() {
    let world = World::new();
    let storage = world.open();
    for seed in 0..4 {
        push(&storage, &name("a"), &content(2 * PIECE, seed)).unwrap();
    }
    let mut seen = Vec::new();
    storage.scrub(None, &mut |progress| seen.push(progress), &|| false).unwrap();
    assert_eq!(seen.len(), 8);
    assert!(seen.is_sorted_by_key(|progress| progress.bytes));
    assert!(seen.iter().all(|progress| (progress.of, progress.of_bytes) == (4, 8 * PIECE as u64)));
    let left = Cell::new(6);
    let stop = || {
        left.set(left.get() - 1);
        left.get() == 0
    };
    let scrubbed = storage.scrub(None, &mut |_| {}, &stop).unwrap();
    assert!(scrubbed.stopped);
    assert!(scrubbed.checked < 4);
    assert_eq!(scrubbed.corrupt, []);
}

/// Scrubs, and collects everything that nobody needs as soon as content was opened for reading.
fn scrub_beside_a_collection(
    storage: &Storage,
    rules: &CollectRules,
) -> Result<(u64, Vec<Digest>), StorageError> {
    let mut collected = None;
    let mut on = |_| {
        if collected.is_none() {
            collected = Some(storage.collect(rules, &mut |_| {}).map(drop));
        }
    };
    let scrubbed = storage.scrub(None, &mut on, &|| false)?;
    collected.unwrap_or(Ok(()))?;
    Ok((scrubbed.checked, scrubbed.corrupt))
}

#[test]
fn content_that_is_collected_while_it_is_read_is_neither_damage_nor_an_error() {
    let quarantined = CollectRules { quarantine: hours(1), ..everything() };
    for rules in [everything(), quarantined] {
        for is_damaged in [false, true] {
            let world = World::new();
            let storage = world.open();
            let bytes = content(2 * PIECE + 7, 1);
            let digest = push(&storage, &name("a"), &bytes).unwrap();
            if is_damaged {
                let mut bytes = bytes.clone();
                bytes[2 * PIECE] ^= 1;
                fs::write(world.blob_file(&digest), bytes).unwrap();
            }
            let (checked, corrupt) = scrub_beside_a_collection(&storage, &rules).unwrap();
            assert_eq!((checked, corrupt), (u64::from(!is_damaged), vec![]));
            assert!(storage.blob(&name("a"), &digest).unwrap().is_none());
            assert_eq!(world.names("quarantine/gc").is_empty(), rules.quarantine.is_zero());
            // Nothing in quarantine as damaged, and no checksums of what is not there.
            check(&world);
        }
    }
}

#[test]
fn content_that_was_put_in_the_place_of_damaged_content_while_that_was_read_stays() {
    let world = World::new();
    let storage = world.open();
    let bytes = content(100, 1);
    let digest = push(&storage, &name("a"), &bytes).unwrap();
    fs::write(world.blob_file(&digest), b"damaged").unwrap();
    let mut pushed = false;
    let mut on = |_| {
        if !std::mem::replace(&mut pushed, true) {
            push(&storage, &name("a"), &bytes).unwrap();
        }
    };
    assert_eq!(storage.scrub(None, &mut on, &|| false).unwrap().corrupt, []);
    assert_eq!(pull(&storage, &name("a"), &digest).unwrap().unwrap(), bytes);
    check(&world);
}

#[test]
fn a_scrub_beside_a_collection_that_is_stopped_leaves_what_is_needed() {
    let image = Image::new(1);
    let loose = content(PIECE + 7, 2);
    let prepare = |storage: &Storage| {
        image.push(storage, "a", &["kept"]).unwrap();
        push(storage, &name("a"), &loose).unwrap()
    };
    let run = |storage: &Storage, _: &Digest| scrub_beside_a_collection(storage, &everything());
    let torn = Tear { content: Lost::Zeros, names: true };
    at_every_step(&crashes(&[torn]), prepare, run, |ended, loose| {
        let Ended { world, result, about, .. } = ended;
        let storage = world.open();
        check(&world);
        assert_whole(&storage, &about);
        assert_eq!(resolve(&storage, "a", "kept"), Some(image.digest.clone()), "{about}");
        if let Ok((_, corrupt)) = result {
            assert_eq!(corrupt, [], "{about}");
        }
        assert_eq!(storage.scrub(None, &mut |_| {}, &|| false).unwrap().corrupt, [], "{about}");
        collect(&storage, &everything());
        assert!(storage.blob(&name("a"), &loose).unwrap().is_none(), "{about}");
        check(&world);
    });
}
