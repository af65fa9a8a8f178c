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

/// Before the digits.
const PREFIX: &str = "sha256:";
const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// A SHA-256 digest, written `sha256:` and 64 lower-case hex digits. Kept as the bytes it is: a controller holds several
/// of each server.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(try_from = "Cow<'_, str>")]
pub struct Sha256([u8; 32]);

string_schema!(Sha256, r"^sha256:[0-9a-f]{64}$");

impl Sha256 {
    /// The digest of some bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Self::bytes_of(bytes))
    }

    /// The same as bytes, where it is only a part of another digest.
    pub fn bytes_of(bytes: &[u8]) -> [u8; 32] {
        sha2::Sha256::digest(bytes).into()
    }

    /// The digest of a value's canonical JSON.
    pub fn of_value<T: Serialize>(value: &T) -> Result<Self, CanonicalError> {
        Ok(Self::of(&canonical_json(value)?))
    }

    /// Reads `sha256:…`.
    pub fn parse(text: &str) -> Result<Self, DigestError> {
        let hex = text.strip_prefix(PREFIX).ok_or(DigestError::NotSha256)?.as_bytes();
        let (pairs, rest) = hex.as_chunks::<2>();
        let mut bytes = [0; 32];
        if pairs.len() != bytes.len() || !rest.is_empty() {
            return Err(DigestError::NotSha256);
        }
        for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
            *byte = value(*high).ok_or(DigestError::NotSha256)? << 4
                | value(*low).ok_or(DigestError::NotSha256)?;
        }
        Ok(Self(bytes))
    }

    /// The digest itself.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The 64 hex digits alone.
    pub fn hex(&self) -> String {
        self.with_text(|text| text[PREFIX.len()..].to_owned())
    }

    /// The first 12 hex digits, for people.
    pub fn short(&self) -> String {
        self.with_text(|text| text[PREFIX.len()..][..12].to_owned())
    }

    /// The whole text, `sha256:…`, without an allocation.
    fn with_text<T>(&self, read: impl FnOnce(&str) -> T) -> T {
        let mut text = [0; PREFIX.len() + 64];
        let (prefix, digits) = text.split_at_mut(PREFIX.len());
        prefix.copy_from_slice(PREFIX.as_bytes());
        for (pair, byte) in digits.as_chunks_mut::<2>().0.iter_mut().zip(self.0) {
            *pair = [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]];
        }
        read(std::str::from_utf8(&text).expect("a prefix and digits"))
    }
}

impl From<[u8; 32]> for Sha256 {
    fn from(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

/// What a hex digit in lower case stands for.
fn value(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

impl Serialize for Sha256 {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.with_text(|text| serializer.serialize_str(text))
    }
}

impl fmt::Display for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.with_text(|text| f.pad(text))
    }
}

impl fmt::Debug for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.with_text(|text| write!(f, "Sha256({text:?})"))
    }
}

impl TryFrom<Cow<'_, str>> for Sha256 {
    type Error = DigestError;
    fn try_from(text: Cow<'_, str>) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl From<Sha256> for String {
    fn from(digest: Sha256) -> Self {
        digest.to_string()
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
        assert_eq!(digest.to_string(), format!("sha256:{}", digest.hex()));
        assert_eq!(Sha256::parse(&digest.to_string()).unwrap(), digest);
        let (short, long) = (&digest.to_string()[..70], format!("{digest}0"));
        let (upper, other) =
            (format!("sha256:{}", digest.hex().to_uppercase()), format!("sha256:{}", "g".repeat(64)));
        for bad in ["", "sha256:", "md5:00", short, &long, &upper, &other, "sha256:\u{e9}"] {
            assert!(Sha256::parse(bad).is_err(), "{bad} was taken");
        }
    }

    proptest! {
        #[test]
        fn a_digest_is_its_text_in_json_too_and_in_the_order_of_texts(a: [u8; 4], b: [u8; 4]) {
            let (one, other) = (Sha256::of(&a), Sha256::of(&b));
            let json = serde_json::to_string(&one).unwrap();
            prop_assert_eq!(&json, &format!("\"{one}\""));
            prop_assert_eq!(&serde_json::from_str::<Sha256>(&json).unwrap(), &one);
            prop_assert_eq!(one.cmp(&other), one.to_string().cmp(&other.to_string()));
        }

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
