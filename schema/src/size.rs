// SPDX-License-Identifier: AGPL-3.0-or-later
//! Sizes as people write them: `512M`, `1G`, `100%`.

use serde::{Deserialize, Serialize};
use std::fmt;

use crate::string_schema::string_schema;

/// A number of bytes written with a binary unit: `512M`, `4G`, `2T`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ByteSize(u64);

string_schema!(ByteSize, r"^[1-9][0-9]{0,8}[KMGT]$");

impl ByteSize {
    /// From bytes; shown in the largest unit that divides them.
    pub fn from_bytes(bytes: u64) -> Self {
        Self(bytes)
    }

    /// In bytes.
    pub fn bytes(self) -> u64 {
        self.0
    }

    /// Reads `512M`.
    pub fn parse(text: &str) -> Result<Self, SizeError> {
        let wrong = || SizeError { text: text.to_owned() };
        let (digits, unit) = text.split_at_checked(text.len().saturating_sub(1)).ok_or_else(wrong)?;
        let shift = match unit {
            "K" => 10,
            "M" => 20,
            "G" => 30,
            "T" => 40,
            _ => return Err(wrong()),
        };
        let plain = !digits.is_empty()
            && digits.len() <= 9
            && !digits.starts_with('0')
            && digits.bytes().all(|b| b.is_ascii_digit());
        if !plain {
            return Err(wrong());
        }
        let number: u64 = digits.parse().map_err(|_| wrong())?;
        number.checked_mul(1 << shift).map(Self).ok_or_else(wrong)
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (shift, unit) in [(40, 'T'), (30, 'G'), (20, 'M'), (10, 'K')] {
            if self.0 != 0 && self.0.is_multiple_of(1 << shift) {
                return write!(f, "{}{unit}", self.0 >> shift);
            }
        }
        write!(f, "{}B", self.0)
    }
}

impl TryFrom<String> for ByteSize {
    type Error = SizeError;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl From<ByteSize> for String {
    fn from(size: ByteSize) -> Self {
        size.to_string()
    }
}

/// A text that is no size.
#[derive(Debug, thiserror::Error)]
#[error("`{text}` is not a size: write digits and K, M, G or T, such as 512M")]
pub struct SizeError {
    text: String,
}

/// How large a partition is: a size, or a share of what is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum PartitionSize {
    /// So many bytes.
    Bytes(ByteSize),
    /// 1 to 100 percent of the space that the fixed sizes leave.
    Percent(u8),
}

string_schema!(PartitionSize, r"^([1-9][0-9]{0,8}[KMGT]|([1-9][0-9]?|100)%)$");

impl fmt::Display for PartitionSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bytes(size) => size.fmt(f),
            Self::Percent(share) => write!(f, "{share}%"),
        }
    }
}

impl TryFrom<String> for PartitionSize {
    type Error = SizeError;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        let Some(share) = text.strip_suffix('%') else {
            return ByteSize::parse(&text).map(Self::Bytes);
        };
        match share.parse::<u8>() {
            Ok(share @ 1..=100) if !text.starts_with(['0', '+']) => Ok(Self::Percent(share)),
            _ => Err(SizeError { text }),
        }
    }
}

impl From<PartitionSize> for String {
    fn from(size: PartitionSize) -> Self {
        size.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_read_back_in_the_same_words() {
        for text in ["512M", "1G", "3T", "7K"] {
            assert_eq!(ByteSize::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(ByteSize::parse("1G").unwrap().bytes(), 1 << 30);
    }

    #[test]
    fn what_is_no_size_is_refused() {
        for text in ["", "0G", "-1G", "1Z", "1", "G", "01G", "1.5G", "9999999999G", "é"] {
            assert!(ByteSize::parse(text).is_err(), "{text} was taken");
        }
        for text in ["0%", "101%", "%", "+5%", "050%", "1Z"] {
            assert!(PartitionSize::try_from(text.to_owned()).is_err(), "{text} was taken");
        }
        assert_eq!(PartitionSize::try_from("100%".to_owned()).unwrap(), PartitionSize::Percent(100));
    }
}
