// SPDX-License-Identifier: AGPL-3.0-or-later
//! From a checked JSON value to the type of its kind.

use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde_json::Value;
use shoal_core::inventory::{Lines, Located};
use shoal_schema::kinds::{Approval, Fleet, Image, Recipe, Secret, Server};
use shoal_schema::size::ByteSize;

/// A document of any kind.
#[derive(Clone)]
pub(crate) enum Document {
    Fleet(Arc<Located<Fleet>>),
    Server(Arc<Located<Server>>),
    Recipe(Arc<Located<Recipe>>),
    Image(Arc<Located<Image>>),
    Secret(Arc<Located<Secret>>),
    Approval(Arc<Located<Approval>>),
}

impl Document {
    /// Reads a value that its schema accepts. The error is the pointer to what the type refuses
    /// all the same, such as a size over 2^64 bytes.
    pub(crate) fn read(kind: &str, value: Value, file: &Arc<str>, lines: Lines) -> Result<Self, String> {
        Ok(match kind {
            "Fleet" => Self::Fleet(located(value, file, lines)?),
            "Server" => Self::Server(located(value, file, lines)?),
            "Recipe" => Self::Recipe(located(value, file, lines)?),
            "Image" => Self::Image(located(value, file, lines)?),
            "Secret" => Self::Secret(located(value, file, lines)?),
            "Approval" => Self::Approval(located(value, file, lines)?),
            _ => return Err(String::new()),
        })
    }
}

fn located<T: DeserializeOwned>(
    value: Value,
    file: &Arc<str>,
    lines: Lines,
) -> Result<Arc<Located<T>>, String> {
    // The error's own text may hold a value: it is not used.
    match T::deserialize(&value) {
        Ok(value) => Ok(Arc::new(Located { value, file: Arc::clone(file), lines })),
        Err(_) => Err(size_beyond_range(&value, String::new()).unwrap_or_default()),
    }
}

/// The pointer to a size that has the right form and is more than 2^64 bytes: all that types
/// refuse beyond their schemas.
fn size_beyond_range(value: &Value, pointer: String) -> Option<String> {
    match value {
        Value::String(text) => {
            let digits = text.strip_suffix(['K', 'M', 'G', 'T'])?;
            let sized = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
            (sized && ByteSize::parse(text).is_err()).then_some(pointer)
        }
        Value::Array(items) => items
            .iter()
            .enumerate()
            .find_map(|(index, item)| size_beyond_range(item, format!("{pointer}/{index}"))),
        Value::Object(map) => map.iter().find_map(|(key, item)| {
            size_beyond_range(item, format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1")))
        }),
        _ => None,
    }
}
