// SPDX-License-Identifier: AGPL-3.0-or-later
//! Reads tar archives as they come: ustar, GNU and pax, with sparse files of all three kinds.
//!
//! # Guarantees
//!
//! * Memory is bounded whatever the archive says: extensions, names and sparse maps have limits.
//! * Every header's checksum is verified, and every content is as long as it says; an archive without its end mark is
//!   refused.
//! * Names and attributes are bytes as they stand there. Whether they are harmless is for `unpack` to judge.

mod entry;
mod error;
mod pax;
mod reader;
mod sparse;

pub use entry::{Entry, Kind, Segment};
pub use error::ArchiveError;
pub use reader::Reader;
