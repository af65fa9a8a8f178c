// SPDX-License-Identifier: AGPL-3.0-or-later
//! Ranges: of chunks that are pushed, of content that is pulled.

use shoal_http::range::{self, Wanted};
use shoal_oci::{ContentRange, ContentRangeError};

/// The input as a chunk's range and as a `Range` header; its own length decides how long the content
/// is that the header asks for.
///
/// # Panics
///
/// Where a range goes beyond its content, where it is another than counting byte by byte gives, or
/// where it is not written as it was read.
pub fn ranges(input: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(input) else { return false };
    let chunk = chunk(text);
    let lengths = [0, 1, 9, 100, input.len() as u64 % 257, u64::from(u32::MAX), u64::MAX];
    let parts = lengths.into_iter().filter(|len| header(text, *len)).count();
    chunk || parts > 0
}

fn chunk(text: &str) -> bool {
    let read = ContentRange::parse(text);
    let digits = |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_digit());
    let rule = text.split('-').count() == 2 && text.split('-').all(digits);
    assert_eq!(read != Err(ContentRangeError::Malformed), rule, "{text:?}");
    let Ok(range) = read else { return false };
    assert!(range.first <= range.last && range.last < u64::MAX);
    assert_eq!(u128::from(range.len()), u128::from(range.last) - u128::from(range.first) + 1);
    assert_eq!(ContentRange::parse(&range.to_string()), Ok(range));
    let plain = |part: &str| part.trim_start_matches('0').to_owned();
    let (first, last) = text.split_once('-').expect("a range has a dash");
    assert_eq!(
        (plain(first), plain(last)),
        (plain(&range.first.to_string()), plain(&range.last.to_string()))
    );
    true
}

fn header(text: &str, len: u64) -> bool {
    let wanted = range::parse(Some(text), len);
    if len < 512 {
        assert_eq!(wanted, counted(text, len), "{text:?} of {len} bytes");
    }
    match wanted {
        Wanted::Part { first, last } => {
            assert!(first <= last && last < len, "{text:?} goes beyond {len} bytes");
            assert_eq!(range::parse(Some(&format!("bytes={first}-{last}")), len), wanted);
            true
        }
        Wanted::Whole => false,
        Wanted::Unsatisfiable => {
            assert!(text.trim().starts_with("bytes=") && !text.contains(','));
            false
        }
    }
}

/// What a header wants, by asking of each byte whether it is wanted (RFC 9110, Byte Ranges).
fn counted(text: &str, len: u64) -> Wanted {
    let Some((from, to)) = text.trim().strip_prefix("bytes=").and_then(|set| set.trim().split_once('-'))
    else {
        return Wanted::Whole;
    };
    if !from.chars().chain(to.chars()).all(|c| c.is_ascii_digit()) || (from.is_empty() && to.is_empty()) {
        return Wanted::Whole;
    }
    // As text, so that no number is too large: longer is more, else the digits decide.
    let number = |text: &str| {
        let digits = text.trim_start_matches('0').to_owned();
        (digits.len(), digits)
    };
    if !from.is_empty() && !to.is_empty() && number(from) > number(to) {
        // Two numbers that both are beyond what can be counted stand for the same.
        return if number(to) >= number(&u64::MAX.to_string()) {
            Wanted::Unsatisfiable
        } else {
            Wanted::Whole
        };
    }
    let asked = |at: u64| {
        let position = number(&at.to_string());
        match (from.is_empty(), to.is_empty()) {
            (true, _) => number(&(len - at).to_string()) <= number(to),
            (false, true) => position >= number(from),
            (false, false) => position >= number(from) && position <= number(to),
        }
    };
    let positions: Vec<u64> = (0..len).filter(|at| asked(*at)).collect();
    let (Some(first), Some(last)) = (positions.first(), positions.last()) else {
        return Wanted::Unsatisfiable;
    };
    assert_eq!(last - first + 1, positions.len() as u64, "what a range wants has no holes");
    Wanted::Part { first: *first, last: *last }
}
