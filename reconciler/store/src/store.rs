// SPDX-License-Identifier: AGPL-3.0-or-later
//! The engine-neutral face of the store.
//!
//! Guarantees, for every engine: see the crate's documentation. The conformance suite in
//! `tests/it/conformance.rs` runs over all of them.

use std::future::Future;
use std::pin::Pin;

use crate::{Batch, CommitError, ReadError, Scan, Table};

/// A key and its value.
pub type Entry = (Vec<u8>, Vec<u8>);

/// What [`Store::commit_async`] returns.
pub type CommitFuture = Pin<Box<dyn Future<Output = Result<(), CommitError>> + Send + 'static>>;

/// Reading, from the store as it is now or from a snapshot.
pub trait Reader: Send {
    /// The value of a key.
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, ReadError>;

    /// Entries in the order of their keys.
    fn scan(&self, table: Table, scan: &Scan<'_>) -> Result<Vec<Entry>, ReadError>;
}

/// Durable state.
///
/// Each call of [`Reader::get`] and [`Reader::scan`] on the store itself sees the last commit
/// that became durable before it; two calls may see different states. Use [`Store::snapshot`]
/// where several reads belong together.
pub trait Store: Reader + Sync {
    /// Applies a batch and returns once it is durable. Blocks the calling thread.
    fn commit(&self, batch: Batch) -> Result<(), CommitError>;

    /// As [`Store::commit`], without blocking. The batch is on its way when this returns: to drop
    /// the future is not to take it back. Batches handed in by one thread are applied in order.
    fn commit_async(&self, batch: Batch) -> CommitFuture;

    /// A view that does not change. Hold it briefly: an engine may keep old data for its sake, and
    /// a view ends with [`ReadError`] where the engine had to be opened anew after a disk error.
    fn snapshot(&self) -> Result<Box<dyn Reader>, ReadError>;
}
