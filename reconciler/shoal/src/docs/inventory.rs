// SPDX-License-Identifier: AGPL-3.0-or-later
//! `docs/reference/inventory.md`: every field of every kind, out of the schemas.

use std::collections::{BTreeSet, VecDeque};
use std::fmt::Write as _;

use serde_json::{Map, Value};
use shoal_schema::kinds::KINDS;

use super::schemas::{find, schema};

/// The reference of what people commit.
pub fn inventory_markdown() -> String {
    let mut out = String::from(
        "<!-- made from the JSON Schemas by `just gen`; do not edit -->\n\n# Inventory\n\n\
         One document a file is the habit; several are accepted. Unknown fields are errors. \
         Versions, MACs, serials and digests are text: quote them.\n\n",
    );
    for kind in KINDS {
        let _ = writeln!(out, "* [{kind}](#{})", kind.to_ascii_lowercase());
    }
    for kind in KINDS {
        if let Some(document) = find(kind) {
            out.push_str(&of_kind(kind, document.about, &schema(document)));
        }
    }
    out
}

fn of_kind(kind: &str, about: &str, schema: &Value) -> String {
    // `one machine, below servers/`
    let place = about.rsplit(", ").next().unwrap_or_default();
    let mut out = format!("\n## {kind}\n\n{} Stands {place}.\n", description(schema));
    let mut waiting: VecDeque<(String, Value)> = VecDeque::new();
    let mut seen = BTreeSet::new();
    let definitions = schema.get("definitions").and_then(Value::as_object).cloned().unwrap_or_default();
    let root = properties(schema);
    for part in ["metadata", "spec"] {
        if let Some(value) = root.get(part) {
            waiting.push_back((part.to_owned(), resolve(value, &definitions)));
        }
    }
    while let Some((path, value)) = waiting.pop_front() {
        let fields = properties(&value);
        if fields.is_empty() || !seen.insert(path.clone()) {
            continue;
        }
        let _ = write!(out, "\n### {kind} `{path}`\n\n| field | type | | what it is |\n|---|---|---|---|\n");
        let required: BTreeSet<&str> = value
            .get("required")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        for (name, field) in &fields {
            let need = if required.contains(name.as_str()) { "required" } else { "" };
            let (word, below) = shape(field, &definitions);
            let text = cell(&told(field, &definitions));
            let _ = writeln!(out, "| `{name}` | {} | {need} | {text} |", cell(&word));
            if let Some((suffix, value)) = below {
                waiting.push_back((format!("{path}.{name}{suffix}"), value));
            }
        }
    }
    out
}

/// A type in words, and what stands below it with how it is written.
fn shape(field: &Value, definitions: &Map<String, Value>) -> (String, Option<(&'static str, Value)>) {
    let value = resolve(field, definitions);
    if let Some(choices) = choices(&value, definitions) {
        return (choices, None);
    }
    // `true` or an object with the reason: the object is what has fields.
    if let Some(several) = value.get("anyOf").or_else(|| value.get("oneOf")).and_then(Value::as_array) {
        let kinds: Vec<_> = several
            .iter()
            .filter(|one| one.get("type").and_then(Value::as_str) != Some("null"))
            .map(|one| shape(one, definitions))
            .collect();
        let words: Vec<&str> = kinds.iter().map(|(word, _)| word.as_str()).collect();
        let words = words.join(" or ");
        return (words, kinds.into_iter().find_map(|(_, below)| below));
    }
    match types(&value).as_slice() {
        [one] if one == "array" => {
            let items = value.get("items").cloned().unwrap_or_default();
            let (word, below) = shape(&items, definitions);
            let below = below.map(|(_, value)| ("[]", value));
            (format!("list of {word}"), below)
        }
        [one] if one == "object" => match value.get("additionalProperties") {
            Some(each @ Value::Object(_)) => {
                let (word, below) = shape(each, definitions);
                (format!("map of {word}"), below.map(|(_, value)| (".*", value)))
            }
            _ => ("object".to_owned(), Some(("", value))),
        },
        [] => ("any".to_owned(), None),
        many => (format!("{}{}", many.join(" or "), limits(&value)), None),
    }
}

/// The values of an enumeration, however the schema writes it.
fn choices(value: &Value, definitions: &Map<String, Value>) -> Option<String> {
    let quoted = |value: &Value| value.as_str().map(|text| format!("`{text}`"));
    if let Some(list) = value.get("enum").and_then(Value::as_array) {
        let words: Vec<String> = list.iter().filter_map(quoted).collect();
        return (!words.is_empty()).then(|| words.join(" "));
    }
    if let Some(one) = value.get("const") {
        return quoted(one);
    }
    let several = value.get("oneOf").and_then(Value::as_array)?;
    let words: Option<Vec<String>> =
        several.iter().map(|one| choices(&resolve(one, definitions), definitions)).collect();
    words.map(|words| words.join(" "))
}

fn limits(value: &Value) -> String {
    let number = |name: &str| value.get(name).map(ToString::to_string);
    let mut out = String::new();
    match (number("minimum"), number("maximum")) {
        (Some(low), Some(high)) => out = format!(" {low}–{high}"),
        (Some(low), None) if low != "0" => out = format!(" ≥ {low}"),
        (None, Some(high)) => out = format!(" ≤ {high}"),
        _ => {}
    }
    if let Some(pattern) = value.get("pattern").and_then(Value::as_str)
        && pattern.len() <= 60
    {
        let _ = write!(out, " `{pattern}`");
    }
    out
}

fn types(value: &Value) -> Vec<String> {
    let named = match value.get("type") {
        Some(Value::String(one)) => vec![one.clone()],
        Some(Value::Array(many)) => many.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ if value.get("properties").is_some() => vec!["object".to_owned()],
        _ => Vec::new(),
    };
    named.into_iter().filter(|name| name != "null").collect()
}

/// What a field is for, with the default that the schema knows.
fn told(field: &Value, definitions: &Map<String, Value>) -> String {
    let own = description(field);
    let mut text = if own.is_empty() { description(&resolve(field, definitions)) } else { own };
    if let Some(default) = field.get("default")
        && !default.is_null()
        && !default.is_object()
        && default.as_array().is_none_or(|list| !list.is_empty())
        && default != &Value::Bool(false)
    {
        let shown = default.as_str().map_or_else(|| default.to_string(), str::to_owned);
        let _ = write!(text, " Default: `{shown}`.");
    }
    text
}

fn description(value: &Value) -> String {
    value.get("description").and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn properties(value: &Value) -> Map<String, Value> {
    value.get("properties").and_then(Value::as_object).cloned().unwrap_or_default()
}

/// What a reference stands for, through `allOf` and `anyOf` with null, which is how optional fields
/// are written.
fn resolve(value: &Value, definitions: &Map<String, Value>) -> Value {
    if let Some(name) = value.get("$ref").and_then(Value::as_str).and_then(|path| path.rsplit('/').next())
        && let Some(definition) = definitions.get(name)
    {
        return definition.clone();
    }
    if let Some([one]) = value.get("allOf").and_then(Value::as_array).map(Vec::as_slice) {
        return resolve(one, definitions);
    }
    if let Some(several) = value.get("anyOf").and_then(Value::as_array)
        && value.get("properties").is_none()
    {
        let rest: Vec<&Value> =
            several.iter().filter(|one| one.get("type").and_then(Value::as_str) != Some("null")).collect();
        if let [one] = rest.as_slice() {
            return resolve(one, definitions);
        }
    }
    value.clone()
}

/// Fit for a cell of a Markdown table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_of_every_kind_is_there_with_what_it_is() {
        let text = inventory_markdown();
        for field in ["firstInstall", "removedSharePercent", "trustOnFirstUse", "minSize", "recipientsDigest"]
        {
            assert!(text.contains(&format!("| `{field}` |")), "{field} is missing");
        }
        for line in text.lines().filter(|line| line.starts_with("| `")) {
            let cells: Vec<&str> = line.split(" | ").collect();
            assert!(cells.len() >= 4, "{line}");
            assert!(!cells[3].trim_end_matches('|').trim().is_empty(), "nothing is said of: {line}");
            assert!(!cells[1].is_empty() && cells[1] != "any", "no type: {line}");
        }
    }

    #[test]
    fn enumerations_show_their_values() {
        let text = inventory_markdown();
        assert!(text.contains("`On` `Off` `Unmanaged`"), "{text}");
        assert!(text.contains("`approve` `blankOnly`"));
    }
}
