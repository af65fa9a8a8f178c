// SPDX-License-Identifier: AGPL-3.0-or-later
//! Changes of the format: backed up before, whole or not at all, never back. The steps are the tests' own.

use std::path::{Path, PathBuf};

use shoal_store::export::Importer;
use shoal_store::sim_disk::SimDisk;
use shoal_store::{
    Batch, OpenError, Reader as _, RedbStore, Rows, Scan, Step, StepError, Store as _, Table, ledger,
};

use crate::power_loss::{Moments, moments_of};
use crate::support::{MADE_BY, dump, knowing, opening, value};

/// Every job says who it was for, in capitals.
const LOUD: Step = Step { what: "write jobs in capitals", run: loud };
/// Jobs are called by another name.
const RENAMED: Step = Step { what: "rename jobs", run: renamed };
const BROKEN: Step = Step { what: "understand what nobody does", run: broken };

fn loud(rows: &mut Rows<'_>) -> Result<(), StepError> {
    let mut after: Option<Vec<u8>> = None;
    loop {
        let page = rows.scan(Table::Jobs, &Scan { after: after.as_deref(), limit: 7, ..Scan::ALL })?;
        for (key, value) in &page {
            rows.put(Table::Jobs, key, &value.to_ascii_uppercase())?;
        }
        match page.into_iter().next_back() {
            Some((key, _)) => after = Some(key),
            None => return Ok(()),
        }
    }
}

fn renamed(rows: &mut Rows<'_>) -> Result<(), StepError> {
    for (key, value) in rows.scan(Table::Jobs, &Scan::ALL)? {
        rows.delete(Table::Jobs, &key)?;
        rows.put(Table::Jobs, &[b"job-", key.as_slice()].concat(), &value)?;
    }
    Ok(())
}

fn broken(rows: &mut Rows<'_>) -> Result<(), StepError> {
    loud(rows)?;
    Err(StepError::Row { table: Table::Jobs, key: b"k0".to_vec(), why: "it has no serial number".to_owned() })
}

fn jobs() -> Batch {
    let mut batch = Batch::new();
    for n in 0..20 {
        batch.put(Table::Jobs, format!("k{n}"), format!("value {n}"));
    }
    batch
}

fn old_database(directory: &Path) -> PathBuf {
    let path = directory.join("shoal.redb");
    let store = RedbStore::open(&path, &opening()).unwrap();
    ledger::open_or_create(&store, [7; 16]).unwrap();
    store.commit(jobs()).unwrap();
    path
}

fn backups(directory: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let mut found: Vec<_> = entries.filter(|path| path.to_string_lossy().contains("format")).collect();
    found.sort();
    found
}

#[test]
fn an_older_database_is_backed_up_and_brought_up_to_date_by_every_step_it_lacks() {
    let directory = tempfile::tempdir().unwrap();
    let path = old_database(directory.path());
    let before = dump(&RedbStore::open(&path, &opening()).unwrap());
    let store = RedbStore::open(&path, &knowing(&[LOUD])).unwrap();
    assert_eq!(value(&store, "k3").as_deref(), Some("VALUE 3"));
    drop(store);
    // The first step is not made a second time.
    let store = RedbStore::open(&path, &knowing(&[BROKEN, RENAMED])).unwrap();
    assert_eq!(value(&store, "job-k3").as_deref(), Some("VALUE 3"));
    assert_eq!(value(&store, "k3"), None);
    drop(store);
    drop(RedbStore::open(&path, &knowing(&[LOUD, RENAMED])).unwrap());

    let kept = backups(directory.path());
    let names: Vec<_> = kept.iter().map(|path| path.file_name().unwrap().to_str().unwrap()).collect();
    let date = "19700101T000000Z.backup";
    assert_eq!(names, [format!("shoal.redb.format-1-{date}"), format!("shoal.redb.format-2-{date}")]);
    let importer = Importer::open(std::fs::File::open(&kept[0]).unwrap()).unwrap();
    assert_eq!(importer.about().format, 1);
    let copy = shoal_store::MemoryStore::new();
    importer.import(&copy).unwrap();
    assert_eq!(dump(&copy), before);
}

#[test]
fn a_second_backup_of_the_same_moment_gets_a_name_of_its_own() {
    let directory = tempfile::tempdir().unwrap();
    let path = old_database(directory.path());
    for _ in 0..2 {
        assert!(RedbStore::open(&path, &knowing(&[BROKEN])).is_err());
    }
    assert_eq!(backups(directory.path()).len(), 2);
}

#[test]
fn a_database_that_was_brought_up_to_date_is_refused_by_the_program_of_before() {
    let directory = tempfile::tempdir().unwrap();
    let path = old_database(directory.path());
    drop(RedbStore::open(&path, &knowing(&[LOUD])).unwrap());
    let error = RedbStore::open(&path, &opening()).err().expect("it was opened");
    assert!(matches!(error, OpenError::Newer { found: 2, known: 1, .. }), "{error:?}");
    let text = error.to_string();
    assert!(text.contains(MADE_BY) && text.contains("newer program"), "{text}");
}

#[test]
fn a_step_that_fails_is_named_and_leaves_the_database_as_it_was() {
    let directory = tempfile::tempdir().unwrap();
    let path = old_database(directory.path());
    let error = RedbStore::open(&path, &knowing(&[LOUD, BROKEN])).err().expect("it was opened");
    let text = format!("{error}: {}", std::error::Error::source(&error).unwrap());
    assert!(
        text.contains("understand what nobody does") && text.contains("\"k0\" of the table jobs"),
        "{text}"
    );
    let store = RedbStore::open(&path, &opening()).unwrap();
    assert_eq!(value(&store, "k3").as_deref(), Some("value 3"));
}

#[test]
fn without_room_for_the_backup_nothing_is_changed() {
    let directory = tempfile::tempdir().unwrap();
    let path = old_database(directory.path());
    // A name that cannot be written: the part of the backup is a directory.
    std::fs::create_dir(directory.path().join("shoal.redb.format-1-19700101T000000Z.backup.part")).unwrap();
    let error = RedbStore::open(&path, &knowing(&[LOUD])).err().expect("it was opened");
    assert!(matches!(error, OpenError::Backup { .. }), "{error:?}");
    assert!(error.to_string().contains("nothing was changed"), "{error}");
    assert_eq!(value(&RedbStore::open(&path, &opening()).unwrap(), "k3").as_deref(), Some("value 3"));
}

#[test]
fn a_look_at_an_older_database_changes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let path = old_database(directory.path());
    let (store, format) = RedbStore::open_kept(&path, &knowing(&[LOUD])).unwrap();
    assert_eq!((format, value(&store, "k3").as_deref()), (1, Some("value 3")));
    drop(store);
    assert!(backups(directory.path()).is_empty());
    drop(RedbStore::open(&path, &opening()).unwrap());
    let nowhere = directory.path().join("nowhere.redb");
    assert!(RedbStore::open_kept(&nowhere, &opening()).is_err());
    std::fs::write(directory.path().join("text"), "something else").unwrap();
    let error =
        RedbStore::open_kept(&directory.path().join("text"), &opening()).err().expect("it was opened");
    assert!(matches!(error, OpenError::Damaged { .. }), "{error:?}");
    for name in ["nowhere.redb", "nowhere.redb.lock", "text.lock"] {
        assert!(!directory.path().join(name).exists(), "{name}");
    }
}

#[test]
fn power_lost_at_any_moment_of_a_change_leaves_the_old_database_or_the_new_one() {
    let disk = SimDisk::new();
    {
        let store = RedbStore::open_on(disk.opener(), Path::new("sim.redb"), &opening()).unwrap();
        store.commit(jobs()).unwrap();
    }
    for fate in [shoal_store::sim_disk::Fate::Kept, shoal_store::sim_disk::Fate::Dropped] {
        // Of its own, so that each round begins with the old one.
        let disk = SimDisk::with_content(disk.content());
        let Moments { left, .. } = moments_of(
            &disk,
            move |_| fate,
            |opener| {
                drop(RedbStore::open_on(opener, Path::new("sim.redb"), &knowing(&[LOUD, RENAMED])).unwrap());
            },
        );
        assert!(left.len() > 10, "only {} moments", left.len());
        let (mut old, mut new) = (0, 0);
        for disk in left {
            let steps = [LOUD, RENAMED];
            let known = knowing(&steps);
            // The program of before opens it only where nothing was changed.
            match RedbStore::open_on(disk.opener(), Path::new("sim.redb"), &opening()) {
                Ok(store) => {
                    assert_eq!(value(&store, "k3").as_deref(), Some("value 3"));
                    assert_eq!(store.scan(Table::Jobs, &Scan::ALL).unwrap().len(), 20);
                    old += 1;
                }
                Err(OpenError::Newer { .. }) => new += 1,
                Err(error) => panic!("{error:?}"),
            }
            let store = RedbStore::open_on(disk.opener(), Path::new("sim.redb"), &known).unwrap();
            assert_eq!(value(&store, "job-k3").as_deref(), Some("VALUE 3"));
            assert_eq!(store.scan(Table::Jobs, &Scan::ALL).unwrap().len(), 20);
        }
        assert!(old > 0 && new > 0, "{old} old, {new} new");
    }
}
