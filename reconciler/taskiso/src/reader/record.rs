// SPDX-License-Identifier: AGPL-3.0-or-later
//! A directory record (ECMA-119 9.1) as found in a sector.

use super::{bytes, le32};

/// Bytes before the identifier.
const FIXED: usize = 33;

const DIRECTORY: u8 = 0x02;
const ASSOCIATED: u8 = 0x04;
const NOT_FINAL: u8 = 0x80;

/// A run of sectors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Extent {
    pub(super) sector: u32,
    /// Bytes.
    pub(super) len: u32,
}

/// A record, borrowed from its sector.
pub(super) struct Record<'a> {
    pub(super) extent: Extent,
    pub(super) flags: Flags,
    pub(super) identifier: &'a [u8],
    /// The system use field.
    pub(super) susp: &'a [u8],
}

/// What the flags and the fields for interleaving say.
#[derive(Clone, Copy)]
pub(super) struct Flags {
    pub(super) directory: bool,
    /// A resource fork: no file of its own.
    pub(super) associated: bool,
    /// More extents of the same file follow.
    pub(super) not_final: bool,
    pub(super) interleaved: bool,
}

/// The record at the start of `rest` and the bytes it takes.
///
/// `None` where the sector has no more records: its end, or a zero length.
///
/// # Errors
///
/// What is wrong with the record.
pub(super) fn parse(rest: &[u8]) -> Result<Option<(Record<'_>, usize)>, &'static str> {
    let len = match rest.first() {
        None | Some(0) => return Ok(None),
        Some(&len) => usize::from(len),
    };
    let record = rest.get(..len).ok_or("the record crosses a sector")?;
    let short = "the record is too short";
    let [xar] = bytes(record, 1).ok_or(short)?;
    let first = le32(record, 2).ok_or(short)?;
    let extent_len = le32(record, 10).ok_or(short)?;
    let [flags, unit, gap] = bytes(record, 25).ok_or(short)?;
    let [identifier_len] = bytes(record, 32).ok_or(short)?;
    let identifier_end = FIXED + usize::from(identifier_len);
    let identifier = record
        .get(FIXED..identifier_end)
        .filter(|identifier| !identifier.is_empty())
        .ok_or("the identifier is empty or too long")?;
    let record = Record {
        extent: Extent { sector: first.saturating_add(u32::from(xar)), len: extent_len },
        flags: Flags {
            directory: flags & DIRECTORY != 0,
            associated: flags & ASSOCIATED != 0,
            not_final: flags & NOT_FINAL != 0,
            interleaved: unit != 0 || gap != 0,
        },
        identifier,
        susp: record.get(identifier_end.next_multiple_of(2)..).unwrap_or_default(),
    };
    Ok(Some((record, len)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A record of a file `A` with two bytes of system use.
    fn sample() -> Vec<u8> {
        let mut record = vec![0; 36];
        record[0] = 36;
        record[2] = 7;
        record[10] = 9;
        record[32] = 1;
        record[33] = b'A';
        record[34..].copy_from_slice(b"xy");
        record
    }

    #[test]
    fn a_record_gives_extent_identifier_and_system_use() {
        let sample = sample();
        let (record, len) = parse(&sample).expect("well formed").expect("there");
        assert_eq!(len, 36);
        assert_eq!(record.extent, Extent { sector: 7, len: 9 });
        assert_eq!((record.identifier, record.susp), (&b"A"[..], &b"xy"[..]));
        assert!(!record.flags.directory);
    }

    #[test]
    fn a_zero_and_the_end_of_the_sector_end_the_records() {
        assert!(matches!(parse(&[]), Ok(None)));
        assert!(matches!(parse(&[0, 1, 2]), Ok(None)));
    }

    #[test]
    fn every_cut_record_is_an_error() {
        let sample = sample();
        for len in 1..sample.len() {
            assert!(parse(&sample[..len]).is_err(), "{len}");
        }
        for announced in 1..35 {
            let mut record = sample.clone();
            record[0] = announced;
            // Thirty-four bytes are a whole record without system use.
            assert_eq!(parse(&record).is_err(), announced < 34, "{announced}");
        }
        let mut record = sample.clone();
        record[32] = 0;
        assert!(parse(&record).is_err());
        record[32] = 4;
        assert!(parse(&record).is_err());
    }
}
