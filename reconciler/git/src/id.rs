// SPDX-License-Identifier: AGPL-3.0-or-later
//! Object names: one type per kind of object, so that a tree is never read where a commit is meant.
//!
//! Twenty bytes each: repositories with SHA-256 object names are refused when they are opened.

use std::fmt;
use std::str::FromStr;

/// Bytes in an object name.
const LEN: usize = 20;

/// Hex digits in the abbreviated form.
const SHORT: usize = 12;

/// A text that is not a full object name.
#[derive(Debug, thiserror::Error)]
#[error("{text:?} is not an object name of 40 hex digits")]
pub struct InvalidId {
    /// The text, cut to 64 characters.
    pub text: String,
}

macro_rules! object_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; LEN]);

        impl $name {
            /// The name as bytes.
            pub const fn as_bytes(&self) -> &[u8; LEN] {
                &self.0
            }

            /// A name from its bytes.
            pub const fn from_bytes(bytes: [u8; LEN]) -> Self {
                Self(bytes)
            }

            /// The first twelve hex digits: for people, not for look-ups.
            pub fn short(&self) -> String {
                let mut text = self.to_string();
                text.truncate(SHORT);
                text
            }

            pub(crate) fn to_oid(self) -> git2::Oid {
                git2::Oid::from_bytes(&self.0).expect("an array of 20 bytes is a SHA-1 name")
            }

            pub(crate) fn of(oid: git2::Oid) -> Self {
                let mut bytes = [0; LEN];
                bytes.copy_from_slice(oid.as_bytes());
                Self(bytes)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                parse(text).map(Self).ok_or_else(|| InvalidId {
                    text: text.chars().take(64).collect(),
                })
            }
        }
    };
}

object_id!(
    /// The name of a commit.
    CommitId
);
object_id!(
    /// The name of a tree: equal names mean equal contents, all the way down.
    TreeId
);
object_id!(
    /// The name of a blob: the key under which a parsed document can be cached.
    BlobId
);

fn parse(text: &str) -> Option<[u8; LEN]> {
    let digits = text.as_bytes();
    if digits.len() != 2 * LEN {
        return None;
    }
    let mut bytes = [0; LEN];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = nibble(pair[0])? << 4 | nibble(pair[1])?;
    }
    Some(bytes)
}

fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_survives_the_way_to_text_and_back() {
        let text = "00ff1234567890abcdef00000000000000000001";
        let id: CommitId = text.parse().expect("40 hex digits");
        assert_eq!(id.to_string(), text);
        assert_eq!(id.short(), "00ff12345678");
        assert_eq!(CommitId::of(id.to_oid()), id);
    }

    #[test]
    fn a_prefix_or_a_word_is_no_name() {
        for text in ["", "00ff", "main", &"g".repeat(40), &"0".repeat(64)] {
            assert!(text.parse::<BlobId>().is_err(), "{text}");
        }
    }
}
