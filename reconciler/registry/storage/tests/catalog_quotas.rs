// SPDX-License-Identifier: AGPL-3.0-or-later
//! What repositories hold, counted and estimated.

mod images;
mod support;

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use images::{Image, collect, everything, hours, tag, usual};
use jiff::SignedDuration;
use shoal_registry_storage::{CollectRules, Pattern, Storage};
use support::{World, content, digest, name, push};

fn all() -> Pattern {
    Pattern::all()
}

/// The estimate and the count after it.
fn sizes(storage: &Storage, pattern: &Pattern) -> (u64, u64) {
    (storage.prefix_bytes_at_most(pattern).unwrap(), storage.prefix_bytes(pattern).unwrap())
}

#[test]
fn an_estimate_follows_pushes_and_mounts_and_is_never_too_low() {
    let world = World::new();
    let storage = world.open();
    let (small, large) = (Pattern::parse("small/*").unwrap(), Pattern::parse("large").unwrap());
    assert_eq!(sizes(&storage, &small), (0, 0));
    let pushed = push(&storage, &name("small/a"), &content(1000, 1)).unwrap();
    assert_eq!(sizes(&storage, &small), (1000, 1000));
    assert_eq!(sizes(&storage, &large), (0, 0));
    assert!(storage.mount(&name("large"), None, &pushed, &|_| true).unwrap());
    assert_eq!(sizes(&storage, &large), (1000, 1000));
    let image = Image::new(1);
    image.push(&storage, "large", &["t"]).unwrap();
    let weight = image.bytes.len() + image.blobs.iter().map(Vec::len).sum::<usize>();
    assert_eq!(sizes(&storage, &large), (1000 + weight as u64, 1000 + weight as u64));
    assert_eq!(sizes(&storage, &small), (1000, 1000));
}

#[test]
fn content_that_two_repositories_have_is_estimated_twice_until_it_is_counted() {
    let world = World::new();
    let storage = world.open();
    assert_eq!(sizes(&storage, &all()), (0, 0));
    for repository in ["a", "b"] {
        push(&storage, &name(repository), &content(1000, 1)).unwrap();
    }
    assert_eq!(sizes(&storage, &all()), (2000, 1000));
    assert_eq!(storage.prefix_bytes_at_most(&all()).unwrap(), 1000);
    storage.delete_blob(&name("b"), &digest(&content(1000, 1))).unwrap();
    storage.delete_blob(&name("a"), &digest(&content(1000, 1))).unwrap();
    assert_eq!(sizes(&storage, &all()), (1000, 0));
}

#[test]
fn what_nobody_told_it_is_known_after_some_minutes_and_after_a_collection() {
    let world = World::new();
    let storage = world.open();
    let blob = push(&storage, &name("a"), &content(1000, 1)).unwrap();
    let other = Pattern::parse("other").unwrap();
    // Behind its back.
    let link = |repository: &str| {
        let links = world.root().join(format!("repositories/{repository}/_blobs/sha256"));
        fs::create_dir_all(&links).unwrap();
        fs::write(links.join(blob.hex()), "").unwrap();
    };
    assert_eq!(storage.prefix_bytes_at_most(&other).unwrap(), 0);
    link("other");
    assert_eq!(storage.prefix_bytes_at_most(&other).unwrap(), 0, "not counted for every upload");
    world.clock.advance(SignedDuration::from_mins(5));
    assert_eq!(storage.prefix_bytes_at_most(&other).unwrap(), 1000);
    assert!(storage.delete_blob(&name("other"), &blob).unwrap());
    assert_eq!(storage.prefix_bytes_at_most(&other).unwrap(), 1000);
    collect(&storage, &usual());
    assert_eq!(storage.prefix_bytes_at_most(&other).unwrap(), 0);
}

#[test]
fn what_is_restored_is_counted() {
    let world = World::new();
    let storage = world.open();
    let image = Image::new(1);
    image.push(&storage, "a", &["t"]).unwrap();
    let (_, before) = sizes(&storage, &all());
    storage.delete_tag(&name("a"), &tag("t")).unwrap();
    collect(&storage, &CollectRules { quarantine: hours(1), ..everything() });
    assert_eq!(storage.prefix_bytes_at_most(&all()).unwrap(), 0);
    assert!(storage.restore(&image.digest).unwrap());
    assert_eq!(storage.prefix_bytes_at_most(&all()).unwrap(), before);
}

#[test]
fn an_estimate_is_never_below_what_was_acknowledged_whoever_counts_meanwhile() {
    const PUSHES: usize = 60;
    let world = World::new();
    let storage = world.open();
    let ended = AtomicBool::new(false);
    thread::scope(|scope| {
        let counters: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    while !ended.load(Ordering::SeqCst) {
                        storage.prefix_bytes(&all()).unwrap();
                    }
                })
            })
            .collect();
        let pushed = (0..PUSHES).find(|at| {
            push(&storage, &name("a"), &content(100 + at, *at)).unwrap();
            let acknowledged: usize = (0..=*at).map(|at| 100 + at).sum();
            storage.prefix_bytes_at_most(&all()).unwrap() < acknowledged as u64
        });
        // In any case, or the others would go on for ever.
        ended.store(true, Ordering::SeqCst);
        assert_eq!(pushed, None, "the estimate was too low after this push");
        for counter in counters {
            counter.join().unwrap();
        }
    });
    let bytes: usize = (0..PUSHES).map(|at| 100 + at).sum();
    assert_eq!(storage.prefix_bytes(&all()).unwrap(), bytes as u64);
}
