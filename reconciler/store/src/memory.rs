// SPDX-License-Identifier: AGPL-3.0-or-later
//! The reference implementation: a store in memory, with the semantics of the durable one.
//!
//! Guarantees: the same answers as [`crate::RedbStore`] to the same calls (the conformance suite
//! compares them). A crash of its user loses nothing that was acknowledged: keep the `Arc`, drop
//! the user, start another one on it.
//! What it does not do: it does not survive its process.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::apply::{Working, apply};
use crate::{
    Batch, CommitError, CommitFuture, EngineError, Entry, Order, ReadError, Reader, Scan, Store, Table,
};

type Rows = BTreeMap<Vec<u8>, Vec<u8>>;
type FaultPlan = Box<dyn FnMut(u64) -> CommitFault + Send>;

/// What becomes of a commit in a simulation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommitFault {
    /// It works.
    None,
    /// The disk is full: nothing is written, and the caller is told so.
    NotWritten,
    /// Nothing is written, and the caller is told that it is unknown.
    UnknownNotWritten,
    /// The batch is written, and the caller is told that it is unknown.
    UnknownWritten,
}

/// A store in memory.
#[derive(Default)]
pub struct MemoryStore {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    tables: Tables,
    commits: u64,
    faults: Option<FaultPlan>,
}

/// Copies are cheap; a table is copied when it changes while a copy is alive.
#[derive(Clone)]
struct Tables(Vec<Arc<Rows>>);

impl Default for Tables {
    fn default() -> Self {
        Self(Table::ALL.iter().map(|_| Arc::default()).collect())
    }
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks `plan` before each commit what is to become of it; its argument counts commits from 0.
    pub fn set_faults(&self, plan: impl FnMut(u64) -> CommitFault + Send + 'static) {
        self.lock().faults = Some(Box::new(plan));
    }

    /// Everything works again.
    pub fn clear_faults(&self) {
        self.lock().faults = None;
    }

    /// An independent store with the same content: the file as somebody copied it now.
    pub fn copy(&self) -> Self {
        let tables = self.lock().tables.clone();
        Self { state: Mutex::new(State { tables, ..State::default() }) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic within a commit can only come before the tables change.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Reader for MemoryStore {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, ReadError> {
        self.lock().tables.get(table, key)
    }

    fn scan(&self, table: Table, scan: &Scan<'_>) -> Result<Vec<Entry>, ReadError> {
        self.lock().tables.scan(table, scan)
    }
}

impl Store for MemoryStore {
    fn commit(&self, batch: Batch) -> Result<(), CommitError> {
        batch.validate()?;
        let mut state = self.lock();
        let number = state.commits;
        state.commits += 1;
        let fault = state.faults.as_mut().map_or(CommitFault::None, |plan| plan(number));
        let source = EngineError::new("a fault of the simulation");
        match fault {
            CommitFault::None => state.tables.commit(&batch),
            CommitFault::NotWritten => Err(CommitError::NotWritten { source }),
            CommitFault::UnknownNotWritten => Err(CommitError::Unknown { source }),
            CommitFault::UnknownWritten => {
                // The outcome is what the caller must not learn.
                drop(state.tables.commit(&batch));
                Err(CommitError::Unknown { source })
            }
        }
    }

    fn commit_async(&self, batch: Batch) -> CommitFuture {
        Box::pin(std::future::ready(self.commit(batch)))
    }

    fn snapshot(&self) -> Result<Box<dyn Reader>, ReadError> {
        Ok(Box::new(self.lock().tables.clone()))
    }
}

// === impl Tables ===

impl Tables {
    fn commit(&mut self, batch: &Batch) -> Result<(), CommitError> {
        let Ok(result) = apply(batch, self);
        result
    }
}

impl Reader for Tables {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, ReadError> {
        Ok(self.0[table.index()].get(key).cloned())
    }

    fn scan(&self, table: Table, scan: &Scan<'_>) -> Result<Vec<Entry>, ReadError> {
        let Some(bounds) = scan.bounds() else { return Ok(Vec::new()) };
        let range = self.0[table.index()].range::<Vec<u8>, _>(bounds);
        let copy = |(key, value): (&Vec<u8>, &Vec<u8>)| (key.clone(), value.clone());
        Ok(match scan.order {
            Order::Ascending => range.take(scan.limit).map(copy).collect(),
            Order::Descending => range.rev().take(scan.limit).map(copy).collect(),
        })
    }
}

impl Working for Tables {
    type Error = Infallible;

    fn get(&mut self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, Infallible> {
        Ok(self.0[table.index()].get(key).cloned())
    }

    fn set(&mut self, table: Table, key: &[u8], value: Option<&[u8]>) -> Result<(), Infallible> {
        let rows = Arc::make_mut(&mut self.0[table.index()]);
        match value {
            Some(value) => rows.insert(key.to_vec(), value.to_vec()),
            None => rows.remove(key),
        };
        Ok(())
    }
}
