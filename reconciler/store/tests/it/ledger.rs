// SPDX-License-Identifier: AGPL-3.0-or-later
//! The ledger over the life of a database.

use shoal_core::ledger::{Ledger, LedgerVerdict, compare};
use shoal_schema::LedgerId;
use shoal_store::export::Importer;
use shoal_store::ledger::{
    LedgerError, bump, is_stale_epoch, next_epoch, open_or_create, read, renew, require_epoch,
};
use shoal_store::sim_disk::SimDisk;
use shoal_store::{Batch, CommitError, MemoryStore, Store, Table};

use crate::support::{exported, open_sim, put, value};

#[test]
fn the_first_opening_draws_an_id_and_later_ones_keep_it() {
    let store = MemoryStore::new();
    assert_eq!(read(&store).unwrap(), None);
    let first = open_or_create(&store, [1; 16]).unwrap();
    assert_eq!(first, Ledger { id: LedgerId::from_bytes([1; 16]), counter: 0, epoch: 0, replaces: None });
    assert_eq!(open_or_create(&store, [2; 16]).unwrap(), first);
}

#[test]
fn every_incarnation_gets_a_higher_epoch_and_fences_the_one_before() {
    let disk = SimDisk::new();
    let store = open_sim(&disk);
    open_or_create(&store, [1; 16]).unwrap();
    let old = next_epoch(&store).unwrap().epoch;
    let mut late = put(Table::Jobs, "k", "from the old one");
    require_epoch(&mut late, old);
    store.commit(late.clone()).unwrap();
    drop(store);

    let store = open_sim(&disk);
    assert_eq!(next_epoch(&store).unwrap().epoch, old + 1);
    let error = store.commit(late).unwrap_err();
    assert!(is_stale_epoch(&error), "{error:?}");
    let mut checked = put(Table::Jobs, "k", "x");
    checked.check(Table::Jobs, "k", shoal_store::Expect::Absent);
    assert!(!is_stale_epoch(&store.commit(checked).unwrap_err()));
}

#[test]
fn the_counter_grows_with_each_bump_and_without_conflicts() {
    let store = open_sim(&SimDisk::new());
    open_or_create(&store, [1; 16]).unwrap();
    std::thread::scope(|scope| {
        for writer in 0..8 {
            let store = &store;
            scope.spawn(move || {
                for n in 0..10 {
                    let mut batch = put(Table::Jobs, &format!("{writer}/{n}"), "x");
                    bump(&mut batch);
                    store.commit(batch).unwrap();
                }
            });
        }
    });
    assert_eq!(read(&store).unwrap().unwrap().counter, 80);
}

#[test]
fn an_old_copy_is_recognised_takes_a_new_ledger_and_may_publish_it_even_after_a_crash() {
    let store = MemoryStore::new();
    open_or_create(&store, [1; 16]).unwrap();
    next_epoch(&store).unwrap();
    let copy = store.copy();
    let mut batch = put(Table::Records, "web-01", "installed");
    bump(&mut batch);
    store.commit(batch).unwrap();
    let live = read(&store).unwrap().unwrap();
    let branch = Some((live.id.clone(), live.counter));
    assert_eq!(compare(&live, branch.clone(), false), LedgerVerdict::InStep);

    let old = read(&copy).unwrap().unwrap();
    assert_eq!(compare(&old, branch.clone(), false), LedgerVerdict::BehindOldCopy);
    let restored =
        renew(&copy, [9; 16], Some(live.id.clone()), put(Table::Jobs, "mark", "restored")).unwrap();
    assert_eq!(restored.id, LedgerId::from_bytes([9; 16]));
    assert!(restored.counter > old.counter);
    assert_eq!(value(&copy, "mark").as_deref(), Some("restored"));
    assert_eq!(compare(&read(&copy).unwrap().unwrap(), branch, false), LedgerVerdict::Ahead);

    let published = Some((restored.id, restored.counter));
    assert_eq!(compare(&live, published, false), LedgerVerdict::Foreign, "the original must stop");
}

#[test]
fn a_lost_database_stands_in_for_the_one_that_the_branch_shows() {
    let store = MemoryStore::new();
    let own = open_or_create(&store, [2; 16]).unwrap();
    let branch = (LedgerId::from_bytes([1; 16]), 40);
    assert_eq!(compare(&own, Some(branch.clone()), true), LedgerVerdict::LostDatabase);
    let renewed =
        renew(&store, [3; 16], Some(branch.0.clone()), put(Table::Records, "web-01", "{}")).unwrap();
    assert_eq!(compare(&renewed, Some(branch), false), LedgerVerdict::Ahead);
}

#[test]
fn a_renewal_by_a_stale_incarnation_changes_nothing() {
    let store = MemoryStore::new();
    open_or_create(&store, [1; 16]).unwrap();
    let mut with = put(Table::Jobs, "mark", "restored");
    require_epoch(&mut with, 5);
    let error = renew(&store, [3; 16], None, with).unwrap_err();
    assert!(matches!(&error, LedgerError::Commit(error) if is_stale_epoch(error)), "{error:?}");
    assert_eq!(read(&store).unwrap().unwrap().id, LedgerId::from_bytes([1; 16]));
    assert_eq!(value(&store, "mark"), None);
}

#[test]
fn half_an_import_has_no_ledger_and_is_not_taken_for_a_new_database() {
    let source = MemoryStore::new();
    open_or_create(&source, [1; 16]).unwrap();
    let mut batch = Batch::new();
    for n in 0..3u8 {
        batch.put(Table::Jobs, [n], vec![n; 5 << 20]);
    }
    source.commit(batch).unwrap();
    let bytes = exported(&source);

    let target = MemoryStore::new();
    target.set_faults(|commit| {
        if commit == 2 { shoal_store::CommitFault::NotWritten } else { shoal_store::CommitFault::None }
    });
    assert!(Importer::open(bytes.as_slice()).unwrap().import(&target).is_err());
    target.clear_faults();
    let error = open_or_create(&target, [2; 16]).unwrap_err();
    assert!(matches!(error, LedgerError::Unfinished(Table::Jobs)), "{error:?}");
}

#[test]
fn a_broken_ledger_is_an_error_that_names_it() {
    let store = MemoryStore::new();
    open_or_create(&store, [1; 16]).unwrap();
    store.commit(put(Table::Meta, "counter", "nine")).unwrap();
    let error = read(&store).unwrap_err();
    assert!(error.to_string().contains("counter") && error.to_string().contains("shoal restore"), "{error}");
    store.commit(put(Table::Meta, "ledger", "{}")).unwrap();
    let error = open_or_create(&store, [1; 16]).unwrap_err();
    assert!(matches!(error, LedgerError::Read(_)), "{error:?}");
}

#[test]
fn a_fault_at_any_commit_leaves_a_ledger_that_opens() {
    for fault in [
        shoal_store::CommitFault::NotWritten,
        shoal_store::CommitFault::UnknownNotWritten,
        shoal_store::CommitFault::UnknownWritten,
    ] {
        let store = MemoryStore::new();
        store.set_faults(move |_| fault);
        let error = open_or_create(&store, [1; 16]).unwrap_err();
        assert!(matches!(
            error,
            LedgerError::Commit(CommitError::NotWritten { .. } | CommitError::Unknown { .. })
        ));
        store.clear_faults();
        let ledger = open_or_create(&store, [2; 16]).unwrap();
        let expected = if fault == shoal_store::CommitFault::UnknownWritten { [1; 16] } else { [2; 16] };
        assert_eq!(ledger.id, LedgerId::from_bytes(expected));
    }
}

#[test]
fn whoever_was_not_told_what_became_of_a_batch_finds_it_out_by_reading() {
    for (fault, is_kept) in [
        (shoal_store::CommitFault::UnknownNotWritten, false),
        (shoal_store::CommitFault::UnknownWritten, true),
    ] {
        let store = MemoryStore::new();
        store.commit(put(Table::Control, "gone", "x")).unwrap();
        store.set_faults(move |_| fault);
        let mut batch = put(Table::Jobs, "job", "started");
        batch.delete(Table::Control, "gone");
        batch.add(Table::Meta, "counter", 1);
        let error = store.commit(batch.clone()).unwrap_err();
        assert!(matches!(error, CommitError::Unknown { .. }));
        assert_eq!(batch.is_kept_by(&store).unwrap(), is_kept, "{fault:?}");
    }
    // Others add to counters, too: they tell nothing.
    let mut batch = Batch::new();
    batch.add(Table::Meta, "counter", 1);
    assert!(!batch.is_kept_by(&MemoryStore::new()).unwrap());
}
