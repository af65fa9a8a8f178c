// SPDX-License-Identifier: AGPL-3.0-or-later
//! The open database, and opening it anew after an error of the disk.
//!
//! redb refuses all work after the first error of its disk until it is closed and opened again.
//! That is done here, by whoever comes next, under a lock that neither a reader that begins nor
//! the writer's transaction can be within.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use redb::{Database, DatabaseError, ReadableDatabase as _};

use super::backend::{AnyBackend, OpenBackend};
use super::read::Snapshot;
use crate::EngineError;

/// redb's page cache, in bytes. Its own default is 1 GiB; the idle controller is to stay below 200 MB with ten thousand
/// servers. What it works on it has in memory anyway: this is for pages that change again soon, and the others are in
/// the system's cache.
const CACHE_BYTES: usize = 24 << 20;

/// A database that heals.
pub(super) struct Engine {
    open_backend: OpenBackend,
    database: RwLock<Option<Database>>,
    health: Health,
}

/// Whether the disk failed since the database was opened. Snapshots share it: they meet errors
/// too, and must not keep the database itself alive.
#[derive(Clone, Default)]
pub(super) struct Health(Arc<AtomicBool>);

impl Engine {
    pub(super) fn new(open_backend: OpenBackend, database: Database) -> Self {
        Self { open_backend, database: RwLock::new(Some(database)), health: Health::default() }
    }

    /// Runs `work` on the database, opening it anew first where the disk had failed. The database
    /// stays open until `work` returns.
    pub(super) fn with<T>(
        &self,
        work: impl FnOnce(&Database) -> Result<T, redb::Error>,
    ) -> Result<T, EngineError> {
        let guard = self.healthy()?;
        let Some(database) = guard.as_ref() else {
            return Err(EngineError::new("the database is closed after an error of the disk"));
        };
        work(database).map_err(|error| self.health.note(error))
    }

    /// A view of the last commit.
    pub(super) fn begin_read(&self) -> Result<Snapshot, EngineError> {
        self.with(|database| Ok(database.begin_read()?))
            .map(|transaction| Snapshot { transaction, health: self.health.clone() })
    }

    fn healthy(&self) -> Result<RwLockReadGuard<'_, Option<Database>>, EngineError> {
        let guard = self.database.read().unwrap_or_else(PoisonError::into_inner);
        if guard.is_some() && !self.health.failed() {
            return Ok(guard);
        }
        drop(guard);
        self.reopen()?;
        Ok(self.database.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn reopen(&self) -> Result<(), EngineError> {
        let mut slot = self.database.write().unwrap_or_else(PoisonError::into_inner);
        if slot.is_some() && !self.health.failed() {
            return Ok(());
        }
        // Whoever met the error tells of it.
        tracing::debug!("opening the database again after an error of the disk");
        // Closed before it is opened: two at once would write over each other.
        drop(slot.take());
        let opened = guarded(|| open_database(&self.open_backend)).map_err(OpenFailure::into_engine_error)?;
        *slot = Some(opened.database);
        self.health.0.store(false, Ordering::Release);
        Ok(())
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        let database = self.database.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        let closed = guarded(|| {
            drop(database);
            Ok(())
        });
        if closed.is_err() {
            tracing::error!("the database could not be closed, it is recovered when it is opened next");
        }
    }
}

// === impl Health ===

impl Health {
    fn failed(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    /// Judges an error of redb, and puts it into our words.
    pub(super) fn note(&self, error: redb::Error) -> EngineError {
        // A view of a database that was closed since says nothing about the one that is open now.
        if !matches!(error, redb::Error::DatabaseClosed) {
            self.0.store(true, Ordering::Release);
        }
        engine_error(error)
    }
}

/// What went wrong while redb opened a database.
pub(super) enum OpenFailure {
    /// The disk cannot be opened.
    Disk(std::io::Error),
    /// redb refused.
    Redb(DatabaseError),
    /// What was opened cannot be read.
    Read(redb::Error),
    /// redb met an assertion.
    Panicked,
}

impl OpenFailure {
    pub(super) fn into_engine_error(self) -> EngineError {
        match self {
            Self::Disk(error) => EngineError::from_io(&error),
            Self::Redb(error) => engine_error(error.into()),
            Self::Read(error) => engine_error(error),
            Self::Panicked => {
                EngineError::new("the database is damaged in a way that its reader did not foresee")
            }
        }
    }
}

/// A database that redb opened.
pub(super) struct Opened {
    pub(super) database: Database,
    /// It was not closed, so redb has verified all of it.
    pub(super) recovered: bool,
}

/// Opens the database and lets redb recover it where it was not closed.
pub(super) fn open_database(open_backend: &OpenBackend) -> Result<Opened, OpenFailure> {
    let backend = AnyBackend(open_backend().map_err(OpenFailure::Disk)?);
    let recovered = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&recovered);
    let database = redb::Builder::new()
        .set_cache_size(CACHE_BYTES)
        .set_repair_callback(move |_| flag.store(true, Ordering::Release))
        .create_with_backend(backend)
        .map_err(OpenFailure::Redb)?;
    Ok(Opened { database, recovered: recovered.load(Ordering::Acquire) })
}

/// Damage leads redb into assertions, in opening, checking and closing: a message must come of it
/// all the same. What `work` opens it has to close within: closing after an assertion is another.
pub(super) fn guarded<T>(work: impl FnOnce() -> Result<T, OpenFailure>) -> Result<T, OpenFailure> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or(Err(OpenFailure::Panicked))
}

fn engine_error(error: redb::Error) -> EngineError {
    match error {
        redb::Error::Io(error) => EngineError::from_io(&error),
        other => EngineError::new(other),
    }
}
