// SPDX-License-Identifier: AGPL-3.0-or-later
//! Somebody who watches the store at its work: for tests that kill the process, or fill its disk, at exactly that
//! moment.
//!
//! Guarantees: in a release nobody can watch, which is known at compile time. Nothing in this crate, nor in the
//! controller, ever lets anybody watch.

use std::io;
use std::ops::Bound;
use std::sync::OnceLock;

use redb::{BackendError, StorageBackend};

use crate::Write;

/// Where in a transaction the writer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// All is ready, and nothing of it is durable.
    Before,
    /// All of it is durable, and nobody was told.
    After,
}

/// Who watches. Whoever asks waits for the answer.
pub trait Watcher: Send + Sync + 'static {
    /// A transaction of these changes is committed.
    fn commit(&self, moment: Moment, writes: &[&Write]);

    /// Something is about to be done to the database file; an error takes its place.
    fn disk(&self, operation: Operation) -> io::Result<()>;
}

/// What is done to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Something is written.
    Write,
    /// Its length is changed.
    SetLen,
    /// What was done is made durable.
    Sync,
}

static WATCHER: OnceLock<Box<dyn Watcher>> = OnceLock::new();

/// Lets somebody watch every store of this process from now on: the first who comes. Without effect in a release.
pub fn watch(watcher: impl Watcher) {
    if cfg!(debug_assertions) {
        let _ = WATCHER.set(Box::new(watcher));
    }
}

/// Who watches.
pub(crate) fn watcher() -> Option<&'static dyn Watcher> {
    if cfg!(debug_assertions) { WATCHER.get().map(|watcher| &**watcher) } else { None }
}

/// A disk, watched where somebody watches.
pub(crate) fn watched(disk: Box<dyn StorageBackend>) -> Box<dyn StorageBackend> {
    match watcher() {
        Some(watcher) => Box::new(WatchedDisk { disk, watcher }),
        None => disk,
    }
}

struct WatchedDisk {
    disk: Box<dyn StorageBackend>,
    watcher: &'static dyn Watcher,
}

impl std::fmt::Debug for WatchedDisk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "WatchedDisk({:?})", self.disk)
    }
}

impl StorageBackend for WatchedDisk {
    fn len(&self) -> io::Result<u64> {
        self.disk.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.disk.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.watcher.disk(Operation::SetLen)?;
        self.disk.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.watcher.disk(Operation::Sync)?;
        self.disk.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.watcher.disk(Operation::Write)?;
        self.disk.write(offset, data)
    }

    fn close(&self) -> io::Result<()> {
        self.disk.close()
    }

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.disk.try_lock_range(start, end)
    }

    fn try_lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.disk.try_lock_shared_range(start, end)
    }

    fn lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.disk.lock_range(start, end)
    }

    fn lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.disk.lock_shared_range(start, end)
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.disk.unlock_range(start, end)
    }

    fn query_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.disk.query_lock_range(start, end)
    }
}
