// SPDX-License-Identifier: AGPL-3.0-or-later
//! Maps of sparse files: GNU's own (`S`), and pax 0.0, 0.1 and 1.0 (GNU tar manual, Storing Sparse Files).

use super::entry::Segment;

/// The most segments of one file.
pub(super) const MOST_SEGMENTS: usize = 1 << 18;

/// Checks a map: in order, apart, within the file, and as long as what is stored. Empty segments only mark the end.
pub(super) fn checked(segments: Vec<Segment>, size: u64, stored: u64) -> Result<Vec<Segment>, &'static str> {
    let (mut end, mut sum) = (0, 0u64);
    for segment in &segments {
        let next = segment.offset.checked_add(segment.len).ok_or("its sparse map is out of range")?;
        if segment.offset < end || next > size {
            return Err("its sparse map is not in order, or longer than the file");
        }
        end = next;
        sum += segment.len;
    }
    if sum != stored {
        return Err("its sparse map does not fit what is stored");
    }
    Ok(segments.into_iter().filter(|segment| segment.len > 0).collect())
}

/// Reads `offset,length,offset,length…` of pax 0.1.
pub(super) fn pax_map(text: &[u8]) -> Result<Vec<Segment>, &'static str> {
    let numbers: Option<Vec<u64>> = text.split(|byte| *byte == b',').map(number).collect();
    pairs(&numbers.ok_or("its sparse map has something else than numbers")?)
}

/// Pairs of numbers as segments.
pub(super) fn pairs(numbers: &[u64]) -> Result<Vec<Segment>, &'static str> {
    if !numbers.len().is_multiple_of(2) || numbers.len() / 2 > MOST_SEGMENTS {
        return Err("its sparse map has too many numbers, or one too few");
    }
    Ok(numbers.chunks_exact(2).map(|pair| Segment { offset: pair[0], len: pair[1] }).collect())
}

/// A decimal number and nothing else.
pub(super) fn number(text: &[u8]) -> Option<u64> {
    let plain = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(text).ok().filter(|_| plain)?.parse().ok()
}
