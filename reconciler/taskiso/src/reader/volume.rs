// SPDX-License-Identifier: AGPL-3.0-or-later
//! An opened volume: what is on it, and the content of its files.

use std::fmt;

use crate::source::ReadAt;

use super::record::Extent;
use super::susp::Posix;
use super::walk::{self, Budget, Walk};
use super::{ReadError, descriptor, fill};

/// Where a volume's names come from, best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Names {
    /// Rock Ridge: names, modes and owners of a Unix file system.
    RockRidge,
    /// Joliet: names in UCS-2, nothing else.
    Joliet,
    /// ECMA-119 identifiers, shown in lower case without version.
    Plain,
}

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
}

/// A file or directory of a volume.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Entry {
    /// The path from the root, with `/` between names.
    pub path: String,
    /// File or directory.
    pub kind: Kind,
    /// Bytes of content, or of the directory's records.
    pub len: u64,
    /// Owner and permissions, where Rock Ridge tells them.
    pub posix: Option<Posix>,
    pub(super) extent: Extent,
}

/// A volume whose directories have been read. Contents are read when asked for. `Debug` leaves the
/// source out: it may be the bytes of a medium.
pub struct Volume<S> {
    source: S,
    label: String,
    len: u64,
    names: Names,
    entries: Vec<Entry>,
}

impl<S> fmt::Debug for Volume<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Volume")
            .field("volume_id", &self.label)
            .field("len", &self.len)
            .field("names", &self.names)
            .field("entries", &self.entries)
            .finish_non_exhaustive()
    }
}

impl<S: ReadAt> Volume<S> {
    /// Reads the descriptors and all directories of the volume at the start of `source`.
    ///
    /// # Errors
    ///
    /// A source that fails, is no ISO 9660 volume, ends before its files do, or contradicts the
    /// standard in a way that makes its files ambiguous.
    pub fn open(source: S) -> Result<Self, ReadError> {
        let found = descriptor::read(&source)?;
        let mut budget = Budget::new();
        let root = walk::root_entries(&source, found.primary.root, &mut budget)?;
        let (names, start, skip) = match (root.skip, found.joliet) {
            (Some(skip), _) => (Names::RockRidge, found.primary.root, skip),
            (None, Some(joliet)) => (Names::Joliet, joliet, 0),
            (None, None) => (Names::Plain, found.primary.root, 0),
        };
        let walk = Walk { source: &source, names, skip: usize::from(skip), budget };
        let entries = walk.run(start)?;
        Ok(Self { source, label: found.primary.volume_id, len: found.primary.len, names, entries })
    }

    /// The volume identifier of the primary descriptor, without the spaces at its end.
    pub fn volume_id(&self) -> &str {
        &self.label
    }

    /// Bytes of the volume as its descriptor has them; the source may be longer.
    pub fn volume_len(&self) -> u64 {
        self.len
    }

    /// Where the names come from.
    pub fn names(&self) -> Names {
        self.names
    }

    /// Files and directories in the order of their paths, the root left out.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The files alone.
    pub fn files(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(|entry| entry.kind == Kind::File)
    }

    /// The content of a file of at most `limit` bytes.
    ///
    /// # Errors
    ///
    /// No file of this path, a file above the limit (of which nothing is read), a medium that
    /// fails or is shorter than it was.
    pub fn read(&self, path: &str, limit: u64) -> Result<Vec<u8>, ReadError> {
        let entry = self
            .entries
            .binary_search_by(|entry| entry.path.as_str().cmp(path))
            .ok()
            .map(|at| &self.entries[at])
            .filter(|entry| entry.kind == Kind::File)
            .ok_or_else(|| ReadError::NotFound { path: path.into() })?;
        if entry.len > limit {
            return Err(ReadError::TooLarge { path: path.into(), len: entry.len, limit });
        }
        // At most the source's own length, as the extent was checked when the volume was opened.
        let mut content = vec![0; entry.len as usize];
        let at = walk::offset(entry.extent);
        fill(&self.source, at, &mut content, &format!("{path:?}"))?;
        Ok(content)
    }
}
