// SPDX-License-Identifier: AGPL-3.0-or-later
//! Reads ISO 9660 volumes, and finds the task volume on a medium.
//!
//! # Expected flow
//!
//! [`open_task`] on each medium in sight; [`LocateError::NoTask`] means "not this one". Then
//! [`Volume::entries`] and [`Volume::read`].
//!
//! # Guarantees
//!
//! * Any bytes give a result or an error, never a panic. Memory is bounded by
//!   [`MAX_ENTRIES`] entries of short paths, and by the caller's limit for a file's content; the
//!   structures read are bounded too, and a directory is entered once.
//! * Names come out as the volume has them, but never `.`, `..`, empty, with a slash or NUL, and
//!   never twice in a directory.
//!
//! # What it does not do
//!
//! Symbolic links, devices and relocated directories are left out of the listing. Files in several
//! extents and interleaved files are refused. Names are not made fit for a host's file system
//! beyond what is said above.

mod descriptor;
mod locate;
mod record;
mod susp;
mod volume;
mod walk;

use std::io;

pub(crate) use descriptor::primary;
pub use locate::{LocateError, TaskLocation, find_task, open_task};
pub use susp::Posix;
pub use volume::{Entry, Kind, Names, Volume};

use crate::SECTOR;
use crate::source::{ReadAt, read_exact_at};

/// Most files and directories read from a volume.
pub const MAX_ENTRIES: usize = 16_384;

/// Longest path read from a volume, in bytes.
pub const MAX_PATH: usize = 1024;

/// Why a volume, or a file of it, was not read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The medium failed.
    #[error("read {what} at byte {at}")]
    Io {
        /// The structure or file that was read.
        what: String,
        /// Where on the medium.
        at: u64,
        /// What the medium reported.
        #[source]
        source: io::Error,
    },
    /// The medium ends inside of something that it announces.
    #[error("read {what} at byte {at}: the medium ends before")]
    Truncated {
        /// The structure or file that was read.
        what: String,
        /// Where on the medium.
        at: u64,
    },
    /// There is no ISO 9660 volume.
    #[error("read volume descriptor: this is no iso 9660 volume")]
    NotIso,
    /// A structure contradicts the standard.
    #[error("read {what} at byte {at}: {problem}")]
    Malformed {
        /// The structure that was read.
        what: String,
        /// Where on the medium.
        at: u64,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A name that no file may have on this side.
    #[error("read directory {directory:?}: bad name {name:?}")]
    BadName {
        /// The directory.
        directory: String,
        /// The name, as far as it is text.
        name: String,
    },
    /// Two entries of a directory have one name.
    #[error("read volume: {path:?} is there twice")]
    Duplicate {
        /// The path.
        path: String,
    },
    /// A directory that contains itself, or is in two places.
    #[error("read directory {path:?}: it was read already, under another name")]
    Loop {
        /// The path under which it was met again.
        path: String,
    },
    /// More of something than is read.
    #[error("read volume: more than {limit} {what}")]
    TooMany {
        /// What there is too much of.
        what: &'static str,
        /// How much is read.
        limit: u64,
    },
    /// A file form that is legal and not supported.
    #[error("read {path:?}: {form} is not supported")]
    Unsupported {
        /// The file.
        path: String,
        /// The form.
        form: &'static str,
    },
    /// No file has this path.
    #[error("read {path:?}: there is no such file")]
    NotFound {
        /// The path asked for.
        path: String,
    },
    /// The file is larger than the caller allows.
    #[error("read {path:?}: it has {len} bytes, at most {limit} are read")]
    TooLarge {
        /// The file.
        path: String,
        /// Bytes of the file.
        len: u64,
        /// Bytes allowed.
        limit: u64,
    },
}

/// Fills `buf` from byte `at` on; `what` names the structure in errors.
fn fill<S: ReadAt + ?Sized>(source: &S, at: u64, buf: &mut [u8], what: &str) -> Result<(), ReadError> {
    read_exact_at(source, at, buf).map_err(|source| match source.kind() {
        io::ErrorKind::UnexpectedEof => ReadError::Truncated { what: what.to_owned(), at },
        _ => ReadError::Io { what: what.to_owned(), at, source },
    })
}

/// A sector as it is read.
type Sector = [u8; SECTOR];

/// `N` bytes from `at` on, where there are that many.
fn bytes<const N: usize>(from: &[u8], at: usize) -> Option<[u8; N]> {
    from.get(at..)?.first_chunk().copied()
}

/// A little-endian number of 32 bits; the big-endian copy behind it is not looked at, as in Linux.
fn le32(from: &[u8], at: usize) -> Option<u32> {
    bytes(from, at).map(u32::from_le_bytes)
}

/// A little-endian number of 16 bits.
fn le16(from: &[u8], at: usize) -> Option<u16> {
    bytes(from, at).map(u16::from_le_bytes)
}
