// SPDX-License-Identifier: AGPL-3.0-or-later
//! Spans of time as people write and read them.

use std::time::Duration;

/// A text that is no span of time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a duration: write a whole number and a unit, such as 500ms, 30s, 10m, 4h or 7d")]
pub(crate) struct InvalidDuration {
    text: String,
}

/// Reads `500ms`, `30s`, `10m`, `4h`, `7d`, and several of them in a row: `1h30m`.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, InvalidDuration> {
    let wrong = || InvalidDuration { text: text.chars().take(40).collect() };
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err(wrong());
    }
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
        let number: u64 = rest[..digits].parse().map_err(|_| wrong())?;
        let after = &rest[digits..];
        let unit = after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len());
        let millis = match &after[..unit] {
            "ms" => 1,
            "s" => 1000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return Err(wrong()),
        };
        let part = number.checked_mul(millis).map(Duration::from_millis).ok_or_else(wrong)?;
        total = total.checked_add(part).ok_or_else(wrong)?;
        rest = &after[unit..];
    }
    Ok(total)
}

/// `3m ago`, `in 2h`: the largest unit is enough.
pub(crate) fn ago(then: jiff::Timestamp, now: jiff::Timestamp) -> String {
    let seconds = now.as_second() - then.as_second();
    let size = seconds.unsigned_abs();
    let text = match size {
        0..60 => format!("{size}s"),
        60..3600 => format!("{}m", size / 60),
        3600..86_400 => format!("{}h", size / 3600),
        _ => format!("{}d", size / 86_400),
    };
    if seconds < 0 { format!("in {text}") } else { format!("{text} ago") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_people_write_them() {
        for (text, millis) in [
            ("500ms", 500),
            ("30s", 30_000),
            ("10m", 600_000),
            ("1h30m", 5_400_000),
            ("7d", 604_800_000),
            ("0s", 0),
        ] {
            assert_eq!(parse_duration(text).unwrap(), Duration::from_millis(millis), "{text}");
        }
    }

    #[test]
    fn a_number_without_a_unit_and_other_texts_are_refused() {
        for text in ["", "30", "s", "1.5h", "-3s", "10 minutes", "3w", "99999999999999999999s", "1d 2"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_largest_unit_is_enough() {
        let at = |seconds| jiff::Timestamp::from_second(seconds).unwrap();
        assert_eq!(ago(at(0), at(59)), "59s ago");
        assert_eq!(ago(at(0), at(7200)), "2h ago");
        assert_eq!(ago(at(172_800), at(0)), "in 2d");
    }
}
