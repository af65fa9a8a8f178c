// SPDX-License-Identifier: AGPL-3.0-or-later
//! Clients push, tag, mount and delete while a collection without any grace and a scrub run again and again.

mod images;
mod support;

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use images::{Image, assert_manifest_whole, assert_whole, by_digest, everything, hours, referrers_of, tag};
use jiff::SignedDuration;
use shoal_oci::{Digest, RepositoryName};
use shoal_registry_storage::{CollectRules, Storage, StorageError};
use support::{World, digest, name};

const CLIENTS: u64 = 4;
const ROUNDS: u64 = 40;

/// Pushes as a client does: what it is told is missing it uploads again. Counts how often that was so.
fn push_until_taken(storage: &Storage, repository: &str, image: &Image, tags: &[&str], again: &AtomicU64) {
    loop {
        image.push_blobs(storage, repository).unwrap();
        match image.put(storage, repository, tags) {
            Ok(()) => return,
            Err(StorageError::MissingContent(_)) => again.fetch_add(1, Ordering::SeqCst),
            Err(other) => panic!("{other}"),
        };
    }
}

/// An index whose children were pushed first, and may be gone again by then.
fn push_index_until_taken(
    storage: &Storage,
    repository: &str,
    children: &[&Image],
    tag: &str,
    again: &AtomicU64,
) {
    let index = Image::index(children);
    loop {
        for child in children {
            push_until_taken(storage, repository, child, &[], again);
        }
        match index.put(storage, repository, &[tag]) {
            Ok(()) => return,
            Err(StorageError::MissingContent(_)) => again.fetch_add(1, Ordering::SeqCst),
            Err(other) => panic!("{other}"),
        };
    }
}

/// What one client does, and what it was told is there.
fn client(storage: &Storage, number: u64, again: &AtomicU64, taken: &Mutex<Vec<(RepositoryName, Digest)>>) {
    for round in 0..ROUNDS {
        let seed = number * 1000 + round;
        let repository = format!("r{}", round % 3);
        let image = Image::new(seed);
        let text = format!("c{number}-{round}");
        match round % 4 {
            0 | 1 => {
                push_until_taken(storage, &repository, &image, &[&text], again);
                taken.lock().unwrap().push((name(&repository), image.digest.clone()));
                assert_manifest_whole(storage, &name(&repository), &image.digest, "just pushed");
            }
            2 => {
                // All clients push the same children.
                let children = [Image::new(1_000_000 + round), Image::new(2_000_000 + round)];
                push_index_until_taken(storage, &repository, &[&children[0], &children[1]], &text, again);
                let index = Image::index(&[&children[0], &children[1]]);
                assert_manifest_whole(storage, &name(&repository), &index.digest, "an index just pushed");
                taken.lock().unwrap().push((name(&repository), index.digest));
                let signature = Image::about(&children[0], 3_000_000 + seed);
                push_until_taken(storage, &repository, &signature, &[], again);
                assert!(referrers_of(storage, &repository, &children[0]).contains(&signature.digest));
                taken.lock().unwrap().push((name(&repository), signature.digest));
            }
            _ => {
                push_until_taken(storage, &repository, &image, &[&text], again);
                // Taken over by another repository, and deleted here.
                let target = name("mounted");
                for blob in &image.blobs {
                    storage.mount(&target, Some(&name(&repository)), &digest(blob), &|_| true).unwrap();
                }
                push_until_taken(storage, "mounted", &image, &[&text], again);
                taken.lock().unwrap().push((target, image.digest.clone()));
                assert!(storage.delete_tag(&name(&repository), &tag(&text)).unwrap());
            }
        }
    }
}

fn run(rules: &CollectRules) {
    let world = World::new();
    let storage = world.open();
    let (again, taken, ended) = (AtomicU64::new(0), Mutex::default(), AtomicBool::new(false));
    let (runs, checked) = thread::scope(|scope| {
        let collector = scope.spawn(|| {
            let mut runs = 0_u64;
            while !ended.load(Ordering::SeqCst) {
                world.clock.advance(SignedDuration::from_secs(1));
                storage.collect(rules, &mut |_| {}).unwrap();
                runs += 1;
            }
            runs
        });
        let scrubber = scope.spawn(|| {
            let mut checked = 0;
            while !ended.load(Ordering::SeqCst) {
                let scrubbed = storage.scrub(None, &mut |_| {}, &|| ended.load(Ordering::SeqCst)).unwrap();
                assert_eq!(scrubbed.corrupt, [], "nothing was damaged");
                checked += scrubbed.checked;
            }
            checked
        });
        let clients: Vec<_> = (0..CLIENTS)
            .map(|number| {
                let (storage, again, taken) = (&storage, &again, &taken);
                scope.spawn(move || client(storage, number, again, taken))
            })
            .collect();
        let results: Vec<_> = clients.into_iter().map(thread::ScopedJoinHandle::join).collect();
        // In any case, or the collector would go on for ever.
        ended.store(true, Ordering::SeqCst);
        for result in results {
            result.unwrap();
        }
        (collector.join().unwrap(), scrubber.join().unwrap())
    });
    assert!(runs > 0 && checked > 0, "{runs} collections, {checked} contents checked");
    support::check(&world);
    assert_whole(&storage, "at the end");
    for (repository, digest) in taken.lock().unwrap().iter() {
        assert_manifest_whole(&storage, repository, digest, "acknowledged and lost");
    }
    storage.collect(&everything(), &mut |_| {}).unwrap();
    for (repository, digest) in taken.into_inner().unwrap() {
        assert!(storage.manifest(&repository, &by_digest(&digest)).unwrap().is_some());
    }
    drop(storage);
    assert_whole(&world.open(), "and opened again");
}

#[test]
fn nothing_acknowledged_is_lost_to_a_collection_without_grace() {
    run(&everything());
}

#[test]
fn nothing_acknowledged_is_lost_with_a_quarantine_and_a_grace_that_is_almost_none() {
    run(&CollectRules { grace: Duration::from_nanos(1), quarantine: hours(1), ..everything() });
}
