// SPDX-License-Identifier: AGPL-3.0-or-later
//! `anyOf` and `oneOf`: which alternative was meant, and what is wrong with that one.

use jsonschema::ValidationError;
use jsonschema::error::ValidationErrorKind as Kind;
use serde_json::Value;

use crate::explain::{explain as explain_one, not_an_option, wrong_type};
use crate::violation::Violation;
use crate::{node, wording};

/// Puts what a failed choice means into `found`. `context` has the errors of each alternative.
pub(crate) fn explain(
    schema: &Value,
    error: &ValidationError<'_>,
    context: &[Vec<ValidationError<'static>>],
    found: &mut Vec<Violation>,
) {
    let pointer = error.instance_path().as_str();
    let keyword = error.kind().keyword();
    let around = node::around(schema, error.schema_path().as_str());
    let branches = around.and_then(|around| around.get(keyword)).and_then(Value::as_array);

    // An enumeration: every alternative is one constant.
    if let Some(options) = around.and_then(|around| node::constants(schema, around)) {
        found.push(not_an_option(pointer, options, error.instance()));
        return;
    }

    // `null` is how a schema says "may be left out"; nobody writes it on purpose.
    let is_null = |index: usize| {
        branches
            .and_then(|branches| branches.get(index))
            .is_some_and(|branch| branch.get("type").and_then(Value::as_str) == Some("null"))
    };
    let meant: Vec<&Vec<ValidationError<'static>>> =
        context.iter().enumerate().filter(|(index, _)| !is_null(*index)).map(|(_, errors)| errors).collect();

    if let Some(names) = one_missing_each(pointer, &meant) {
        found.push(Violation {
            message: format!("one of {} is missing", wording::one_of(&names)),
            candidates: names,
            ..Violation::new(pointer, "required", String::new())
        });
        return;
    }

    // The alternative that the value comes closest to: of its type, with the fewest errors.
    let of_its_type = |errors: &&Vec<ValidationError<'static>>| {
        !errors.iter().any(|inner| {
            inner.instance_path().as_str() == pointer && matches!(inner.kind(), Kind::Type { .. })
        })
    };
    let closest = match meant.as_slice() {
        [only] => Some(*only),
        _ => meant.iter().copied().filter(of_its_type).min_by_key(|errors| errors.len()),
    };
    if let Some(errors) = closest {
        for inner in errors {
            explain_one(schema, inner, found);
        }
    } else if let Some(around) = around {
        found.push(wrong_type(pointer, &node::types(schema, around), error.instance()));
    } else {
        found.push(Violation::new(pointer, "anyOf", "fits none of the alternatives".to_owned()));
    }
}

/// The names, where each alternative asks for one field that is not there, and for nothing else.
fn one_missing_each(pointer: &str, meant: &[&Vec<ValidationError<'static>>]) -> Option<Vec<String>> {
    if meant.len() < 2 {
        return None;
    }
    meant
        .iter()
        .map(|errors| match errors.as_slice() {
            [one] if one.instance_path().as_str() == pointer => match one.kind() {
                Kind::Required { property } => property.as_str().map(str::to_owned),
                _ => None,
            },
            _ => None,
        })
        .collect()
}
