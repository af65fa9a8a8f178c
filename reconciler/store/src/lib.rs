// SPDX-License-Identifier: AGPL-3.0-or-later
//! The controller's durable state behind a small trait.
//!
//! [`Store`] is what the controller sees: tables of bytes, conditional batches, snapshots.
//! [`RedbStore`] keeps it in one redb file; [`MemoryStore`] is the reference implementation for
//! tests and simulation; later engines (PostgreSQL, etcd, NATS) stand in behind the same trait.
//! [`typed`] puts versioned JSON records on top, [`ledger`] the identity of the database,
//! [`export`] carries everything from one store into another. [`sim_disk`] is a disk for fault
//! tests: full, torn, unplugged; [`watch`] lets tests stand beside the writer.
//!
//! Guarantees: a commit that returned `Ok` survives a crash; a batch is applied whole or not at
//! all; checks and writes of a batch see no other batch in between; a snapshot never changes.
//! Assumptions: the disk keeps what it acknowledged at a sync; one process a database.
//! What it does not do: it does not encrypt, and nothing secret belongs in it.

mod apply;
mod batch;
mod error;
pub mod export;
pub mod ledger;
mod memory;
mod redb_store;
mod scan;
pub mod sim_disk;
mod store;
mod table;
pub mod typed;
pub mod watch;

pub use batch::{Batch, Check, Expect, MAX_KEY_BYTES, MAX_VALUE_BYTES, Write};
pub use error::{CommitError, EngineError, ReadError};
pub use memory::{CommitFault, MemoryStore};
pub use redb_store::{
    Aside, FORMAT, OpenBackend, OpenError, Opening, RedbStore, Restore, RestoreError, Restored, Rows, STEPS,
    Step, StepError,
};
pub use scan::{Order, Scan};
pub use store::{CommitFuture, Entry, Reader, Store};
pub use table::Table;
