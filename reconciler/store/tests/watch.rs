// SPDX-License-Identifier: AGPL-3.0-or-later
//! Somebody who watches a store. A program of its own: who watches one store watches all of its process.

use std::io;
use std::sync::{Arc, Mutex};

use shoal_store::watch::{Moment, Operation, Watcher, watch};
use shoal_store::{Batch, Expect, Opening, Reader as _, RedbStore, Store as _, Table, Write};

#[derive(Default)]
struct Seen {
    commits: Vec<(Moment, Vec<Table>)>,
    writes: usize,
    syncs: usize,
    is_full: bool,
}

struct Eyes(Arc<Mutex<Seen>>);

impl Watcher for Eyes {
    fn commit(&self, moment: Moment, writes: &[&Write]) {
        let table = |write: &&Write| match write {
            Write::Put { table, .. } | Write::Delete { table, .. } | Write::Add { table, .. } => *table,
        };
        self.0.lock().unwrap().commits.push((moment, writes.iter().map(table).collect()));
    }

    fn disk(&self, operation: Operation) -> io::Result<()> {
        let mut seen = self.0.lock().unwrap();
        seen.writes += 1;
        seen.syncs += usize::from(operation == Operation::Sync);
        if seen.is_full { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }
}

#[test]
fn whoever_watches_sees_commits_before_and_after_and_may_fill_the_disk() {
    let seen = Arc::new(Mutex::new(Seen::default()));
    watch(Eyes(Arc::clone(&seen)));
    let directory = tempfile::tempdir().unwrap();
    let opening = Opening::new("shoal 0.0.0-test", jiff::Timestamp::UNIX_EPOCH);
    let store = RedbStore::open(&directory.path().join("shoal.redb"), &opening).unwrap();
    let put = |value: &str| {
        let mut batch = Batch::new();
        batch.put(Table::Jobs, "k", value);
        batch
    };
    store.commit(put("1")).unwrap();
    // A batch that fails is no commit.
    let mut refused = put("2");
    refused.check(Table::Jobs, "k", Expect::Absent);
    store.commit(refused).unwrap_err();
    let commits = std::mem::take(&mut seen.lock().unwrap().commits);
    assert_eq!(commits, [(Moment::Before, vec![Table::Jobs]), (Moment::After, vec![Table::Jobs])]);

    // Each commit in two phases.
    assert!(seen.lock().unwrap().syncs >= 2);
    seen.lock().unwrap().is_full = true;
    let before = seen.lock().unwrap().writes;
    assert!(store.commit(put("3")).is_err());
    assert!(before > 0 && seen.lock().unwrap().writes > before);
    seen.lock().unwrap().is_full = false;
    assert_eq!(store.get(Table::Jobs, b"k").unwrap().as_deref(), Some(b"1".as_slice()));
    store.commit(put("4")).unwrap();
    let last = seen.lock().unwrap().commits.last().cloned();
    assert_eq!(last, Some((Moment::After, vec![Table::Jobs])));
}
