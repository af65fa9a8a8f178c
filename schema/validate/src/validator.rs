// SPDX-License-Identifier: AGPL-3.0-or-later
//! A compiled schema.

use serde_json::{Value, json};

use crate::Violation;
use crate::explain::explain;

/// A compiled schema, to be used again and again and from several threads.
pub struct Validator {
    schema: Value,
    compiled: jsonschema::Validator,
}

/// A schema that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CompileError {
    /// It is no draft-07 schema, or it refers to something outside of itself.
    #[error("cannot compile the JSON Schema at {pointer}")]
    Compile {
        /// Where in the schema.
        pointer: String,
        /// Why.
        #[source]
        source: Box<jsonschema::ValidationError<'static>>,
    },
}

impl Validator {
    /// Compiles a draft-07 schema.
    ///
    /// Two keywords mean more here than in the draft, because types read them so: the formats
    /// `uint8`, `uint16` and `uint32` bound an integer, and `date-time` is checked.
    pub fn new(mut schema: Value) -> Result<Self, CompileError> {
        bound_integers(&mut schema);
        let compiled = jsonschema::draft7::options()
            .offline()
            .with_pattern_options(jsonschema::PatternOptions::regex())
            .should_validate_formats(true)
            .should_ignore_unknown_formats(true)
            .with_format("date-time", |text: &str| text.parse::<jiff::Timestamp>().is_ok())
            .build(&schema)
            .map_err(|source| CompileError::Compile {
                pointer: source.instance_path().to_string(),
                source: Box::new(source),
            })?;
        Ok(Self { schema, compiled })
    }

    /// Everything that is wrong, sorted by pointer; nothing where all is well.
    pub fn check(&self, document: &Value) -> Vec<Violation> {
        if self.compiled.is_valid(document) {
            return Vec::new();
        }
        let mut found = Vec::new();
        for error in self.compiled.iter_errors(document) {
            explain(&self.schema, &error, &mut found);
        }
        found.sort();
        found.dedup();
        found
    }
}

/// The type's own bound, where the schema has none: `format` alone says nothing to a validator.
fn bound_integers(schema: &mut Value) {
    match schema {
        Value::Object(map) => {
            let limit = match map.get("format").and_then(Value::as_str) {
                Some("uint8") => Some(u64::from(u8::MAX)),
                Some("uint16") => Some(u64::from(u16::MAX)),
                Some("uint32") => Some(u64::from(u32::MAX)),
                _ => None,
            };
            if let Some(limit) = limit {
                map.entry("maximum").or_insert_with(|| json!(limit));
            }
            map.values_mut().for_each(bound_integers);
        }
        Value::Array(items) => items.iter_mut().for_each(bound_integers),
        _ => {}
    }
}
