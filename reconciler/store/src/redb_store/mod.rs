// SPDX-License-Identifier: AGPL-3.0-or-later
//! The durable store: one redb file, one writer thread.
//!
//! Expected flow: [`RedbStore::open`] takes the lock file, makes the database where there is none,
//! verifies all of it, and starts the writer. Callers hand batches in; the writer gathers what has
//! queued up while the disk was busy and commits it at once, so that many small batches share a
//! sync (a few milliseconds). Each batch still succeeds or fails alone.
//!
//! Guarantees: a commit is answered after it is durable, and so is a failed check: what the check
//! saw is durable too. Commits are written in two phases, so that a damaged newest commit is an
//! error and never a silent step back in time. After an error of the disk the database is opened
//! anew, in place: a full disk stops commits for as long as it is full and no longer.
//! Assumptions: nobody but this process writes the file (the lock file sees to it).
//! What it does not do: it does not shrink the file, and it takes no backup but the one before a change of the
//! format (see [`crate::export`]).

mod backend;
mod engine;
mod format;
mod lock;
mod open;
mod open_error;
mod read;
mod restore;
mod upgrade;
mod writer;

use std::path::Path;
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;

use tokio::sync::oneshot;

use crate::{Batch, CommitError, CommitFuture, EngineError, Entry, ReadError, Reader, Scan, Store, Table};

pub use backend::OpenBackend;
pub use open_error::OpenError;
pub use restore::{Aside, Restore, RestoreError, Restored};
pub use upgrade::{FORMAT, Opening, Rows, STEPS, Step, StepError};

use engine::Engine;
use lock::LockFile;
use writer::{Answer, Request};

/// The durable store.
pub struct RedbStore {
    engine: Arc<Engine>,
    requests: Option<mpsc::Sender<Request>>,
    writer: Option<JoinHandle<()>>,
    // Released last, when the file is closed.
    _lock: Option<LockFile>,
}

impl RedbStore {
    /// Opens the database at `path`, or makes it. The directory must be there. Beside the file stands `PATH.lock`.
    /// A database of an older format is backed up to a file beside it and brought up to date.
    pub fn open(path: &Path, opening: &Opening<'_>) -> Result<Self, OpenError> {
        let (engine, lock) = open::open_file(path, opening)?;
        Self::start(engine, path, Some(lock))
    }

    /// Opens the database at `path` as it is, for a look or a backup; returns its format with it. One that is not
    /// there is not made, an older one stays as it is. redb recovers one that was not closed.
    pub fn open_kept(path: &Path, opening: &Opening<'_>) -> Result<(Self, u64), OpenError> {
        let (opened, lock) = open::open_kept(path, opening)?;
        Ok((Self::start(opened.engine, path, Some(lock))?, opened.format))
    }

    /// Opens a database on another disk than the file system's, for fault tests and simulations:
    /// `open_backend` is called now, and again after each error of the disk. `name` stands for the
    /// path in messages. There is no lock file: the caller opens one store at a time. There is no place for a
    /// backup either: a database of an older format is brought up to date without one.
    pub fn open_on(open_backend: OpenBackend, name: &Path, opening: &Opening<'_>) -> Result<Self, OpenError> {
        let engine = open::open_engine(open_backend, name, opening)?;
        Self::start(engine, name, None)
    }

    fn start(engine: Engine, path: &Path, lock: Option<LockFile>) -> Result<Self, OpenError> {
        let engine = Arc::new(engine);
        let (requests, queue) = mpsc::channel();
        let writer = {
            let engine = Arc::clone(&engine);
            std::thread::Builder::new()
                .name("store-writer".to_owned())
                .spawn(move || writer::run(&engine, &queue))
                .map_err(|source| OpenError::Io {
                    what: "start the writer of",
                    path: path.to_owned(),
                    source,
                })?
        };
        Ok(Self { engine, requests: Some(requests), writer: Some(writer), _lock: lock })
    }

    fn submit(&self, batch: Batch, answer: Answer) {
        let request = Request { batch, answer };
        let refused = match &self.requests {
            Some(requests) => requests.send(request).err().map(|refused| refused.0),
            None => Some(request),
        };
        if let Some(request) = refused {
            request.answer.give(Err(CommitError::NotWritten { source: stopped() }));
        }
    }
}

fn stopped() -> EngineError {
    EngineError::new("the writer of the store has stopped, the controller must be restarted")
}

impl Reader for RedbStore {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, ReadError> {
        self.engine.begin_read().map_err(|source| ReadError::Table { table, source })?.get(table, key)
    }

    fn scan(&self, table: Table, scan: &Scan<'_>) -> Result<Vec<Entry>, ReadError> {
        self.engine.begin_read().map_err(|source| ReadError::Table { table, source })?.scan(table, scan)
    }
}

impl Store for RedbStore {
    fn commit(&self, batch: Batch) -> Result<(), CommitError> {
        batch.validate()?;
        let (sender, receiver) = mpsc::sync_channel(1);
        self.submit(batch, Answer::Blocking(sender));
        receiver.recv().unwrap_or_else(|_| Err(CommitError::Unknown { source: stopped() }))
    }

    fn commit_async(&self, batch: Batch) -> CommitFuture {
        if let Err(error) = batch.validate() {
            return Box::pin(std::future::ready(Err(error)));
        }
        let (sender, receiver) = oneshot::channel();
        self.submit(batch, Answer::Async(sender));
        Box::pin(
            async move { receiver.await.unwrap_or_else(|_| Err(CommitError::Unknown { source: stopped() })) },
        )
    }

    fn snapshot(&self) -> Result<Box<dyn Reader>, ReadError> {
        match self.engine.begin_read() {
            Ok(snapshot) => Ok(Box::new(snapshot)),
            Err(source) => Err(ReadError::Snapshot { source }),
        }
    }
}

impl Drop for RedbStore {
    fn drop(&mut self) {
        // The queue closes, what is in it is written, then the writer ends.
        self.requests = None;
        if let Some(writer) = self.writer.take()
            && writer.join().is_err()
        {
            tracing::error!("the writer of the store had panicked");
        }
    }
}
