// SPDX-License-Identifier: AGPL-3.0-or-later
//! Everything in a store as one stream, and back: what a backup is made of.
//!
//! ```text
//! "shoal-export 1\n"
//! about "\n"             what it is of, one line of JSON: About
//! frame*                 one per entry, tables in the order of Table::ALL, keys ascending
//! end
//! sha256                 32 bytes, over everything before them
//!
//! frame = 'E'  len(1) table-name  len(4) key  len(4) value
//! end   = '.'  count(8) of entries
//! ```
//!
//! Numbers are big-endian. Nothing follows the digest.
//!
//! Expected flow: [`Exporter`] over a snapshot; [`Importer::open`], then [`Importer::verify`] or
//! [`Importer::import`]. [`crate::RedbStore::restore`] makes a database of it.
//!
//! Guarantees: an export is one consistent snapshot, taken while the store works, in bounded memory. What was cut,
//! changed or lengthened is told from what is whole. The ledger comes last, so that no controller starts on half an
//! import.
//! What it does not do: the digest tells damage, not forgery. It does not give the copy a new ledger id: whoever
//! restores a copy does that ([`crate::ledger::renew`]), since the original may have gone on.

mod about;
mod read;
mod write;

pub use about::{About, Contents};
pub use read::Importer;
pub use write::{Exporter, export};

use std::io;

use crate::ledger::LedgerError;
use crate::{CommitError, ReadError, Table};

/// What every export begins with, up to its version.
const MAGIC: &[u8] = b"shoal-export ";
/// The version of the stream that is written here.
const VERSION: &[u8] = b"1\n";
/// The longest line that says what an export is of.
const ABOUT_BYTES: usize = 16 << 10;
const ENTRY: u8 = b'E';
const END: u8 = b'.';

/// An export or import that failed.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The store cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The ledger cannot be read.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The store cannot be written.
    #[error("cannot write what is imported")]
    Commit(#[from] CommitError),
    /// The stream cannot be read or written.
    #[error("cannot {0} the backup")]
    Io(&'static str, #[source] io::Error),
    /// Nothing at all.
    #[error("it is empty: whoever wrote it failed")]
    Empty,
    /// Something else than an export.
    #[error("it is no backup of Shoal's")]
    NotAnExport,
    /// An export in a later version of the stream.
    #[error("it was made by a newer Shoal, in a form that this one does not know: use the newer one")]
    Newer,
    /// The stream ends early, goes on too long, or was changed.
    #[error("it is damaged: {0}")]
    Damaged(&'static str),
    /// The stream holds a table that is not known.
    #[error(
        "it holds the table {0:?}, which this Shoal does not know: use the one that made it, or a newer one"
    )]
    UnknownTable(String),
    /// The store holds something.
    #[error("the table {0} is not empty: a backup is imported into an empty store only")]
    NotEmpty(Table),
}
