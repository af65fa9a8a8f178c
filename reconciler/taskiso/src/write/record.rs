// SPDX-License-Identifier: AGPL-3.0-or-later
//! A directory record (ECMA-119 9.1).

use crate::SECTOR;

use super::fields::{both16, both32};
use super::stamp::Stamp;

/// Bytes before the identifier.
const FIXED: usize = 33;

/// Flag of a directory (9.1.6).
const DIRECTORY: u8 = 0x02;

/// What a record says.
pub(super) struct Record<'a> {
    pub(super) identifier: &'a [u8],
    pub(super) sector: u32,
    /// Bytes of the extent.
    pub(super) len: u32,
    pub(super) is_directory: bool,
    /// The system use field: Rock Ridge entries, or nothing.
    pub(super) susp: &'a [u8],
}

/// Bytes of a record: identifier and system use field are each filled up to an even end.
pub(super) fn len(identifier: usize, susp: usize) -> usize {
    (FIXED + identifier).next_multiple_of(2) + susp.next_multiple_of(2)
}

/// Where a record of `len` bytes starts that follows one ending at `end`: there, or in the next
/// sector when it does not fit. Offsets count from a sector's start.
pub(super) fn place(end: usize, len: usize) -> usize {
    if end % SECTOR + len > SECTOR { end.next_multiple_of(SECTOR) } else { end }
}

impl Record<'_> {
    pub(super) fn push(&self, out: &mut Vec<u8>, stamp: &Stamp) {
        let len = len(self.identifier.len(), self.susp.len());
        let start = place(out.len(), len);
        out.resize(start, 0);
        // At most 66 + 134 bytes in the primary tree and 162 in the Joliet tree, for names of 62.
        out.push(u8::try_from(len).expect("names are limited so that a record fits a byte"));
        out.push(0);
        both32(out, self.sector);
        both32(out, self.len);
        out.extend_from_slice(&stamp.short);
        out.push(if self.is_directory { DIRECTORY } else { 0 });
        out.extend_from_slice(&[0, 0]);
        both16(out, 1);
        out.push(self.identifier.len() as u8);
        out.extend_from_slice(self.identifier);
        if self.identifier.len().is_multiple_of(2) {
            out.push(0);
        }
        out.extend_from_slice(self.susp);
        out.resize(start + len, 0);
    }
}
