// SPDX-License-Identifier: AGPL-3.0-or-later
//! Opening: files, modes, locks, versions.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use shoal_store::{OpenError, RedbStore, Store, Table};

use crate::support::{opening, put, value};

fn open(path: &Path) -> Result<RedbStore, OpenError> {
    RedbStore::open(path, &opening())
}

fn error_of(path: &Path) -> OpenError {
    match open(path) {
        Ok(_) => panic!("{} was opened", path.display()),
        Err(error) => error,
    }
}

#[test]
fn a_new_database_belongs_to_its_owner_alone_and_leaves_no_scaffolding() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("shoal.redb");
    // What a crash in the middle of making one leaves.
    std::fs::write(directory.path().join("shoal.redb.new"), b"half").unwrap();
    drop(open(&path).unwrap());
    let mut names: Vec<_> = std::fs::read_dir(directory.path())
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{entry:?}");
            entry.file_name().into_string().unwrap()
        })
        .collect();
    names.sort();
    assert_eq!(names, ["shoal.redb", "shoal.redb.lock"]);
}

#[test]
fn a_database_that_others_can_read_is_closed_to_them() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("shoal.redb");
    drop(open(&path).unwrap());
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    drop(open(&path).unwrap());
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn a_second_one_is_refused_and_told_who_has_it_until_the_first_is_closed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("shoal.redb");
    let first = open(&path).unwrap();
    first.commit(put(Table::Jobs, "k", "1")).unwrap();
    let error = error_of(&path);
    assert!(matches!(error, OpenError::Locked { .. }), "{error:?}");
    let text = error.to_string();
    assert!(text.contains(&format!("pid {}", std::process::id())), "{text}");
    assert!(text.contains("socket") && text.contains(path.to_str().unwrap()), "{text}");
    let snapshot = first.snapshot().unwrap();
    drop(first);
    let second = open(&path).unwrap();
    assert_eq!(value(&second, "k").as_deref(), Some("1"));
    // A view of a closed store shows what it remembers, or says that it cannot.
    let seen = snapshot.get(Table::Jobs, b"k");
    assert!(seen.is_err() || seen.is_ok_and(|seen| seen.as_deref() == Some(b"1")));
    assert_eq!(value(&second, "k").as_deref(), Some("1"), "the old view disturbs nobody");
}

#[test]
fn a_missing_directory_a_directory_and_a_foreign_database_are_named() {
    let directory = tempfile::tempdir().unwrap();
    let missing = directory.path().join("db").join("shoal.redb");
    let error = error_of(&missing);
    assert!(matches!(&error, OpenError::NoDirectory { path } if path.ends_with("db")), "{error:?}");

    let error = error_of(directory.path());
    assert!(matches!(error, OpenError::NotAFile { .. }), "{error:?}");

    let foreign = directory.path().join("foreign.redb");
    {
        let database = redb::Database::create(&foreign).unwrap();
        let transaction = database.begin_write().unwrap();
        transaction
            .open_table(redb::TableDefinition::<&str, u64>::new("theirs"))
            .unwrap()
            .insert("a", 1)
            .unwrap();
        transaction.commit().unwrap();
    }
    let error = error_of(&foreign);
    assert!(matches!(error, OpenError::NotOurs { .. }), "{error:?}");
    assert!(error.to_string().contains("foreign.redb"));
}

#[test]
fn a_database_of_a_newer_version_is_refused_with_its_maker_and_keeps_its_content() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("shoal.redb");
    open(&path).unwrap().commit(put(Table::Jobs, "k", "1")).unwrap();
    let table = redb::TableDefinition::<&str, &[u8]>::new("shoal");
    let set = |format: u64, made_by: &[u8]| {
        let database = redb::Database::create(&path).unwrap();
        let transaction = database.begin_write().unwrap();
        {
            let mut table = transaction.open_table(table).unwrap();
            table.insert("format", format.to_be_bytes().as_slice()).unwrap();
            table.insert("made_by", made_by).unwrap();
        }
        transaction.commit().unwrap();
    };
    set(7, b"shoal 9.1.0");
    let error = error_of(&path);
    assert!(matches!(error, OpenError::Newer { found: 7, .. }), "{error:?}");
    let text = error.to_string();
    assert!(
        text.contains("shoal 9.1.0") && text.contains("format 7") && text.contains("newer program"),
        "{text}"
    );
    set(1, b"shoal 0.1.0");
    assert_eq!(value(&open(&path).unwrap(), "k").as_deref(), Some("1"));
}
