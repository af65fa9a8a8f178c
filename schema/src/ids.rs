// SPDX-License-Identifier: AGPL-3.0-or-later
//! Identifiers that are more than a string.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::string_schema::string_schema;

macro_rules! hex_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        string_schema!($name, r"^[0-9a-f]{32}$");

        impl $name {
            /// From 16 bytes that the caller drew.
            pub fn from_bytes(bytes: [u8; 16]) -> Self {
                let mut text = String::with_capacity(32);
                for byte in bytes {
                    use fmt::Write as _;
                    write!(text, "{byte:02x}").expect("writing to a string cannot fail");
                }
                Self(text)
            }

            /// Reads 32 lower-case hex digits.
            pub fn parse(text: &str) -> Result<Self, IdError> {
                let fits = text.len() == 32
                    && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
                if fits { Ok(Self(text.to_owned())) } else { Err(IdError { what: stringify!($name) }) }
            }

            /// The 32 hex digits.
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// The first 8 hex digits, for people.
            pub fn short(&self) -> &str {
                &self.0[..8]
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;
            fn try_from(text: String) -> Result<Self, Self::Error> {
                Self::parse(&text)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0
            }
        }
    };
}

hex_id! {
    /// One run of one recipe against one server. 32 lower-case hex digits, so that its first
    /// 27 fit behind `TASK_` in a volume label.
    JobId
}

hex_id! {
    /// The random identity that a database gets when it is made. An approval names it, so that
    /// no other database can consume it.
    LedgerId
}

/// A text that is no identifier.
#[derive(Debug, thiserror::Error)]
#[error("a {what} is 32 lower-case hex digits")]
pub struct IdError {
    what: &'static str,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identifier_is_exactly_thirty_two_lower_case_hex_digits() {
        let id = JobId::from_bytes([0xab; 16]);
        assert_eq!(id.as_str(), "ab".repeat(16));
        assert_eq!(JobId::parse(id.as_str()).unwrap(), id);
        for bad in ["", "ab", &"AB".repeat(16), &"zz".repeat(16), "../../../../../../etc/passwd/xxx"] {
            assert!(JobId::parse(bad).is_err(), "{bad} was taken");
        }
    }
}
