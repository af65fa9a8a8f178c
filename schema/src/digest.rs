// SPDX-License-Identifier: AGPL-3.0-or-later
//! Canonical JSON and SHA-256: the basis of every identity that a document has.
//!
//! Canonical form: keys sorted by code point, no white space, strings in NFC, integers only.
//! Two machines, locales or versions of a map give the same bytes.

use std::borrow::Cow;
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
        Self::from_hash(sha2::Sha256::new_with_prefix(bytes))
    }

    fn from_hash(hash: sha2::Sha256) -> Self {
        let mut text = String::with_capacity(71);
        text.push_str("sha256:");
        for byte in hash.finalize() {
            use fmt::Write as _;
            write!(text, "{byte:02x}").expect("writing to a string cannot fail");
        }
        Self(text)
    }

    /// The digest of a value's canonical JSON.
    pub fn of_value<T: Serialize>(value: &T) -> Result<Self, CanonicalError> {
        Ok(Self::of(&canonical_json(value)?))
    }

    /// The digest of the canonical JSON of an object whose member `list` holds `items`, with one item in memory at a
    /// time: lists are as long as a fleet is large. What the object itself has under that name does not count.
    pub fn of_object_with<T: Serialize>(
        mut object: serde_json::Map<String, serde_json::Value>,
        list: &str,
        items: &[T],
    ) -> Result<Self, CanonicalError> {
        object.insert(list.to_owned(), serde_json::Value::Null);
        let mut hash = sha2::Sha256::new();
        let mut out = Vec::new();
        for (index, (key, value)) in sorted(&object).into_iter().enumerate() {
            out.push(if index == 0 { b'{' } else { b',' });
            write_string(&key, &mut out)?;
            out.push(b':');
            let mut pointer = format!("/{key}");
            if key == list {
                out.push(b'[');
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        out.push(b',');
                    }
                    let item = serde_json::to_value(item).map_err(CanonicalError::Serialize)?;
                    write_canonical(&item, &mut format!("{pointer}/{index}"), &mut out)?;
                    hash.update(&out);
                    out.clear();
                }
                out.push(b']');
            } else {
                write_canonical(value, &mut pointer, &mut out)?;
            }
        }
        out.push(b'}');
        hash.update(&out);
        Ok(Self::from_hash(hash))
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
            out.push(b'{');
            for (index, (key, item)) in sorted(map).into_iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                write_string(&key, out)?;
                out.push(b':');
                let length = pointer.len();
                pointer.push('/');
                pointer.push_str(&key);
                write_canonical(item, pointer, out)?;
                pointer.truncate(length);
            }
            out.push(b'}');
        }
    }
    Ok(())
}

/// The members of an object in canonical order.
fn sorted(map: &serde_json::Map<String, serde_json::Value>) -> Vec<(Cow<'_, str>, &serde_json::Value)> {
    let mut members: Vec<(Cow<'_, str>, &serde_json::Value)> =
        map.iter().map(|(key, item)| (composed(key), item)).collect();
    members.sort_by(|a, b| a.0.cmp(&b.0));
    members
}

fn composed(text: &str) -> Cow<'_, str> {
    if text.is_ascii() { Cow::Borrowed(text) } else { Cow::Owned(text.nfc().collect()) }
}

fn write_string(text: &str, out: &mut Vec<u8>) -> Result<(), CanonicalError> {
    serde_json::to_writer(out, &composed(text)).map_err(CanonicalError::Serialize)
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
    fn a_list_that_is_digested_item_by_item_has_the_digest_of_the_whole() {
        let items = [serde_json::json!({"b": 1, "a": "e\u{301}"}), serde_json::json!([])];
        for count in 0..=items.len() {
            let whole = serde_json::json!({"z": {"y": 1}, "entries": &items[..count], "a": null});
            let serde_json::Value::Object(mut rest) = whole.clone() else { panic!("an object") };
            rest.remove("entries");
            let pieces = Sha256::of_object_with(rest, "entries", &items[..count]).unwrap();
            assert_eq!(pieces, Sha256::of_value(&whole).unwrap(), "{count} items");
        }
        let error = Sha256::of_object_with(serde_json::Map::new(), "a", &[1.5]).unwrap_err();
        assert_eq!(error.to_string(), "a number at /a/0 is not an integer");
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
