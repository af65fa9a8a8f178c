// SPDX-License-Identifier: AGPL-3.0-or-later
//! The database of a simulated controller: durable at once, acknowledged later, and at times refused.

use std::sync::Arc;

use shoal_store::{
    Batch, CommitError, CommitFuture, EngineError, Entry, MemoryStore, ReadError, Reader, Scan, Store, Table,
};

use crate::journal;
use crate::world::World;

/// One database, as one incarnation of a controller sees it.
pub(crate) struct SimStore {
    world: Arc<World>,
    incarnation: usize,
    side: usize,
    inner: Arc<MemoryStore>,
}

impl SimStore {
    /// The database of an incarnation.
    pub(crate) fn new(world: Arc<World>, incarnation: usize, side: usize, inner: Arc<MemoryStore>) -> Self {
        Self { world, incarnation, side, inner }
    }

    fn write(&self, batch: Batch) -> Result<(), CommitError> {
        let jobs = journal::jobs_of(&batch);
        self.inner.commit(batch)?;
        if !jobs.is_empty() {
            journal::wrote(&self.world, self.side, jobs);
        }
        Ok(())
    }
}

impl Reader for SimStore {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, ReadError> {
        self.inner.get(table, key)
    }

    fn scan(&self, table: Table, scan: &Scan<'_>) -> Result<Vec<Entry>, ReadError> {
        self.inner.scan(table, scan)
    }
}

impl Store for SimStore {
    fn commit(&self, batch: Batch) -> Result<(), CommitError> {
        self.write(batch)
    }

    fn commit_async(&self, batch: Batch) -> CommitFuture {
        let (world, incarnation) = (Arc::clone(&self.world), self.incarnation);
        if world.loses_power(incarnation, "before a commit") {
            return Box::pin(std::future::pending());
        }
        world.with(|state| state.oracle.asked_of_store());
        let (refused, pause) = world.with(|state| {
            let full = state.faults.disk_full && state.dice.percent(30);
            (full.then(|| state.dice.percent(50)), state.dice.ms(1, 15))
        });
        let result = match refused {
            None => self.write(batch),
            // The disk is full: nothing is written, or nobody knows.
            Some(false) => Err(CommitError::NotWritten { source: EngineError::new("no space left") }),
            Some(true) => {
                if world.with(|state| state.dice.percent(50)) {
                    drop(self.write(batch));
                }
                Err(CommitError::Unknown { source: EngineError::new("no space left") })
            }
        };
        Box::pin(async move {
            tokio::time::sleep(pause).await;
            if world.loses_power(incarnation, "after a commit") {
                std::future::pending::<()>().await;
            }
            result
        })
    }

    fn snapshot(&self) -> Result<Box<dyn Reader>, ReadError> {
        self.inner.snapshot()
    }
}
