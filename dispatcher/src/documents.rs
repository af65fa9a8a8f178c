// SPDX-License-Identifier: AGPL-3.0-or-later
//! The documents on the task medium: the task, the recipe and its schema, from bytes to types.
//!
//! The task comes first, because it says to whom a failure is reported. The recipe is validated twice: against the
//! schema that this program was built with, and against the one on the medium, so that a newer controller cannot
//! hand an older dispatcher something it would misread, nor the other way round.

use serde::Deserialize;
use shoal_schema::wire::recipe::{RECIPE_SCHEMA_ID, WireRecipe};
use shoal_schema::wire::task::{TASK_FORMAT, Task};
use shoal_validate::{CompileError, Validator, Violation};

use crate::endpoint::{Endpoint, EndpointError};
use crate::exit::Exit;
use crate::host::Files;
use crate::medium::TASK_NAME;

/// Violations that are put into words; the rest is counted.
const SHOWN: usize = 8;

/// Why a document was not taken.
#[derive(Debug, thiserror::Error)]
pub enum DocumentError {
    /// The medium lacks it.
    #[error("read {name}: the task medium does not have it")]
    Missing {
        /// The file.
        name: String,
        /// What its absence means.
        exit: Exit,
    },
    /// It is no JSON, or not of the right shape.
    #[error("read {name} (line {line}, column {column})")]
    Parse {
        /// The file.
        name: String,
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
        /// What that means.
        exit: Exit,
    },
    /// A task of a version that this program does not know.
    #[error("read {TASK_NAME}: format {format}, this dispatcher knows {TASK_FORMAT}")]
    Format {
        /// The version found.
        format: u64,
    },
    /// The controller's address cannot be used.
    #[error("read {TASK_NAME}")]
    Endpoint(#[from] EndpointError),
    /// The schema is none.
    #[error("read the recipe schema {name}")]
    Schema {
        /// The file.
        name: String,
        /// What is wrong with it.
        #[source]
        source: CompileError,
    },
    /// The recipe breaks a schema.
    #[error("validate the recipe against {schema}: {violations}")]
    Invalid {
        /// Which schema.
        schema: &'static str,
        /// Every place, without the values that stand there.
        violations: String,
    },
    /// Something that must come with the permit stands on the medium, which BMCs fetch without verifying anything.
    #[error("validate the recipe: {field} is on the medium, and must come with the permit")]
    SecretOnMedium {
        /// The field.
        field: &'static str,
    },
}

impl DocumentError {
    /// The exit code.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Missing { exit, .. } | Self::Parse { exit, .. } => *exit,
            Self::Format { .. } | Self::Endpoint(_) => Exit::RecipeUnreadable,
            Self::Schema { .. } => Exit::Schema,
            Self::Invalid { .. } | Self::SecretOnMedium { .. } => Exit::RecipeInvalid,
        }
    }

    /// A stable word.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Missing { exit: Exit::Schema, .. }
            | Self::Parse { exit: Exit::Schema, .. }
            | Self::Schema { .. } => "schema_unreadable",
            Self::Missing { .. } => "document_missing",
            Self::Parse { .. } => "document_unreadable",
            Self::Format { .. } => "task_format",
            Self::Endpoint(_) => "callback_unusable",
            Self::Invalid { .. } => "recipe_invalid",
            Self::SecretOnMedium { .. } => "secret_on_medium",
        }
    }
}

/// The task, and the controller that it names.
pub struct TaskSheet {
    /// The task.
    pub task: Task,
    /// The controller.
    pub endpoint: Endpoint,
}

/// A valid recipe.
pub struct Recipe {
    /// The recipe.
    pub recipe: WireRecipe,
    /// The `$id` of the schema on the medium.
    pub schema_id: String,
}

/// Reads the task.
pub fn task(files: &Files) -> Result<TaskSheet, DocumentError> {
    #[derive(Deserialize)]
    struct Version {
        format: u64,
    }
    // The version alone first: a newer task has fields that would be called unknown.
    let version: Version = parse(files, TASK_NAME, Exit::RecipeUnreadable)?;
    if version.format != u64::from(TASK_FORMAT) {
        return Err(DocumentError::Format { format: version.format });
    }
    let task: Task = parse(files, TASK_NAME, Exit::RecipeUnreadable)?;
    let endpoint = Endpoint::try_from(&task.callback)?;
    Ok(TaskSheet { task, endpoint })
}

/// Reads and validates the recipe.
pub fn recipe(files: &Files, recipe_name: &str, schema_name: &str) -> Result<Recipe, DocumentError> {
    let schema: serde_json::Value = parse(files, schema_name, Exit::Schema)?;
    let value: serde_json::Value = parse(files, recipe_name, Exit::RecipeUnreadable)?;
    let schema_id =
        schema.get("$id").and_then(serde_json::Value::as_str).unwrap_or(RECIPE_SCHEMA_ID).to_owned();
    let on_medium = Validator::new(schema)
        .map_err(|source| DocumentError::Schema { name: schema_name.to_owned(), source })?;
    valid("the schema of this dispatcher", &shoal_validate::recipe().check(&value))?;
    valid("the schema on the medium", &on_medium.check(&value))?;
    let recipe: WireRecipe = parse(files, recipe_name, Exit::RecipeInvalid)?;
    let secrets =
        [("user_data", recipe.user_data.is_some()), ("unattend_xml", recipe.unattend_xml.is_some())];
    if let Some((field, _)) = secrets.into_iter().find(|(_, there)| *there) {
        return Err(DocumentError::SecretOnMedium { field });
    }
    Ok(Recipe { recipe, schema_id })
}

fn parse<T: serde::de::DeserializeOwned>(files: &Files, name: &str, exit: Exit) -> Result<T, DocumentError> {
    let content = files.get(name).ok_or_else(|| DocumentError::Missing { name: name.to_owned(), exit })?;
    // The parser's own message may quote a value; its place says enough.
    serde_json::from_slice(content).map_err(|error| DocumentError::Parse {
        name: name.to_owned(),
        line: error.line(),
        column: error.column(),
        exit,
    })
}

fn valid(schema: &'static str, violations: &[Violation]) -> Result<(), DocumentError> {
    if violations.is_empty() {
        return Ok(());
    }
    let mut words: Vec<String> = violations
        .iter()
        .take(SHOWN)
        .map(|violation| format!("{} ({}): {}", violation.pointer, violation.code, violation.message))
        .collect();
    if let Some(rest) = violations.len().checked_sub(SHOWN).filter(|rest| *rest > 0) {
        words.push(format!("{rest} more"));
    }
    Err(DocumentError::Invalid { schema, violations: words.join("; ") })
}
