// SPDX-License-Identifier: AGPL-3.0-or-later
//! A full disk, at every operation: an error, nothing half done, and work goes on when it is over.

use std::error::Error as _;

use shoal_store::sim_disk::SimDisk;
use shoal_store::{Batch, CommitError, MemoryStore, Reader as _, Store, Table};

use crate::support::{block_on, dump, open_sim, put, try_open_sim, value};

/// Grows the file, overwrites and deletes: every kind of write that redb does.
fn workload() -> Vec<Batch> {
    (0..6u8)
        .map(|n| {
            let mut batch = Batch::new();
            batch.put(Table::Jobs, format!("big{n}"), vec![n; 40_000]);
            batch.put(Table::Jobs, "same", vec![n; 100]);
            batch.add(Table::Meta, "n", 1);
            if n >= 2 {
                batch.delete(Table::Jobs, format!("big{}", n - 2));
            }
            batch
        })
        .collect()
}

fn operations_of_the_workload() -> (u64, u64) {
    let disk = SimDisk::new();
    let store = open_sim(&disk);
    let first = disk.operations();
    for batch in workload() {
        store.commit(batch).unwrap();
    }
    (first, disk.operations())
}

#[test]
fn a_disk_that_fills_up_at_any_operation_fails_whole_batches_and_later_takes_them() {
    let (first, end) = operations_of_the_workload();
    let mut refused = 0;
    for full_from in first..end {
        let disk = SimDisk::new();
        let store = open_sim(&disk);
        let model = MemoryStore::new();
        disk.fail(full_from, u64::MAX);
        let mut failed = Vec::new();
        for batch in workload() {
            match store.commit(batch.clone()) {
                Ok(()) => model.commit(batch).unwrap(),
                Err(CommitError::NotWritten { source }) => {
                    assert!(source.is_disk_full(), "at {full_from}: {source}");
                    failed.push(batch);
                }
                Err(CommitError::Unknown { .. }) => {
                    // Known as soon as there is space: the store says what it holds.
                    disk.mend();
                    let n = store.get(Table::Meta, b"n").unwrap();
                    if n != model.get(Table::Meta, b"n").unwrap() {
                        model.commit(batch).unwrap();
                    } else {
                        failed.push(batch);
                    }
                    disk.fail(disk.operations(), u64::MAX);
                }
                Err(other) => panic!("at {full_from}: {other:?}"),
            }
        }
        refused += failed.len();
        disk.mend();
        assert_eq!(dump(&model), dump(&store), "full from {full_from}");
        for batch in failed {
            store.commit(batch.clone()).unwrap_or_else(|error| panic!("after {full_from}: {error:?}"));
            model.commit(batch).unwrap();
        }
        assert_eq!(dump(&model), dump(&store), "mended after {full_from}");
        drop(store);
        assert_eq!(dump(&model), dump(&open_sim(&disk)), "opened again after {full_from}");
    }
    assert!(refused as u64 > end - first, "the disk was full and hardly anything failed");
}

#[test]
fn a_single_failed_operation_leaves_a_batch_whole_or_absent_and_the_answer_is_true() {
    let (first, end) = operations_of_the_workload();
    for bad in first..end {
        let disk = SimDisk::new();
        let store = open_sim(&disk);
        let model = MemoryStore::new();
        disk.fail(bad, 1);
        for batch in workload() {
            match store.commit(batch.clone()) {
                Ok(()) => model.commit(batch).unwrap(),
                Err(CommitError::NotWritten { .. }) => {}
                Err(other) => panic!("the disk works again, so the outcome is known: {other:?}"),
            }
            assert_eq!(dump(&model), dump(&store), "failed at {bad}");
        }
        drop(store);
        assert_eq!(dump(&model), dump(&open_sim(&disk)), "opened again, failed at {bad}");
    }
}

#[test]
fn reads_and_old_snapshots_work_or_say_so_while_the_disk_is_full() {
    let disk = SimDisk::new();
    let store = open_sim(&disk);
    store.commit(put(Table::Jobs, "k", "1")).unwrap();
    let old = store.snapshot().unwrap();
    disk.fail(disk.operations(), u64::MAX);
    let error = store.commit(put(Table::Jobs, "k", "2")).unwrap_err();
    assert!(
        error.source().is_some_and(|source| source.to_string().contains("no space is left")),
        "{error:?}"
    );
    disk.mend();
    assert_eq!(value(&store, "k").as_deref(), Some("1"));
    match old.get(Table::Jobs, b"k") {
        Ok(found) => assert_eq!(found.as_deref(), Some(b"1".as_slice())),
        Err(error) => assert!(error.to_string().contains("jobs")),
    }
    store.commit(put(Table::Jobs, "k", "2")).unwrap();
    assert_eq!(value(store.snapshot().unwrap().as_ref(), "k").as_deref(), Some("2"));
}

#[test]
fn all_who_share_the_transaction_that_fails_are_told() {
    let disk = SimDisk::new();
    let store = open_sim(&disk);
    disk.hold_syncs();
    let first = store.commit_async(put(Table::Jobs, "first", "1"));
    disk.wait_for_a_held_sync();
    let waiting: Vec<_> =
        (0..20).map(|n| store.commit_async(put(Table::Jobs, &format!("k{n}"), "1"))).collect();
    // The first is between its two syncs or at one of them; everything from now on fails.
    disk.fail(disk.operations(), u64::MAX);
    disk.release_syncs();
    let first = block_on(first);
    let answers: Vec<_> = waiting.into_iter().map(block_on).collect();
    disk.mend();
    assert!(
        answers.iter().all(|answer| {
            matches!(answer, Err(CommitError::NotWritten { source }) if source.is_disk_full())
        }),
        "{answers:?}"
    );
    assert!((0..20).all(|n| value(&store, &format!("k{n}")).is_none()));
    match first {
        Ok(()) => assert_eq!(value(&store, "first").as_deref(), Some("1")),
        Err(CommitError::NotWritten { .. }) => assert_eq!(value(&store, "first"), None),
        Err(_) => assert!(matches!(value(&store, "first").as_deref(), None | Some("1"))),
    }
}

#[test]
fn a_disk_that_is_full_while_the_database_is_made_leaves_no_database_that_opens_half() {
    let operations = {
        let disk = SimDisk::new();
        drop(open_sim(&disk));
        disk.operations()
    };
    for full_from in 0..operations {
        let disk = SimDisk::new();
        disk.fail(full_from, u64::MAX);
        let opened = try_open_sim(&disk);
        disk.mend();
        if let Ok(store) = opened {
            store.commit(put(Table::Jobs, "k", "1")).unwrap();
            drop(store);
            assert_eq!(value(&open_sim(&disk), "k").as_deref(), Some("1"));
        }
    }
}
