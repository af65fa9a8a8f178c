// SPDX-License-Identifier: AGPL-3.0-or-later
//! Where files come from: a plain directory, here, or a Git tree, in the crate that knows Git.

mod directory;

pub use directory::DirectorySource;

use std::error::Error;
use std::sync::Arc;

use shoal_schema::Sha256;

/// Files over this size, in bytes, are refused.
pub const MAX_FILE_BYTES: u64 = 1 << 20;

/// A tree with more entries is refused as a whole.
pub const MAX_ENTRIES: usize = 200_000;

/// A tree of files.
pub trait FileSource {
    /// Every entry but directories, in any order, each path once.
    ///
    /// Entries that must not be read (links, submodules, files over [`MAX_FILE_BYTES`]) are listed
    /// with the reason, so that people hear of them.
    fn list(&self) -> Result<Vec<FileEntry>, SourceError>;

    /// The content of an entry that `list` gave and that is not refused.
    fn read(&self, entry: &FileEntry) -> Result<Vec<u8>, SourceError>;
}

/// A file in a tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileEntry {
    /// Path within the tree, with `/`, without a leading one.
    pub path: Arc<str>,
    /// What names this very content for good, such as a blob's object id. A file whose id was seen
    /// before is not read again. Nothing where the source would have to read it to know.
    pub id: Option<ContentId>,
    /// Size in bytes, where known; 0 otherwise.
    pub size: u64,
    /// Why it must not be read.
    pub refused: Option<Refused>,
}

/// What names a content for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContentId {
    length: u8,
    bytes: [u8; Self::MOST],
}

impl ContentId {
    const MOST: usize = 32;

    /// A name of any length; what is longer than a digest is digested.
    pub fn new(name: &[u8]) -> Self {
        let digest;
        let name = if name.len() > Self::MOST {
            digest = Sha256::bytes_of(name);
            &digest[..]
        } else {
            name
        };
        let mut bytes = [0; Self::MOST];
        bytes[..name.len()].copy_from_slice(name);
        Self { length: name.len() as u8, bytes }
    }
}

/// Why a file must not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Refused {
    /// A symbolic link: it may lead out of the tree.
    Symlink,
    /// A Git submodule: its content is not part of this tree.
    Submodule,
    /// Over [`MAX_FILE_BYTES`].
    TooLarge,
    /// A device, socket or pipe.
    Special,
    /// The path is not UTF-8; what is not is replaced in it.
    PathNotUtf8,
}

impl Refused {
    /// A stable word, part of an inventory's digest.
    pub fn word(self) -> &'static str {
        match self {
            Self::Symlink => "symlink",
            Self::Submodule => "submodule",
            Self::TooLarge => "too-large",
            Self::Special => "special",
            Self::PathNotUtf8 => "path-not-utf-8",
        }
    }
}

/// A tree that cannot be listed, or a file that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The source itself failed.
    #[error("cannot {action} {subject}")]
    Failed {
        /// `list`, `read`, `watch`, …
        action: &'static str,
        /// The path or tree.
        subject: String,
        /// Why.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// More than [`MAX_ENTRIES`].
    #[error("{subject} has more than {limit} entries")]
    TooManyEntries {
        /// The tree.
        subject: String,
        /// The limit.
        limit: usize,
    },
}

impl SourceError {
    /// What to do, where something can be done about it here.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Failed { .. } => None,
            Self::TooManyEntries { .. } => Some("keep only the inventory in there"),
        }
    }
}
