// SPDX-License-Identifier: AGPL-3.0-or-later
//! JSON Schema validation (draft-07) of what people commit and of recipes on the wire.
//!
//! The only crate that links `jsonschema`, which is slow to compile.
//!
//! Guarantees:
//! * all violations at once, sorted by pointer, each with a message that says what is expected;
//! * no message, property or candidate holds a value of the document: names of fields and what
//!   the schema itself says, nothing else, for a value may be a secret;
//! * no network, no file: schemas refer only to themselves; patterns run in linear time.
//!
//! What it does not do: cross-checks between documents, and rules that a schema cannot say.

mod choice;
mod explain;
mod node;
mod validator;
mod violation;
mod wording;

pub use validator::{CompileError, Validator};
pub use violation::Violation;

use std::sync::OnceLock;

use shoal_schema::kinds::{KINDS, schema_of};
use shoal_schema::wire::recipe::recipe_schema;

/// The validator of a kind, compiled when first asked for. Nothing where there is no such kind.
pub fn for_kind(kind: &str) -> Option<&'static Validator> {
    static COMPILED: [OnceLock<Validator>; KINDS.len()] = [const { OnceLock::new() }; KINDS.len()];
    let index = KINDS.iter().position(|known| *known == kind)?;
    Some(COMPILED[index].get_or_init(|| {
        let schema = schema_of(KINDS[index]).expect("there is a schema for every name in KINDS");
        Validator::new(schema.to_value()).expect("a test compiles the schema of every kind")
    }))
}

/// The validator of recipes on the wire, compiled when first asked for.
pub fn recipe() -> &'static Validator {
    static COMPILED: OnceLock<Validator> = OnceLock::new();
    COMPILED.get_or_init(|| Validator::new(recipe_schema()).expect("a test compiles the schema of recipes"))
}
