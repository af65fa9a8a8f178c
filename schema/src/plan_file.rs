// SPDX-License-Identifier: AGPL-3.0-or-later
//! A plan out of a file that somebody held meanwhile.
//!
//! Guarantees: what is read is, to the last field, what its id says; fields that this version does not
//! know count too. No error repeats a value of the file but its format.
//! What it does not do: say whether the plan is still true. That is judged beside the plan now.

use crate::plan::{PLAN_FORMAT, Plan, id_of_document};

/// The most of an unknown format that is shown.
const FORMAT_SHOWN: usize = 32;

/// Why a text is not a plan to go by.
#[derive(Debug, thiserror::Error)]
pub enum PlanFileError {
    /// No JSON.
    #[error("it is not JSON: line {line}, column {column}")]
    NotJson {
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
    },
    /// JSON that says of no format of plans that it has it.
    #[error("it has no formatVersion")]
    NoFormat,
    /// A plan of another time.
    #[error("it has the plan format {found}; this version reads {known}.x")]
    Format {
        /// What stands there, cut, fit for a terminal.
        found: String,
        /// What is read.
        known: String,
    },
    /// It lacks something that plans have, or has something else in its place.
    #[error("it does not have the form of a plan: line {line}, column {column}")]
    NotAPlan {
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
    },
    /// It was changed, or cut and mended.
    #[error("it is not what its id says: it was changed")]
    Damaged,
}

/// Reads a plan and checks it against its id.
///
/// # Errors
///
/// What is not a plan, is one of another format, or was changed since it was made.
pub fn read(text: &str) -> Result<Plan, PlanFileError> {
    let value: serde_json::Value = serde_json::from_str(text)
        .map_err(|error| PlanFileError::NotJson { line: error.line(), column: error.column() })?;
    let version = value.get("formatVersion").ok_or(PlanFileError::NoFormat)?;
    let major = |version: &str| version.split('.').next().unwrap_or_default().to_owned();
    let known = major(PLAN_FORMAT);
    if version.as_str().map(major).as_ref() != Some(&known) {
        let found = version.as_str().unwrap_or("that is no text");
        let found = found.chars().take(FORMAT_SHOWN).flat_map(char::escape_default).collect();
        return Err(PlanFileError::Format { found, known });
    }
    // Of the text once more, and not of the value: only so a duplicate is seen and a place is known.
    let plan: Plan = serde_json::from_str(text)
        .map_err(|error| PlanFileError::NotAPlan { line: error.line(), column: error.column() })?;
    // Over what stands in the file, so that what this version does not know counts too.
    let id = match value {
        serde_json::Value::Object(document) => id_of_document(document).ok(),
        _ => None,
    };
    if id.as_ref() == Some(&plan.id) { Ok(plan) } else { Err(PlanFileError::Damaged) }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::Sha256;

    /// A plan of nothing, with its id.
    fn plan() -> Value {
        let nothing = Sha256::of(b"");
        let mut value = json!({
            "formatVersion": PLAN_FORMAT,
            "source": {"inventory": nothing},
            "inputs": {"tool": "0.1.0", "counter": 0},
            "entries": [], "policy": [], "guards": [], "problems": [],
            "summary": {
                "servers": 0, "unchanged": 0, "safe": 0, "disruptive": 0, "destructive": 0,
                "unapproved": 0, "held": 0, "broken": 0,
            },
            "complete": true, "errored": false,
        });
        seal(&mut value);
        value
    }

    fn seal(value: &mut Value) {
        if let Some(map) = value.as_object_mut() {
            map.remove("id");
        }
        let id = id_of_document(value.as_object().unwrap().clone()).unwrap();
        value["id"] = json!(id);
    }

    fn refused(value: &Value) -> String {
        read(&value.to_string()).unwrap_err().to_string()
    }

    #[test]
    fn a_plan_is_read_whatever_its_white_space_and_whenever_it_was_made() {
        let mut value = plan();
        value["createdAt"] = json!("2026-01-02T03:04:05Z");
        let plan = read(&serde_json::to_string_pretty(&value).unwrap()).unwrap();
        assert_eq!(plan.compute_id().unwrap(), plan.id);
        assert!(plan.created_at.is_some());
    }

    #[test]
    fn what_this_version_does_not_know_counts_too() {
        let mut value = plan();
        value["later"] = json!({"field": 1});
        assert_eq!(refused(&value), "it is not what its id says: it was changed");
        seal(&mut value);
        read(&value.to_string()).unwrap();
    }

    #[test]
    fn a_field_that_stands_twice_is_no_plan() {
        let text = plan().to_string().replacen('{', "{\"complete\":false,", 1);
        let error = read(&text).unwrap_err();
        assert!(matches!(error, PlanFileError::NotAPlan { line: 1, .. }), "{error:?}");
    }

    #[test]
    fn another_format_is_named_and_cut_and_nothing_else_is_repeated() {
        let mut value = plan();
        for (format, wanted) in [
            (json!("1.0"), "it has the plan format 1.0; this version reads 2.x"),
            (json!(1.0), "it has the plan format that is no text; this version reads 2.x"),
            (json!("\u{1b}[31m"), "it has the plan format \\u{1b}[31m; this version reads 2.x"),
        ] {
            value["formatVersion"] = format;
            assert_eq!(refused(&value), wanted);
        }
        value["formatVersion"] = json!("9".repeat(10_000));
        assert!(refused(&value).len() < 100);
        assert_eq!(refused(&json!({})), "it has no formatVersion");
        assert_eq!(refused(&json!([])), "it has no formatVersion");
        assert_eq!(read("{\n,").unwrap_err().to_string(), "it is not JSON: line 2, column 1");
        let mut value = plan();
        value["entries"] = json!("c4n4ry");
        assert!(!refused(&value).contains("c4n4ry"));
    }
}
