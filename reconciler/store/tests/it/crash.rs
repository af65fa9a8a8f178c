// SPDX-License-Identifier: AGPL-3.0-or-later
//! A process killed while it commits: everything that it acknowledged is there, every batch whole.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};

use shoal_store::{Batch, Reader as _, RedbStore, Scan, Store, Table};

use crate::support::opening;

const CHILD: &str = "SHOAL_STORE_CRASH_CHILD";
const WRITERS: u64 = 4;

#[test]
fn what_a_killed_process_acknowledged_is_there_and_nothing_is_half_there() {
    if let Some(path) = std::env::var_os(CHILD) {
        commit_until_killed(Path::new(&path));
    }
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("shoal.redb");
    // Last acknowledged number, by writer, over all lives.
    let mut acknowledged: BTreeMap<u64, u64> = BTreeMap::new();
    for kill_after in [1, 2, 7, 30, 45] {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "crash::what_a_killed_process_acknowledged_is_there_and_nothing_is_half_there"])
            .args(["--nocapture", "--test-threads=1"])
            .env(CHILD, &path)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut seen = 0;
        while seen < kill_after {
            let line = lines.next().expect("the child ended by itself").unwrap();
            seen += u64::from(note(&line, &mut acknowledged));
        }
        let error = RedbStore::open(&path, &opening()).err().expect("it was opened twice").to_string();
        assert!(error.contains(&format!("pid {}", child.id())), "{error}");
        child.kill().unwrap();
        // What it had said before it died counts too.
        for line in lines {
            note(&line.unwrap(), &mut acknowledged);
        }
        assert!(!child.wait().unwrap().success());
        check(&path, &acknowledged);
    }
}

fn note(line: &str, acknowledged: &mut BTreeMap<u64, u64>) -> bool {
    let Some((writer, number)) = line.strip_prefix("ack ").and_then(|rest| rest.split_once(' ')) else {
        return false;
    };
    // A line that was cut off has no end mark.
    let Some(number) = number.strip_suffix('.') else { return false };
    acknowledged.insert(writer.parse().unwrap(), number.parse().unwrap());
    true
}

fn check(path: &Path, acknowledged: &BTreeMap<u64, u64>) {
    let store = RedbStore::open(path, &opening()).unwrap();
    for (writer, number) in acknowledged {
        let prefix = format!("{writer}/");
        let count = |table| store.scan(table, &Scan::prefix(prefix.as_bytes())).unwrap().len() as u64;
        let (jobs, journal) = (count(Table::Jobs), count(Table::Journal));
        assert_eq!(jobs, journal, "half a batch of writer {writer}");
        assert!(jobs > *number, "writer {writer} was told {number}, and {jobs} are there");
        let counter = store.get(Table::Meta, prefix.as_bytes()).unwrap().unwrap();
        assert_eq!(counter, jobs.to_be_bytes(), "half a batch of writer {writer}");
    }
}

fn commit_until_killed(path: &Path) -> ! {
    let store = RedbStore::open(path, &opening()).unwrap();
    std::thread::scope(|scope| {
        for writer in 0..WRITERS {
            let store = &store;
            scope.spawn(move || {
                let prefix = format!("{writer}/");
                let first = store.scan(Table::Jobs, &Scan::prefix(prefix.as_bytes())).unwrap().len() as u64;
                for number in first.. {
                    let mut batch = Batch::new();
                    batch.put(Table::Jobs, format!("{prefix}{number:08}"), vec![writer as u8; 2000]);
                    batch.put(Table::Journal, format!("{prefix}{number:08}"), "done");
                    batch.add(Table::Meta, prefix.as_str(), 1);
                    store.commit(batch).unwrap();
                    let mut out = std::io::stdout().lock();
                    writeln!(out, "\nack {writer} {number}.").unwrap();
                    out.flush().unwrap();
                }
            });
        }
    });
    unreachable!("the writers never end")
}
