// SPDX-License-Identifier: AGPL-3.0-or-later
//! Canonical JSON and SHA-256: the basis of every identity that a document has.
//!
//! Canonical form: keys sorted by code point, no white space, strings in NFC, integers only.
//! Two machines, locales or versions of a map give the same bytes.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::Digest as _;
use unicode_normalization::UnicodeNormalization as _;

use crate::string_schema::string_schema;

/// A SHA-256 digest, written `sha256:` and 64 lower-case hex digits.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Sha256(String);

string_schema!(Sha256, r"^sha256:[0-9a-f]{64}$");

impl Sha256 {
    /// The digest of some bytes.
    pub fn of(bytes: &[u8]) -> Self {
        let mut text = String::with_capacity(71);
        text.push_str("sha256:");
        for byte in sha2::Sha256::digest(bytes) {
            use fmt::Write as _;
            write!(text, "{byte:02x}").expect("writing to a string cannot fail");
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
    let value = serde_json::to_value(value).map_err(CanonicalError::Serialize)?;
    let mut out = Vec::with_capacity(256);
    write_canonical(&value, &mut String::new(), &mut out)?;
    Ok(out)
}

fn write_canonical(
    value: &serde_json::Value,
    pointer: &mut String,
    out: &mut Vec<u8>,
) -> Result<(), CanonicalError> {
    use serde_json::Value;
    match value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Bool(true) => out.extend_from_slice(b"true"),
        Value::Bool(false) => out.extend_from_slice(b"false"),
        Value::Number(number) => {
            if number.is_f64() {
                return Err(CanonicalError::Float { pointer: pointer.clone() });
            }
            out.extend_from_slice(number.to_string().as_bytes());
        }
        Value::String(text) => write_string(text, out)?,
        Value::Array(items) => {
            out.push(b'[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                let length = pointer.len();
                pointer.push('/');
                pointer.push_str(&index.to_string());
                write_canonical(item, pointer, out)?;
                pointer.truncate(length);
            }
            out.push(b']');
        }
        Value::Object(map) => {
            let mut keys: Vec<(String, &Value)> =
                map.iter().map(|(key, item)| (key.nfc().collect(), item)).collect();
            keys.sort_by(|a, b| a.0.cmp(&b.0));
            out.push(b'{');
            for (index, (key, item)) in keys.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                write_string(key, out)?;
                out.push(b':');
                let length = pointer.len();
                pointer.push('/');
                pointer.push_str(key);
                write_canonical(item, pointer, out)?;
                pointer.truncate(length);
            }
            out.push(b'}');
        }
    }
    Ok(())
}

fn write_string(text: &str, out: &mut Vec<u8>) -> Result<(), CanonicalError> {
    if text.is_ascii() {
        return serde_json::to_writer(out, text).map_err(CanonicalError::Serialize);
    }
    let composed: String = text.nfc().collect();
    serde_json::to_writer(out, &composed).map_err(CanonicalError::Serialize)
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
