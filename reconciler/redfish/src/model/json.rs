// SPDX-License-Identifier: AGPL-3.0-or-later
//! Tolerant access to JSON.
//!
//! `Rule::OddJsonIsEndured`: null `Members`, empty UUIDs, numbers as strings and the
//! reverse, missing required properties. Nothing in here fails; what cannot be read is absent.

use serde_json::Value;

/// Links longer than this are no links.
const LONGEST_LINK: usize = 2048;
/// Members of one collection that are looked at.
const MOST_MEMBERS: usize = 256;

/// A property as text: trimmed, numbers in decimal, `None` when null, missing, empty or
/// `"null"`/`"N/A"` in any case.
pub(crate) fn text(value: &Value, key: &str) -> Option<String> {
    let text = match value.get(key)? {
        Value::String(text) => text.trim().to_owned(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    let empty = matches!(text.to_ascii_lowercase().as_str(), "" | "null" | "(null)" | "n/a");
    (!empty).then_some(text)
}

/// A property as truth value: also `"true"`, `"false"`, 1 and 0.
pub(crate) fn flag(value: &Value, key: &str) -> Option<bool> {
    match value.get(key)? {
        Value::Bool(flag) => Some(*flag),
        Value::String(text) => match text.trim().to_ascii_lowercase().as_str() {
            "true" => Some(true),
            "false" => Some(false),
            _ => None,
        },
        Value::Number(number) => match number.as_u64() {
            Some(0) => Some(false),
            Some(1) => Some(true),
            _ => None,
        },
        _ => None,
    }
}

/// A property as list of texts; a single text counts as a list of one.
pub(crate) fn texts(value: &Value, key: &str) -> Vec<String> {
    match value.get(key) {
        Some(Value::Array(items)) => items
            .iter()
            .filter_map(Value::as_str)
            .map(|item| item.trim().to_owned())
            .filter(|item| !item.is_empty())
            .take(MOST_MEMBERS)
            .collect(),
        Some(Value::String(item)) if !item.trim().is_empty() => vec![item.trim().to_owned()],
        _ => Vec::new(),
    }
}

/// The target of a link: `{"@odata.id": "/..."}`, or the bare text that some BMCs send.
pub(crate) fn target(value: &Value) -> Option<String> {
    let text = match value {
        Value::String(text) => text,
        Value::Object(_) => value.get("@odata.id")?.as_str()?,
        _ => return None,
    };
    // A fragment points into the resource before it.
    let text = text.split('#').next().unwrap_or_default().trim();
    (text.starts_with('/')
        && !text.starts_with("//")
        && text.len() <= LONGEST_LINK
        && !text.contains(char::is_control))
    .then(|| text.to_owned())
}

/// The link in a property.
pub(crate) fn link(value: &Value, key: &str) -> Option<String> {
    target(value.get(key)?)
}

/// The links in a list property; null and odd items are left out.
pub(crate) fn links(value: &Value, key: &str) -> Vec<String> {
    match value.get(key) {
        Some(Value::Array(items)) => items.iter().take(MOST_MEMBERS).filter_map(target).collect(),
        Some(single @ Value::Object(_)) => target(single).into_iter().collect(),
        _ => Vec::new(),
    }
}

/// An object property, or null for whatever else is there.
pub(crate) fn object<'a>(value: &'a Value, key: &str) -> &'a Value {
    match value.get(key) {
        Some(found @ Value::Object(_)) => found,
        _ => &Value::Null,
    }
}

/// Names of an object property's own properties.
pub(crate) fn keys(value: &Value, key: &str) -> Vec<String> {
    object(value, key).as_object().map(|map| map.keys().cloned().collect()).unwrap_or_default()
}

/// Whether a resource has what every resource must have, and in the types that the specification says. Nothing needs it
/// where `Rule::OddJsonIsEndured` is on.
pub(crate) fn is_as_specified(resource: &Value) -> bool {
    let is_text = |key: &str| resource.get(key).is_some_and(Value::is_string);
    let may_be_text = |key: &str| resource.get(key).is_none_or(|value| value.is_string() || value.is_null());
    let lists = resource.get("Members").is_none_or(Value::is_array);
    is_text("@odata.id") && ["Id", "Name", "SerialNumber", "UUID"].into_iter().all(may_be_text) && lists
}

/// Whether two resource paths are the same: a trailing slash does not count.
pub(crate) fn same_path(a: &str, b: &str) -> bool {
    a.trim_end_matches('/') == b.trim_end_matches('/')
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn null_empty_and_odd_values_are_absent() {
        let value = json!({"a": null, "b": " ", "c": [], "d": 7, "e": "N/A", "f": "(null)"});
        for key in ["a", "b", "c", "e", "f", "missing"] {
            assert_eq!(text(&value, key), None, "{key}");
        }
        assert_eq!(text(&value, "d").as_deref(), Some("7"));
        assert_eq!(links(&json!({"Members": null}), "Members"), Vec::<String>::new());
    }

    #[test]
    fn truth_comes_in_several_types() {
        let value = json!({"a": "True", "b": 0, "c": true, "d": "maybe", "e": 5});
        assert_eq!(flag(&value, "a"), Some(true));
        assert_eq!(flag(&value, "b"), Some(false));
        assert_eq!(flag(&value, "c"), Some(true));
        assert_eq!(flag(&value, "d"), None);
        assert_eq!(flag(&value, "e"), None);
    }

    #[test]
    fn links_never_leave_the_bmc() {
        for odd in ["http://evil/redfish", "//evil/redfish", "redfish/v1", "", "/a\nb"] {
            assert_eq!(target(&json!(odd)), None, "{odd}");
        }
        assert_eq!(target(&json!({"@odata.id": "/redfish/v1/x#/Oem"})).as_deref(), Some("/redfish/v1/x"));
        assert_eq!(links(&json!({"L": {"@odata.id": "/a"}}), "L"), ["/a"]);
        assert_eq!(links(&json!({"L": [null, 3, "/b", {"@odata.id": 4}]}), "L"), ["/b"]);
    }
}
