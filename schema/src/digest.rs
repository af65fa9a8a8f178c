// SPDX-License-Identifier: AGPL-3.0-or-later
//! Canonical JSON and SHA-256: the basis of every identity that a document has.
//!
//! Canonical form: keys sorted by code point, no white space, strings in NFC, integers only.
//! Two machines, locales or versions of a map give the same bytes.

mod canonical;

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::Digest as _;
use unicode_normalization::UnicodeNormalization as _;

use crate::string_schema::string_schema;

/// A SHA-256 digest, written `sha256:` and 64 lower-case hex digits.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(try_from = "String")]
pub struct Sha256(String);

string_schema!(Sha256, r"^sha256:[0-9a-f]{64}$");

impl Sha256 {
    /// The digest of some bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self::from_hash(sha2::Sha256::new_with_prefix(bytes))
    }

    /// The same as bytes, where it is only a part of another digest.
    pub fn bytes_of(bytes: &[u8]) -> [u8; 32] {
        sha2::Sha256::digest(bytes).into()
    }

    fn from_hash(hash: sha2::Sha256) -> Self {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut text = String::with_capacity(71);
        text.push_str("sha256:");
        for byte in hash.finalize() {
            text.push(char::from(DIGITS[usize::from(byte >> 4)]));
            text.push(char::from(DIGITS[usize::from(byte & 15)]));
        }
        Self(text)
    }

    /// The digest of a value's canonical JSON.
    pub fn of_value<T: Serialize>(value: &T) -> Result<Self, CanonicalError> {
        Ok(Self::of(&canonical_json(value)?))
    }

    /// Reads `sha256:…`.
    pub fn parse(text: &str) -> Result<Self, DigestError> {
        let hex = text.strip_prefix("sha256:").ok_or(DigestError::NotSha256)?;
        let fits = hex.len() == 64 && hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if fits { Ok(Self(text.to_owned())) } else { Err(DigestError::NotSha256) }
    }

    /// The whole text, `sha256:…`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The 64 hex digits alone.
    pub fn hex(&self) -> &str {
        &self.0["sha256:".len()..]
    }

    /// The first 12 hex digits, for people.
    pub fn short(&self) -> &str {
        &self.hex()[..12]
    }
}

impl Serialize for Sha256 {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl fmt::Display for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for Sha256 {
    type Error = DigestError;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl From<Sha256> for String {
    fn from(digest: Sha256) -> Self {
        digest.0
    }
}

/// A text that is no SHA-256 digest.
#[derive(Debug, thiserror::Error)]
pub enum DigestError {
    /// Wrong prefix, length or digits.
    #[error("expected sha256: and 64 lower-case hex digits")]
    NotSha256,
}

/// A value that has no canonical form.
#[derive(Debug, thiserror::Error)]
pub enum CanonicalError {
    /// The value does not serialise.
    #[error("cannot turn the value into JSON")]
    Serialize(#[source] serde_json::Error),
    /// Floats have no single decimal text.
    #[error("a number at {pointer} is not an integer")]
    Float {
        /// JSON pointer of the number.
        pointer: String,
    },
}

/// The canonical JSON of a value.
pub fn canonical_json<T: Serialize>(value: &T) -> Result<Vec<u8>, CanonicalError> {
    let mut out = Vec::with_capacity(1024);
    canonical::write(value, &mut out)?;
    Ok(out)
}

fn composed(text: &str) -> Cow<'_, str> {
    if text.is_ascii() { Cow::Borrowed(text) } else { Cow::Owned(text.nfc().collect()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn keys_are_sorted_and_strings_composed() {
        let value = serde_json::json!({"b": [1, {"z": null, "a": true}], "a": "e\u{301}"});
        let text = String::from_utf8(canonical_json(&value).unwrap()).unwrap();
        assert_eq!(text, "{\"a\":\"é\",\"b\":[1,{\"a\":true,\"z\":null}]}");
    }

    #[test]
    fn a_float_is_refused_with_its_place() {
        let error = canonical_json(&serde_json::json!({"a": [1, 2.5]})).unwrap_err();
        assert_eq!(error.to_string(), "a number at /a/1 is not an integer");
    }

    #[test]
    fn a_digest_reads_back_and_a_wrong_one_does_not() {
        let digest = Sha256::of(b"");
        assert_eq!(digest.short(), "e3b0c44298fc");
        assert_eq!(Sha256::parse(digest.as_str()).unwrap(), digest);
        for bad in ["", "sha256:", "md5:00", &digest.as_str().to_uppercase()] {
            assert!(Sha256::parse(bad).is_err(), "{bad} was taken");
        }
    }

    proptest! {
        #[test]
        fn the_order_of_keys_never_changes_a_digest(mut pairs in proptest::collection::btree_map("[a-z]{1,5}", 0u32..9, 0..8)
            .prop_map(|map| map.into_iter().collect::<Vec<_>>())) {
            let forward: serde_json::Map<String, serde_json::Value> =
                pairs.iter().map(|(k, v)| (k.clone(), (*v).into())).collect();
            pairs.reverse();
            let backward: serde_json::Map<String, serde_json::Value> =
                pairs.iter().map(|(k, v)| (k.clone(), (*v).into())).collect();
            prop_assert_eq!(Sha256::of_value(&forward).unwrap(), Sha256::of_value(&backward).unwrap());
        }
    }
}
