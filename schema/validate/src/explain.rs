// SPDX-License-Identifier: AGPL-3.0-or-later
//! From a validator's error to words. The error's own text is never used: it holds the value.

use jsonschema::ValidationError;
use jsonschema::error::{TypeKind, ValidationErrorKind as Kind};
use serde_json::Value;

use crate::violation::{Violation, join};
use crate::{choice, node, wording};

/// Puts what an error means into `found`.
pub(crate) fn explain(schema: &Value, error: &ValidationError<'_>, found: &mut Vec<Violation>) {
    let pointer = error.instance_path().as_str();
    let around = node::around(schema, error.schema_path().as_str());
    let mut add = |code, message: String| found.push(Violation::new(pointer, code, message));
    match error.kind() {
        Kind::AdditionalProperties { unexpected } | Kind::UnevaluatedProperties { unexpected } => {
            let known = around.map(node::fields).unwrap_or_default();
            for name in unexpected {
                let message = if known.is_empty() {
                    format!("`{name}` is not expected here")
                } else {
                    format!("unknown field `{name}`: expected {}", wording::one_of(&known))
                };
                found.push(Violation {
                    property: Some(name.clone()),
                    candidates: known.clone(),
                    ..Violation::new(&join(pointer, name), "additionalProperties", message)
                });
            }
        }
        Kind::Required { property } => {
            let name = property.as_str().unwrap_or_default();
            let condition = condition(schema, error.schema_path().as_str());
            found.push(Violation {
                property: Some(name.to_owned()),
                ..Violation::new(pointer, "required", format!("`{name}` is missing{condition}"))
            });
        }
        Kind::Type { kind } => {
            let wanted: Vec<String> = match kind {
                TypeKind::Single(one) => vec![one.as_str().to_owned()],
                TypeKind::Multiple(set) => set.iter().map(|one| one.as_str().to_owned()).collect(),
            };
            found.push(wrong_type(pointer, &wanted, error.instance()));
        }
        Kind::Enum { .. } | Kind::Constant { .. } => {
            let options = around.and_then(|around| node::constants(schema, around)).unwrap_or_default();
            found.push(not_an_option(pointer, options, error.instance()));
        }
        Kind::AnyOf { context } | Kind::OneOfNotValid { context } => {
            choice::explain(schema, error, context, found);
        }
        Kind::OneOfMultipleValid { .. } => {
            add("oneOf", "only one of the alternatives may be given".to_owned());
        }
        Kind::Pattern { pattern } => {
            let message = wording::pattern(pattern)
                .map_or_else(|| format!("must match `{pattern}`"), |words| format!("expected {words}"));
            add("pattern", message);
        }
        Kind::Format { format } => {
            let message = match format.as_str() {
                "date-time" => "expected a time such as `2026-01-31T12:00:00Z`".to_owned(),
                other => format!("expected the format `{other}`"),
            };
            add("format", message);
        }
        Kind::MinLength { limit: 1 } => add("minLength", "must not be empty".to_owned()),
        Kind::MinLength { limit } => {
            add(
                "minLength",
                format!("must have at least {}", wording::count(*limit, "character", "characters")),
            );
        }
        Kind::MaxLength { limit } => {
            add(
                "maxLength",
                format!("must have at most {}", wording::count(*limit, "character", "characters")),
            );
        }
        Kind::MinItems { limit } => {
            add("minItems", format!("must have at least {}", wording::count(*limit, "entry", "entries")));
        }
        Kind::MaxItems { limit } => {
            add("maxItems", format!("must have at most {}", wording::count(*limit, "entry", "entries")));
        }
        Kind::MinProperties { limit } => {
            let known = around.map(node::fields).unwrap_or_default();
            let message = if *limit == 1 && !known.is_empty() {
                format!("give one of {}", wording::one_of(&known))
            } else {
                format!("must have at least {}", wording::count(*limit, "field", "fields"))
            };
            found.push(Violation { candidates: known, ..Violation::new(pointer, "minProperties", message) });
        }
        Kind::MaxProperties { limit } => {
            let known = around.map(node::fields).unwrap_or_default();
            let message = if *limit == 1 && !known.is_empty() {
                format!("give only one of {}", wording::one_of(&known))
            } else {
                format!("must have at most {}", wording::count(*limit, "field", "fields"))
            };
            found.push(Violation { candidates: known, ..Violation::new(pointer, "maxProperties", message) });
        }
        Kind::Minimum { limit } => add("minimum", format!("must be {limit} or more")),
        Kind::Maximum { limit } => add("maximum", format!("must be {limit} or less")),
        Kind::ExclusiveMinimum { limit } => add("exclusiveMinimum", format!("must be more than {limit}")),
        Kind::ExclusiveMaximum { limit } => add("exclusiveMaximum", format!("must be less than {limit}")),
        Kind::MultipleOf { multiple_of } => {
            add("multipleOf", format!("must be a multiple of {multiple_of}"));
        }
        Kind::UniqueItems => add("uniqueItems", "the entries must differ from each other".to_owned()),
        Kind::PropertyNames { .. } => add("propertyNames", "a name in here is not allowed".to_owned()),
        Kind::AdditionalItems { limit } => {
            add("additionalItems", format!("must have at most {limit} entries"));
        }
        Kind::UnevaluatedItems { .. } => {
            add("unevaluatedItems", "has entries that are not expected".to_owned());
        }
        Kind::Contains => add("contains", "no entry is as expected".to_owned()),
        Kind::FalseSchema => add("falseSchema", "nothing is allowed here".to_owned()),
        Kind::Not { .. } => add("not", "this value is not allowed here".to_owned()),
        Kind::ContentEncoding { .. } | Kind::FromUtf8 { .. } => {
            add("contentEncoding", "is not encoded as expected".to_owned());
        }
        Kind::ContentMediaType { .. } => {
            add("contentMediaType", "is not of the expected media type".to_owned());
        }
        Kind::BacktrackLimitExceeded { .. } | Kind::RegexEngineFailure { .. } => {
            add("pattern", "could not be checked against its pattern".to_owned());
        }
        Kind::Custom { .. } => add("custom", "is not as expected".to_owned()),
        Kind::Referencing(_) => add("$ref", "the schema refers to something unknown".to_owned()),
    }
}

/// A value of the wrong type.
pub(crate) fn wrong_type(pointer: &str, wanted: &[String], seen: &Value) -> Violation {
    let wanted: Vec<&str> = wanted.iter().map(String::as_str).filter(|name| *name != "null").collect();
    let words: Vec<String> = wanted.iter().map(|name| wording::type_name(name).to_owned()).collect();
    let message =
        format!("expected {}, found {}", wording::alternatives(&words), wording::type_name(type_of(seen)));
    Violation {
        quote: wanted.contains(&"string") && matches!(seen, Value::Number(_) | Value::Bool(_) | Value::Null),
        ..Violation::new(pointer, "type", message)
    }
}

/// A value that is none of an enumeration's.
pub(crate) fn not_an_option(pointer: &str, options: Vec<String>, seen: &Value) -> Violation {
    let code = if seen.is_string() { "enum" } else { "type" };
    Violation {
        quote: matches!(seen, Value::Number(_) | Value::Bool(_)),
        ..Violation {
            candidates: options.clone(),
            ..Violation::new(pointer, code, format!("expected {}", wording::one_of(&options)))
        }
    }
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// `, because …` where a keyword stands behind an `if` on one constant.
fn condition(schema: &Value, keyword_pointer: &str) -> String {
    let Some(cut) = keyword_pointer.find("/then/") else { return String::new() };
    let asked = schema
        .pointer(&keyword_pointer[..cut])
        .and_then(|node| node.pointer("/if/properties"))
        .and_then(Value::as_object)
        .and_then(|fields| fields.iter().next())
        .and_then(|(name, rule)| Some((name, rule.get("const")?.as_str()?)));
    asked.map_or_else(String::new, |(name, value)| format!(", because `{name}` is `{value}`"))
}
