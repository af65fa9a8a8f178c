// SPDX-License-Identifier: AGPL-3.0-or-later
//! Values as people write them in a policy: `24h`, `5%`, `os-images/*`.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Serialize, Serializer};
use shoal_registry_storage::Pattern;
use shoal_schema::size::ByteSize;

/// Units of a span and the seconds in each, largest first.
const UNITS: [(char, u64); 4] = [('d', 86_400), ('h', 3_600), ('m', 60), ('s', 1)];

/// What a pattern of repositories looks like: everything, a prefix, or one repository.
const PATTERN: &str = r"^(\*|[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*(/\*)?)$";

/// A span of time in whole seconds, written with one unit: `30s`, `10m`, `24h`, `7d`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(u64);

/// What has to stay free on a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MinFree {
    /// So much: `20G`.
    Bytes(ByteSize),
    /// 0 to 90 percent of the disk; `0%` is no guard at all.
    Percent(u8),
}

// === impl Span ===

impl Span {
    /// So many hours.
    pub const fn hours(count: u64) -> Self {
        Self(count.saturating_mul(3_600))
    }

    /// So many days.
    pub const fn days(count: u64) -> Self {
        Self(count.saturating_mul(86_400))
    }

    /// So many seconds.
    pub const fn seconds(count: u64) -> Self {
        Self(count)
    }

    /// As the standard library has it.
    pub const fn duration(self) -> Duration {
        Duration::from_secs(self.0)
    }

    /// Reads `24h`. At most six digits, no sign, no fraction.
    pub fn parse(text: &str) -> Option<Self> {
        let unit = text.chars().next_back()?;
        let seconds = UNITS.iter().find(|(letter, _)| *letter == unit)?.1;
        let digits = &text[..text.len() - 1];
        let plain = (1..=6).contains(&digits.len())
            && digits.bytes().all(|b| b.is_ascii_digit())
            && (digits == "0" || !digits.starts_with('0'));
        if !plain {
            return None;
        }
        digits.parse::<u64>().ok()?.checked_mul(seconds).map(Self)
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fits = UNITS.iter().find(|(_, seconds)| self.0 != 0 && self.0.is_multiple_of(*seconds));
        let (letter, seconds) = fits.copied().unwrap_or(('s', 1));
        write!(f, "{}{letter}", self.0 / seconds)
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl JsonSchema for Span {
    fn schema_name() -> Cow<'static, str> {
        "Span".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "pattern": "^(0|[1-9][0-9]{0,5})[smhd]$"})
    }
}

// === impl MinFree ===

impl MinFree {
    /// Reads `20G` or `5%`.
    pub fn parse(text: &str) -> Option<Self> {
        let Some(share) = text.strip_suffix('%') else {
            return ByteSize::parse(text).ok().map(Self::Bytes);
        };
        let plain = share == "0" || share.starts_with(|first: char| ('1'..='9').contains(&first));
        share.parse::<u8>().ok().filter(|share| plain && *share <= 90).map(Self::Percent)
    }

    /// In bytes, on a disk of `total` bytes.
    pub fn bytes(self, total: u64) -> u64 {
        match self {
            Self::Bytes(size) => size.bytes(),
            Self::Percent(share) => total / 100 * u64::from(share),
        }
    }
}

impl fmt::Display for MinFree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bytes(size) => size.fmt(f),
            Self::Percent(share) => write!(f, "{share}%"),
        }
    }
}

impl Serialize for MinFree {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl JsonSchema for MinFree {
    fn schema_name() -> Cow<'static, str> {
        "MinFree".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "pattern": "^([1-9][0-9]{0,8}[KMGT]|([0-9]|[1-8][0-9]|90)%)$",
        })
    }
}

// === patterns ===

/// What Shoal's own tools are kept under.
pub(super) fn tools() -> Pattern {
    Pattern::parse("tools/*").expect("a prefix of one word is a pattern")
}

/// Schema of one pattern.
pub(super) fn pattern(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "string", "pattern": PATTERN, "maxLength": 255})
}

/// Schema of a list of patterns.
pub(super) fn patterns(generator: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "array", "items": pattern(generator)})
}

/// Schema of a list of patterns that has at least one.
pub(super) fn patterns_required(generator: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "array", "minItems": 1, "items": pattern(generator)})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_read_back_in_the_same_words() {
        for text in ["30s", "10m", "25h", "7d", "0s"] {
            assert_eq!(Span::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(Span::parse("24h"), Some(Span::days(1)));
        assert_eq!(Span::parse("90m").unwrap().duration(), Duration::from_secs(5_400));
    }

    #[test]
    fn what_is_no_span_is_refused() {
        for text in ["", "h", "1", "1w", "01h", "-1h", "+1h", "1.5h", "1000000d", "1 h", "1H", "é", "1é"] {
            assert_eq!(Span::parse(text), None, "{text} was taken");
        }
    }

    #[test]
    fn a_share_of_a_disk_is_counted_in_bytes() {
        assert_eq!(MinFree::parse("5%").unwrap().bytes(2_000), 100);
        assert_eq!(MinFree::parse("20G").unwrap().bytes(1), 20 << 30);
        assert_eq!(MinFree::parse("0%").unwrap().bytes(u64::MAX), 0);
        for text in ["", "%", "91%", "05%", "+5%", "5", "300%", "1.5%"] {
            assert_eq!(MinFree::parse(text), None, "{text} was taken");
        }
    }
}
