// SPDX-License-Identifier: AGPL-3.0-or-later
//! Many small commits share a sync, and still each is answered for itself and after it.

use shoal_store::sim_disk::SimDisk;
use shoal_store::{CommitError, Expect, Store, Table};

use crate::support::{block_on, open_sim, put, value};

#[test]
fn batches_that_wait_for_the_disk_share_the_next_transaction() {
    let disk = SimDisk::new();
    let store = open_sim(&disk);
    store.commit(put(Table::Jobs, "warm", "up")).unwrap();
    let before = disk.syncs();
    store.commit(put(Table::Jobs, "one", "1")).unwrap();
    let syncs_of_one = disk.syncs() - before;

    disk.hold_syncs();
    let first = store.commit_async(put(Table::Jobs, "first", "1"));
    disk.wait_for_a_held_sync();
    let waiting: Vec<_> =
        (0..200).map(|n| store.commit_async(put(Table::Jobs, &format!("k{n}"), "1"))).collect();
    disk.release_syncs();
    block_on(first).unwrap();
    for answer in waiting {
        block_on(answer).unwrap();
    }
    assert_eq!(disk.syncs() - before, 3 * syncs_of_one, "one alone, the first, and 200 together");
}

#[test]
fn in_a_shared_transaction_each_batch_succeeds_or_fails_alone_and_in_order() {
    let disk = SimDisk::new();
    let store = open_sim(&disk);
    disk.hold_syncs();
    let first = store.commit_async(put(Table::Jobs, "first", "1"));
    disk.wait_for_a_held_sync();
    let create = |content: &str| {
        let mut batch = put(Table::Jobs, "k", content);
        batch.check(Table::Jobs, "k", Expect::Absent);
        store.commit_async(batch)
    };
    let answers = [create("a"), create("b"), store.commit_async(put(Table::Jobs, "other", "1"))];
    disk.release_syncs();
    block_on(first).unwrap();
    let [a, b, other] = answers.map(block_on);
    a.unwrap();
    assert!(matches!(b, Err(CommitError::CheckFailed { .. })));
    other.unwrap();
    assert_eq!((value(&store, "k").as_deref(), value(&store, "other").as_deref()), (Some("a"), Some("1")));
}

#[test]
fn nothing_is_answered_or_seen_before_it_is_synced() {
    let disk = SimDisk::new();
    let store = open_sim(&disk);
    disk.hold_syncs();
    let (answered, answers) = std::sync::mpsc::channel();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            store.commit(put(Table::Jobs, "k", "1")).unwrap();
            answered.send(()).unwrap();
        });
        disk.wait_for_a_held_sync();
        assert!(answers.try_recv().is_err(), "answered before the sync");
        assert_eq!(value(&store, "k"), None, "seen before the sync");
        disk.release_syncs();
    });
    answers.try_recv().unwrap();
    assert_eq!(value(&store, "k").as_deref(), Some("1"));
}

#[test]
fn batches_that_only_fail_cost_no_sync() {
    let disk = SimDisk::new();
    let store = open_sim(&disk);
    store.commit(put(Table::Jobs, "k", "1")).unwrap();
    let before = disk.syncs();
    let mut batch = put(Table::Jobs, "k", "2");
    batch.check(Table::Jobs, "k", Expect::Absent);
    store.commit(batch).unwrap_err();
    assert_eq!(disk.syncs(), before);
}

#[test]
fn what_was_handed_in_is_written_although_nobody_waits_and_the_store_closes() {
    let disk = SimDisk::new();
    let store = open_sim(&disk);
    for n in 0..50 {
        drop(store.commit_async(put(Table::Jobs, &format!("k{n}"), "1")));
    }
    drop(store);
    let store = open_sim(&disk);
    assert!((0..50).all(|n| value(&store, &format!("k{n}")).is_some()));
}
