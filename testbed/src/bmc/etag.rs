// SPDX-License-Identifier: AGPL-3.0-or-later
//! Entity tags: a digest of what is shown, in the model's form.
//!
//! Times are left out of the digest, else no tag would live long enough to be used.

use http::HeaderValue;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::profiles::EtagStyle;
use crate::tls::hex;

/// The tag of a resource.
pub(crate) fn of(resource: &Value, style: EtagStyle) -> String {
    let mut shown = resource.clone();
    if let Some(map) = shown.as_object_mut() {
        map.remove("DateTime");
        map.remove("@odata.etag");
    }
    let digest = Sha256::digest(shown.to_string());
    match style {
        EtagStyle::Decimal => {
            format!("\"{}\"", 100_000_000_000 + number(&digest[..5]) % 900_000_000_000)
        }
        EtagStyle::WeakHex8 => format!("W/\"{}\"", hex(&digest[..4]).to_uppercase()),
        EtagStyle::StrongHex32 => format!("\"{}\"", hex(&digest[..16])),
        EtagStyle::StrongHex19 => format!("\"{}\"", &hex(&digest[..10])[..19]),
        EtagStyle::Seconds => format!("\"{}\"", 1_700_000_000 + number(&digest[..4]) % 90_000_000),
        EtagStyle::StrongHex8 => format!("\"{}\"", hex(&digest[..4]).to_uppercase()),
        EtagStyle::MalformedGeneration => format!("W/'gen-{}'", number(&digest[..3])),
    }
}

fn number(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

/// Whether an `If-Match` lets a change of the resource with `tag` pass. BMCs with weak tags accept them here, against
/// the letter of HTTP, or nobody could change anything.
pub(crate) fn if_match(header: &HeaderValue, tag: &str) -> bool {
    listed(header, |given| given == "*" || given == tag)
}

/// Whether an `If-None-Match` names the resource with `tag`.
pub(crate) fn if_none_match(header: &HeaderValue, tag: &str) -> bool {
    let bare = |tag: &str| tag.strip_prefix("W/").unwrap_or(tag).to_owned();
    listed(header, |given| given == "*" || bare(given) == bare(tag))
}

fn listed(header: &HeaderValue, matches: impl Fn(&str) -> bool) -> bool {
    header.to_str().is_ok_and(|list| list.split(',').any(|given| matches(given.trim())))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_tag_changes_with_the_resource_and_not_with_the_time() {
        let tag = |value: &Value| of(value, EtagStyle::StrongHex32);
        let morning = json!({"PowerState": "On", "DateTime": "2026-01-01T06:00:00Z"});
        let evening = json!({"PowerState": "On", "DateTime": "2026-01-01T18:00:00Z"});
        assert_eq!(tag(&morning), tag(&evening));
        assert_ne!(tag(&morning), tag(&json!({"PowerState": "Off"})));
    }

    #[test]
    fn tags_have_the_recorded_forms() {
        let value = json!({"Id": "1"});
        let decimal = of(&value, EtagStyle::Decimal);
        assert!(decimal.len() == 14 && decimal[1..13].bytes().all(|byte| byte.is_ascii_digit()), "{decimal}");
        let weak = of(&value, EtagStyle::WeakHex8);
        assert!(weak.starts_with("W/\"") && weak.len() == 12, "{weak}");
        assert_eq!(of(&value, EtagStyle::StrongHex32).len(), 34);
        assert_eq!(of(&value, EtagStyle::StrongHex19).len(), 21);
        assert_eq!(of(&value, EtagStyle::Seconds).len(), 12);
        assert_eq!(of(&value, EtagStyle::StrongHex8).len(), 10);
        assert!(of(&value, EtagStyle::MalformedGeneration).starts_with("W/'gen-"));
    }

    #[test]
    fn lists_and_stars_match() {
        let header = HeaderValue::from_static("\"a\", W/\"b\"");
        assert!(if_match(&header, "\"a\"") && if_match(&header, "W/\"b\""));
        assert!(!if_match(&header, "\"b\""), "a strong tag is not its weak twin");
        assert!(if_none_match(&header, "\"b\""), "for reading they are the same");
        assert!(if_match(&HeaderValue::from_static("*"), "\"z\""));
    }
}
