// SPDX-License-Identifier: AGPL-3.0-or-later
//! A database out of a backup: finished before anybody sees it, or the place as it was.

use std::convert::Infallible;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use shoal_store::export::Importer;
use shoal_store::{
    Aside, Batch, OpenError, RedbStore, Restore, RestoreError, Restored, Rows, Step, StepError, Store, Table,
    ledger,
};

use crate::support::{exported, knowing, opening, put, value};

fn restore(path: &Path, aside: Aside, bytes: &[u8]) -> Result<Restored<()>, RestoreError> {
    let restore = Restore { path, aside, opening: opening() };
    RedbStore::restore(&restore, bytes, |store| ledger::renew(store, [9; 16], None, Batch::new()).map(drop))
}

fn database(path: &Path, text: &str) -> RedbStore {
    let store = RedbStore::open(path, &opening()).unwrap();
    ledger::open_or_create(&store, [7; 16]).unwrap();
    store.commit(put(Table::Jobs, "k", text)).unwrap();
    store
}

fn backup(directory: &Path, text: &str) -> Vec<u8> {
    exported(&database(&directory.join("other.redb"), text))
}

fn names(directory: &Path) -> Vec<String> {
    let name = |entry: std::io::Result<std::fs::DirEntry>| entry.unwrap().file_name().into_string().unwrap();
    let mut names: Vec<_> = std::fs::read_dir(directory).unwrap().map(name).collect();
    names.retain(|name| !name.starts_with("other"));
    names.sort();
    names
}

#[test]
fn a_restored_database_holds_what_was_backed_up_under_another_ledger() {
    let directory = tempfile::tempdir().unwrap();
    // On a new machine not even the directory is there.
    let path = directory.path().join("db/shoal.redb");
    let restored = restore(&path, Aside::OnlyEmpty, &backup(directory.path(), "kept")).unwrap();
    assert_eq!(restored.aside, None);
    assert_eq!(restored.contents.count(Table::Jobs), 1);
    assert_eq!(names(&directory.path().join("db")), ["shoal.redb", "shoal.redb.lock"]);
    let store = RedbStore::open(&path, &opening()).unwrap();
    assert_eq!(value(&store, "k").as_deref(), Some("kept"));
    let ledger = ledger::read(&store).unwrap().unwrap();
    assert_ne!(Some(&ledger.id), restored.contents.about.ledger.as_ref());
    assert_eq!(ledger.replaces, restored.contents.about.ledger);
}

#[test]
fn a_database_that_holds_something_or_cannot_be_read_stays_unless_it_may_be_put_aside() {
    let directory = tempfile::tempdir().unwrap();
    let bytes = backup(directory.path(), "restored");
    let path = directory.path().join("shoal.redb");
    drop(database(&path, "mine"));
    let error = restore(&path, Aside::OnlyEmpty, &bytes).unwrap_err();
    assert!(error.to_string().contains("0 servers and 1 jobs"), "{error}");
    assert_eq!(value(&RedbStore::open(&path, &opening()).unwrap(), "k").as_deref(), Some("mine"));

    let aside = restore(&path, Aside::Any, &bytes).unwrap().aside.expect("it was kept");
    assert_eq!(aside, directory.path().join("shoal.redb.before-restore-19700101T000000Z"));
    assert_eq!(value(&RedbStore::open(&path, &opening()).unwrap(), "k").as_deref(), Some("restored"));
    assert_eq!(value(&RedbStore::open(&aside, &opening()).unwrap(), "k").as_deref(), Some("mine"));

    std::fs::write(&path, "no database at all").unwrap();
    let error = restore(&path, Aside::OnlyEmpty, &bytes).unwrap_err();
    assert!(matches!(&error, RestoreError::Taken { what, .. } if what.contains("damaged")), "{error:?}");
    let second = restore(&path, Aside::Any, &bytes).unwrap().aside.expect("it was kept");
    assert_eq!(second, directory.path().join("shoal.redb.before-restore-19700101T000000Z-2"));
    assert_eq!(std::fs::read(second).unwrap(), b"no database at all");
}

#[test]
fn a_database_in_which_nothing_is_gives_way() {
    let directory = tempfile::tempdir().unwrap();
    let bytes = backup(directory.path(), "restored");
    let path = directory.path().join("shoal.redb");
    ledger::open_or_create(&RedbStore::open(&path, &opening()).unwrap(), [1; 16]).unwrap();
    assert!(restore(&path, Aside::OnlyEmpty, &bytes).unwrap().aside.is_some());
    assert_eq!(value(&RedbStore::open(&path, &opening()).unwrap(), "k").as_deref(), Some("restored"));
}

#[test]
fn a_database_that_somebody_has_open_is_not_touched() {
    let directory = tempfile::tempdir().unwrap();
    let bytes = backup(directory.path(), "restored");
    let path = directory.path().join("shoal.redb");
    let open = database(&path, "mine");
    for aside in [Aside::OnlyEmpty, Aside::Any] {
        let error = restore(&path, aside, &bytes).unwrap_err();
        assert!(matches!(error, RestoreError::Open(OpenError::Locked { .. })), "{error:?}");
    }
    assert_eq!(value(&open, "k").as_deref(), Some("mine"));
    assert_eq!(names(directory.path()), ["shoal.redb", "shoal.redb.lock"]);
}

#[test]
fn where_a_link_leads_is_replaced_and_the_link_stays() {
    let directory = tempfile::tempdir().unwrap();
    let bytes = backup(directory.path(), "restored");
    std::fs::create_dir(directory.path().join("disk")).unwrap();
    let real = directory.path().join("disk/real.redb");
    drop(database(&real, "mine"));
    let link = directory.path().join("shoal.redb");
    std::os::unix::fs::symlink(&real, &link).unwrap();
    let aside = restore(&link, Aside::Any, &bytes).unwrap().aside.expect("it was kept");
    assert!(link.is_symlink() && aside.starts_with(directory.path().join("disk")));
    assert_eq!(value(&RedbStore::open(&link, &opening()).unwrap(), "k").as_deref(), Some("restored"));
}

#[test]
fn what_the_caller_cannot_finish_is_not_restored() {
    let directory = tempfile::tempdir().unwrap();
    let bytes = backup(directory.path(), "restored");
    let path = directory.path().join("shoal.redb");
    drop(database(&path, "mine"));
    let wanted = Restore { path: &path, aside: Aside::Any, opening: opening() };
    let error = RedbStore::restore(&wanted, bytes.as_slice(), |_| Err::<(), _>("no randomness")).unwrap_err();
    assert!(matches!(error, RestoreError::Finish(_)), "{error:?}");
    assert_eq!(names(directory.path()), ["shoal.redb", "shoal.redb.lock"]);
    assert_eq!(value(&RedbStore::open(&path, &opening()).unwrap(), "k").as_deref(), Some("mine"));
}

#[test]
fn what_a_crash_left_is_built_anew() {
    let directory = tempfile::tempdir().unwrap();
    let bytes = backup(directory.path(), "restored");
    let path = directory.path().join("shoal.redb");
    std::fs::write(Restore::building(&path), "half of a database").unwrap();
    restore(&path, Aside::OnlyEmpty, &bytes).unwrap();
    assert_eq!(names(directory.path()), ["shoal.redb", "shoal.redb.lock"]);
}

fn loud(rows: &mut Rows<'_>) -> Result<(), StepError> {
    Ok(rows.put(Table::Jobs, b"k", b"LOUD")?)
}

const LOUD: Step = Step { what: "write jobs in capitals", run: loud };

#[test]
fn a_backup_of_an_older_format_is_brought_up_to_date_and_one_of_a_newer_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("shoal.redb");
    let old = backup(directory.path(), "quiet");
    let wanted = Restore { path: &path, aside: Aside::Any, opening: knowing(&[LOUD]) };
    RedbStore::restore(&wanted, old.as_slice(), |_| Ok::<_, Infallible>(())).unwrap();
    let (store, format) = RedbStore::open_kept(&path, &knowing(&[LOUD])).unwrap();
    assert_eq!((format, value(&store, "k").as_deref()), (2, Some("LOUD")));
    let mut about = Importer::open(old.as_slice()).unwrap().about().clone();
    about.format = format;
    let mut new = Vec::new();
    shoal_store::export::export(store.snapshot().unwrap(), about, &mut new).unwrap();
    drop(store);

    let error = restore(&path, Aside::Any, &new).unwrap_err();
    assert!(matches!(error, RestoreError::Newer { found: 2, known: 1, .. }), "{error:?}");
    assert!(RedbStore::open_kept(&path, &knowing(&[LOUD])).is_ok());
}

#[test]
fn a_backup_of_a_database_on_which_nobody_ever_ran_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path: PathBuf = directory.path().join("shoal.redb");
    let bytes = exported(&shoal_store::MemoryStore::new());
    assert!(matches!(restore(&path, Aside::Any, &bytes).unwrap_err(), RestoreError::NoLedger));
    assert!(names(directory.path()).is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]
    #[test]
    fn a_changed_or_cut_backup_leaves_the_place_as_it_was(
        at in any::<proptest::sample::Index>(), bit in 0u8..8, cut: bool, there: bool,
    ) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("shoal.redb");
        let mut bytes = backup(directory.path(), "restored");
        let at = at.index(bytes.len());
        if cut {
            bytes.truncate(at);
        } else {
            bytes[at] ^= 1 << bit;
        }
        if there {
            drop(database(&path, "mine"));
        }
        prop_assert!(restore(&path, Aside::Any, &bytes).is_err());
        if there {
            let store = RedbStore::open(&path, &opening()).unwrap();
            prop_assert_eq!(value(&store, "k"), Some("mine".to_owned()));
        } else {
            prop_assert!(!path.exists());
        }
        prop_assert!(!Restore::building(&path).exists());
    }
}
