// SPDX-License-Identifier: AGPL-3.0-or-later
//! What several tests need.

use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;

use jiff::Timestamp;
use shoal_store::export::{About, export};
use shoal_store::sim_disk::SimDisk;
use shoal_store::{Batch, Entry, FORMAT, Opening, Reader, RedbStore, Scan, Step, Store, Table};

pub(crate) const MADE_BY: &str = "shoal 0.0.0-test";

/// A moment that every test has.
pub(crate) const NOW: Timestamp = Timestamp::UNIX_EPOCH;

pub(crate) fn opening() -> Opening<'static> {
    Opening::new(MADE_BY, NOW)
}

/// As a program would open it that knows these steps.
pub(crate) fn knowing(steps: &[Step]) -> Opening<'_> {
    Opening { steps, ..opening() }
}

/// A backup of a store.
pub(crate) fn exported(store: &dyn Store) -> Vec<u8> {
    let about = About::of(&*store.snapshot().unwrap(), FORMAT, NOW, MADE_BY, Some("fleet".into())).unwrap();
    let mut out = Vec::new();
    export(store.snapshot().unwrap(), about, &mut out).unwrap();
    out
}

pub(crate) fn open_sim(disk: &SimDisk) -> RedbStore {
    try_open_sim(disk).unwrap_or_else(|error| panic!("{error:?}"))
}

pub(crate) fn try_open_sim(disk: &SimDisk) -> Result<RedbStore, shoal_store::OpenError> {
    RedbStore::open_on(disk.opener(), Path::new("sim.redb"), &opening())
}

pub(crate) fn put(table: Table, key: &str, value: &str) -> Batch {
    let mut batch = Batch::new();
    batch.put(table, key, value);
    batch
}

/// Everything in a store.
pub(crate) fn dump(reader: &dyn Reader) -> Vec<(Table, Vec<Entry>)> {
    Table::ALL.iter().map(|table| (*table, reader.scan(*table, &Scan::ALL).unwrap())).collect()
}

pub(crate) fn value(reader: &dyn Reader, key: &str) -> Option<String> {
    let bytes = reader.get(Table::Jobs, key.as_bytes()).unwrap()?;
    Some(String::from_utf8(bytes).unwrap())
}

/// Runs a future on this thread.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => std::thread::park(),
        }
    }
}
