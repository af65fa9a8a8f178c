// SPDX-License-Identifier: AGPL-3.0-or-later
//! The mirror's size over many fetches and status commits.

use std::fs;
use std::path::Path;

use shoal_git::{Limits, Mirror, PathFilter, RemoteSpec};

use crate::common::{Origin, fsck, git, publish};

fn packs(mirror: &Path) -> usize {
    fs::read_dir(mirror.join("objects/pack"))
        .expect("readable")
        .filter(|entry| {
            entry.as_ref().is_ok_and(|entry| entry.path().extension().is_some_and(|end| end == "pack"))
        })
        .count()
}

#[test]
fn many_small_packs_become_one_and_nothing_is_lost() {
    let origin = Origin::new();
    let mirror = origin.mirror();
    let accepted = mirror.fetch().expect("fetched").tip;
    assert_eq!(mirror.maintain().expect("few").objects_merged, 0);
    // A reader that has seen little yet, kept over the merge.
    let old_reader = mirror.reader().expect("a reader");
    git(&origin.work(), &["commit", "-q", "--amend", "-m", "rewritten"]);
    git(&origin.work(), &["push", "-q", "--force", "origin", "main"]);
    let mut tip = mirror.fetch().expect("fetched").tip;
    for round in 0..20 {
        origin.write("shoal.yaml", &format!("round: {round}\n"));
        tip = origin.push("round");
        mirror.fetch().expect("fetched");
        publish(&mirror, &[("servers/a", Some(&round.to_string()))]);
    }
    let before = packs(&origin.mirror_dir());
    assert_eq!(before, 42);
    let done = mirror.maintain().expect("merged");
    assert_eq!((done.packs_before, done.packs_after), (before, 1));
    assert_eq!(packs(&origin.mirror_dir()), 1);

    for reader in [old_reader, mirror.reader().expect("a reader")] {
        // The commit that was accepted before the branch was rewritten has no reference any more.
        for commit in [accepted, tip] {
            let snapshot =
                reader.snapshot(commit, &PathFilter::all(), Limits::default()).expect("a snapshot");
            for blob in &snapshot.blobs {
                assert_eq!(reader.entry(blob).expect("read").len() as u64, blob.size);
            }
        }
    }
    fsck(&origin.mirror_dir());
    publish(&mirror, &[("servers/a", Some("after"))]);
    origin.is_sound();
}

#[test]
fn leftovers_of_an_interrupted_run_are_cleared_when_the_mirror_is_opened() {
    let origin = Origin::new();
    let mirror = origin.mirror();
    let tip = mirror.fetch().expect("fetched").tip;
    drop(mirror);
    let dir = origin.mirror_dir();
    fs::create_dir_all(dir.join("merge-left/objects")).expect("a leftover");
    fs::write(dir.join("objects/pack/pack_git2_abc"), "x").expect("a leftover");
    // Killed between the removal of an index and that of its pack, after a merge.
    fs::write(dir.join("objects/pack/pack-abc.pack"), "x").expect("a leftover");
    let mirror = Mirror::open_or_init(&dir, RemoteSpec::new(origin.url())).expect("a mirror");
    assert!(!dir.join("merge-left").exists());
    assert!(!dir.join("objects/pack/pack_git2_abc").exists());
    assert!(!dir.join("objects/pack/pack-abc.pack").exists());
    assert_eq!(mirror.watched().expect("readable").map(|(_, tip)| tip), Some(tip));
}

#[test]
fn locks_of_a_killed_process_are_cleared_when_the_mirror_is_opened_and_it_works_on() {
    let origin = Origin::new();
    let dir = origin.mirror_dir();
    for lock in ["refs/heads/main.lock", "refs/heads/shoal/status.lock", "packed-refs.lock", "config.lock"] {
        origin.mirror().fetch().expect("a fetch");
        let lock = dir.join(lock);
        fs::create_dir_all(lock.parent().expect("a parent")).expect("a directory");
        fs::write(&lock, "").expect("what a kill leaves");
        let mirror = origin.mirror();
        assert!(!lock.exists(), "{}", lock.display());
        let tip = origin.push(&format!("after {}", lock.display()));
        assert_eq!(mirror.fetch().expect("a fetch").tip, tip);
    }
}

#[test]
fn a_mirror_that_was_killed_while_it_was_made_is_made_anew() {
    let origin = Origin::new();
    let dir = origin.mirror_dir();
    // As `git init` leaves it half way, beside its place.
    let half = dir.with_extension("git.new");
    fs::create_dir_all(half.join("refs")).expect("a directory");
    fs::write(half.join("HEAD"), "ref: refs/hea").expect("half a file");
    assert_eq!(origin.mirror().fetch().expect("a fetch").tip, origin.head());
    assert!(!half.exists());
}

#[test]
fn a_remote_with_large_other_branches_does_not_fill_the_mirror() {
    let origin = Origin::new();
    git(&origin.work(), &["switch", "-q", "-c", "big"]);
    let mut noise = String::new();
    let mut state = 1_u64;
    for _ in 0..100_000 {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        noise.push(char::from(b'a' + (state >> 59) as u8 % 26));
    }
    origin.write("big", &noise);
    origin.push("big");
    git(&origin.work(), &["switch", "-q", "main"]);
    let mirror = origin.mirror();
    for round in 0..5 {
        origin.write("shoal.yaml", &format!("round: {round}\n"));
        origin.push("round");
        mirror.fetch().expect("fetched");
    }
    let bytes: u64 = fs::read_dir(origin.mirror_dir().join("objects/pack"))
        .expect("readable")
        .map(|entry| entry.expect("readable").metadata().expect("there").len())
        .sum();
    assert!(bytes < 20_000, "{bytes}");
}
