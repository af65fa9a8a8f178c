// SPDX-License-Identifier: AGPL-3.0-or-later
//! JSON Schemas of strings with a pattern: the form of newtypes that read themselves from text.

/// Implements `JsonSchema` for a type that is written as a string of a certain form.
macro_rules! string_schema {
    ($name:ident, $pattern:expr) => {
        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({"type": "string", "pattern": $pattern})
            }
        }
    };
}

pub(crate) use string_schema;
