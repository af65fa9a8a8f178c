// SPDX-License-Identifier: AGPL-3.0-or-later
//! Entries of a snapshot: what is listed, what is refused, and how much is accepted.

use std::fmt;
use std::sync::Arc;

use crate::BlobId;

/// How much of a tree is accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one file.
    pub blob_bytes: u64,
    /// Files and directories looked at, in all.
    pub entries: usize,
    /// Directories inside each other.
    pub depth: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            // No honest document of an inventory comes near; parsers are linear but not free.
            blob_bytes: 1024 * 1024,
            // Twice a fleet of 100,000 servers.
            entries: 200_000,
            // Trees that name each other many times over stop at the count above; this one bounds
            // the stack.
            depth: 64,
        }
    }
}

/// A regular file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlobEntry {
    /// From the root of the repository, with slashes.
    pub path: Arc<str>,
    /// Its contents' name: the key of a cache of parsed documents.
    pub id: BlobId,
    /// Bytes.
    pub size: u64,
    /// Whether it is marked executable.
    pub executable: bool,
}

/// An entry that is not listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// Its path, with escapes where it could not be printed.
    pub path: String,
    /// The reason.
    pub why: Why,
}

/// Why an entry is not listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// It could lead anywhere.
    Symlink,
    /// Its contents are in another repository.
    Submodule,
    /// Too many bytes.
    TooLarge {
        /// Bytes.
        size: u64,
        /// Bytes allowed.
        limit: u64,
    },
    /// The name is no UTF-8.
    NotUtf8,
    /// The name has control characters or backslashes, or is `.`, `..` or `.git`.
    UnsafeName,
    /// Too many directories inside each other.
    TooDeep {
        /// Directories allowed.
        limit: usize,
    },
    /// The same path stands there twice: tools would disagree about which one counts.
    Duplicate,
    /// Neither file nor directory nor any other known kind.
    UnknownKind {
        /// The mode as stored.
        mode: u32,
    },
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Symlink => f.write_str("symbolic links are not read"),
            Self::Submodule => f.write_str("submodules are not read"),
            Self::TooLarge { size, limit } => {
                write!(f, "it has {size} bytes, more than {limit}")
            }
            Self::NotUtf8 => f.write_str("its name is not valid UTF-8"),
            Self::UnsafeName => f.write_str("its name is not safe to use"),
            Self::TooDeep { limit } => write!(f, "it is more than {limit} directories deep"),
            Self::Duplicate => f.write_str("its path stands in the tree more than once"),
            Self::UnknownKind { mode } => write!(f, "its mode {mode:o} is not known"),
        }
    }
}
