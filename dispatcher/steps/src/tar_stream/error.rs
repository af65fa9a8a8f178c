// SPDX-License-Identifier: AGPL-3.0-or-later
//! What is wrong with an archive.

use std::io;

/// What is wrong with an archive.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The stream broke, or what packs it is damaged.
    #[error("read the archive")]
    Read(#[source] io::Error),
    /// It ends too early.
    #[error("read the archive: it ends in the middle, after {at} bytes")]
    Truncated {
        /// Where.
        at: u64,
    },
    /// A header is not one.
    #[error("read the archive: no valid header at byte {at}: {problem}")]
    Header {
        /// Where.
        at: u64,
        /// What is wrong.
        problem: &'static str,
    },
    /// An entry has something that is not taken.
    #[error("read {name:?} in the archive: {problem}")]
    Entry {
        /// Its name.
        name: String,
        /// What is wrong.
        problem: &'static str,
    },
}
