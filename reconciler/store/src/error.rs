// SPDX-License-Identifier: AGPL-3.0-or-later
//! What can go wrong in a store that is open.

use std::fmt;
use std::sync::Arc;

use crate::{MAX_KEY_BYTES, MAX_VALUE_BYTES, Table};

/// What the engine under the store said.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{text}")]
pub struct EngineError {
    text: Arc<str>,
    disk_full: bool,
}

impl EngineError {
    /// An error of some text.
    pub fn new(text: impl fmt::Display) -> Self {
        Self { text: text.to_string().into(), disk_full: false }
    }

    /// An error of the operating system.
    pub fn from_io(error: &std::io::Error) -> Self {
        let kind = error.kind();
        let disk_full = matches!(kind, std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded);
        let text =
            if disk_full { format!("no space is left on the disk: {error}") } else { error.to_string() };
        Self { text: text.into(), disk_full }
    }

    /// The disk is full: make room; nothing has to be restarted.
    pub fn is_disk_full(&self) -> bool {
        self.disk_full
    }
}

/// A read that failed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ReadError {
    /// The engine failed while reading a table.
    #[error("cannot read the table {table} of the store")]
    Table {
        /// The table.
        table: Table,
        /// What the engine said.
        #[source]
        source: EngineError,
    },
    /// The engine could not make a snapshot.
    #[error("cannot make a snapshot of the store")]
    Snapshot {
        /// What the engine said.
        #[source]
        source: EngineError,
    },
}

/// A commit that failed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum CommitError {
    /// A check did not hold. Nothing was written.
    #[error("the entry {} of the table {table} is not as the batch expects it", show_key(key))]
    CheckFailed {
        /// The table of the check.
        table: Table,
        /// The key of the check.
        key: Vec<u8>,
    },
    /// A counter holds something else, or would overflow. Nothing was written.
    #[error("the entry {} of the table {table} is not a counter that can grow by that amount", show_key(key))]
    NotACounter {
        /// The table.
        table: Table,
        /// The key.
        key: Vec<u8>,
    },
    /// A key is empty or too long. Nothing was written.
    #[error("a key of {size} bytes for the table {table}: it must have 1 to {MAX_KEY_BYTES}")]
    KeySize {
        /// The table.
        table: Table,
        /// The key's length in bytes.
        size: usize,
    },
    /// A value is too large. Nothing was written.
    #[error(
        "a value of {size} bytes for the entry {} of the table {table}: the limit is {MAX_VALUE_BYTES}",
        show_key(key)
    )]
    ValueTooLarge {
        /// The table.
        table: Table,
        /// The key.
        key: Vec<u8>,
        /// The value's length in bytes.
        size: usize,
    },
    /// The engine failed, and nothing of the batch was or will be written.
    #[error("the store could not keep the batch, nothing of it was written")]
    NotWritten {
        /// What the engine said.
        #[source]
        source: EngineError,
    },
    /// The engine failed, and whether the batch is kept will be known only when the store can be
    /// read again. Treat it as a crash: read before you act.
    #[error(
        "the store failed while it kept the batch, whether it is written is unknown until the store can be read again"
    )]
    Unknown {
        /// What the engine said.
        #[source]
        source: EngineError,
    },
}

impl ReadError {
    /// The disk is full: even what is there cannot be read, because it has to be recovered first.
    pub fn is_disk_full(&self) -> bool {
        match self {
            Self::Table { source, .. } | Self::Snapshot { source } => source.is_disk_full(),
        }
    }
}

impl CommitError {
    /// The disk is full: make room; nothing has to be restarted.
    pub fn is_disk_full(&self) -> bool {
        match self {
            Self::NotWritten { source } | Self::Unknown { source } => source.is_disk_full(),
            Self::CheckFailed { .. }
            | Self::NotACounter { .. }
            | Self::KeySize { .. }
            | Self::ValueTooLarge { .. } => false,
        }
    }
}

/// A key for people: text where it is text, escapes elsewhere.
pub(crate) fn show_key(key: &[u8]) -> String {
    format!("\"{}\"", key.escape_ascii())
}
