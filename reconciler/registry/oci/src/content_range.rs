// SPDX-License-Identifier: AGPL-3.0-or-later
//! The `Content-Range` of a chunk (distribution-spec, Pushing a blob in chunks).
//!
//! Not the one of RFC 9110: two numbers and a dash, both ends included, no unit and no total.

use std::fmt;

/// Why text is no range of a chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ContentRangeError {
    /// It is not two numbers and a dash.
    #[error("not a chunk's range: write FIRST-LAST, such as 0-1023")]
    Malformed,
    /// It ends before it begins.
    #[error("the range's end {last} is before its beginning {first}")]
    Backwards {
        /// The first byte.
        first: u64,
        /// The last byte.
        last: u64,
    },
    /// A number is larger than any blob.
    #[error("the range goes beyond the largest possible blob")]
    TooLarge,
}

/// Where a chunk's bytes belong in the blob, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContentRange {
    /// The first byte, from 0.
    pub first: u64,
    /// The last byte. Not less than the first, and less than `u64::MAX`, so that lengths can be counted.
    pub last: u64,
}

// === impl ContentRange ===

impl ContentRange {
    /// Reads `FIRST-LAST`.
    pub fn parse(text: &str) -> Result<Self, ContentRangeError> {
        let (first, last) = text.split_once('-').ok_or(ContentRangeError::Malformed)?;
        let (first, last) = (number(first)?, number(last)?);
        // The numbers may be any; how many digits that takes is bounded by the header.
        let (Some(first), Some(last)) = (first, last) else { return Err(ContentRangeError::TooLarge) };
        if last < first {
            return Err(ContentRangeError::Backwards { first, last });
        }
        if last == u64::MAX {
            return Err(ContentRangeError::TooLarge);
        }
        Ok(Self { first, last })
    }

    /// How many bytes the chunk has; at least 1.
    #[expect(clippy::len_without_is_empty, reason = "a range with both ends included is never empty")]
    pub fn len(&self) -> u64 {
        self.last.saturating_sub(self.first).saturating_add(1)
    }
}

impl fmt::Display for ContentRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.first, self.last)
    }
}

/// Digits as a number; none where it has too many.
fn number(text: &str) -> Result<Option<u64>, ContentRangeError> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(ContentRangeError::Malformed);
    }
    Ok(text.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ends_of_a_range_are_included() {
        let range = ContentRange::parse("5-9").unwrap();
        assert_eq!((range.first, range.last, range.len()), (5, 9, 5));
        assert_eq!(ContentRange::parse("0-0").unwrap().len(), 1);
        assert_eq!(ContentRange::parse("007-08").unwrap().to_string(), "7-8");
    }

    #[test]
    fn what_is_no_range_is_refused() {
        use ContentRangeError as E;
        for text in
            ["", "-", "0-", "-0", "0", "a-b", "+0-1", "0-1-2", " 0-1", "0-1 ", "bytes 0-1/2", "0--1", "٣-٤"]
        {
            assert_eq!(ContentRange::parse(text), Err(E::Malformed), "{text:?}");
        }
        assert_eq!(ContentRange::parse("2-1"), Err(E::Backwards { first: 2, last: 1 }));
        let (max, more) = (u64::MAX, "18446744073709551616");
        assert_eq!(ContentRange::parse(&format!("0-{max}")), Err(E::TooLarge));
        assert_eq!(ContentRange::parse(&format!("0-{more}")), Err(E::TooLarge));
        assert_eq!(ContentRange::parse(&format!("{more}-0")), Err(E::TooLarge));
        assert_eq!(ContentRange::parse(&format!("0-{}", max - 1)).unwrap().len(), max);
    }
}
