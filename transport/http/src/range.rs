// SPDX-License-Identifier: AGPL-3.0-or-later
//! Range requests (RFC 9110 §14): one range; several are answered with the whole, which is allowed.

/// What of a body is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// All of it.
    Whole,
    /// From, to and with.
    Part {
        /// The first byte.
        first: u64,
        /// The last byte.
        last: u64,
    },
    /// Nothing that is there.
    Unsatisfiable,
}

/// Reads a `Range` header. One that is not understood is ignored, as the standard says.
pub fn parse(header: Option<&str>, len: u64) -> Wanted {
    let Some(set) = header.and_then(|text| text.trim().strip_prefix("bytes=")) else { return Wanted::Whole };
    if set.contains(',') {
        return Wanted::Whole;
    }
    let Some((from, to)) = set.trim().split_once('-') else { return Wanted::Whole };
    let number = |text: &str| {
        let plain = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        // More digits than a number holds is more than any medium has.
        plain.then(|| text.parse::<u64>().unwrap_or(u64::MAX))
    };
    match (number(from), number(to), from.is_empty(), to.is_empty()) {
        (None, Some(0), true, _) => Wanted::Unsatisfiable,
        (None, Some(_), true, _) if len == 0 => Wanted::Unsatisfiable,
        (None, Some(suffix), true, _) => Wanted::Part { first: len.saturating_sub(suffix), last: len - 1 },
        (Some(first), None, _, true) if first < len => Wanted::Part { first, last: len - 1 },
        (Some(first), Some(last), ..) if first > last => Wanted::Whole,
        (Some(first), Some(last), ..) if first < len => Wanted::Part { first, last: last.min(len - 1) },
        (Some(_), None, _, true) | (Some(_), Some(_), ..) => Wanted::Unsatisfiable,
        _ => Wanted::Whole,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_a_range_is_read_as_the_standard_says() {
        let part = |first, last| Wanted::Part { first, last };
        for (header, wanted) in [
            (None, Wanted::Whole),
            (Some("bytes=0-0"), part(0, 0)),
            (Some("bytes=0-"), part(0, 99)),
            (Some("bytes=10-19"), part(10, 19)),
            (Some("bytes=90-1000"), part(90, 99)),
            (Some("bytes=-10"), part(90, 99)),
            (Some("bytes=-1000"), part(0, 99)),
            (Some("bytes=99-99999999999999999999999"), part(99, 99)),
            (Some("bytes=100-"), Wanted::Unsatisfiable),
            (Some("bytes=100-200"), Wanted::Unsatisfiable),
            (Some("bytes=-0"), Wanted::Unsatisfiable),
            (Some("bytes=5-4"), Wanted::Whole),
            (Some("bytes=0-1,3-4"), Wanted::Whole),
            (Some("bytes=a-b"), Wanted::Whole),
            (Some("bytes=-"), Wanted::Whole),
            (Some("items=0-1"), Wanted::Whole),
            (Some("bytes=+1-2"), Wanted::Whole),
        ] {
            assert_eq!(parse(header, 100), wanted, "{header:?}");
        }
        assert_eq!(parse(Some("bytes=0-"), 0), Wanted::Unsatisfiable);
        assert_eq!(parse(Some("bytes=-5"), 0), Wanted::Unsatisfiable);
    }
}
