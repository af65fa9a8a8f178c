// SPDX-License-Identifier: AGPL-3.0-or-later
//! Finding damage before somebody needs the content.

mod images;
mod support;

use std::cell::Cell;
use std::fs;

use images::{Image, assert_whole, resolve, tag};
use shoal_registry_storage::{Affected, PIECE};
use support::{World, content, digest, name, pull, push};

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
