// SPDX-License-Identifier: AGPL-3.0-or-later
//! One thing that is wrong with a document.

use serde::Serialize;

/// One thing that is wrong with a document. It never holds a value of the document.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Violation {
    /// JSON pointer of the value; of the object where a property is missing; of the property
    /// itself where it is unknown.
    #[serde(rename = "path")]
    pub pointer: String,
    /// The schema's keyword: `type`, `required`, `additionalProperties`, `pattern`, `enum`, …
    pub code: &'static str,
    /// What is expected, for people.
    pub message: String,
    /// The property that is unknown or missing.
    #[serde(skip)]
    pub property: Option<String>,
    /// What would have been right: names of fields beside an unknown one, allowed values of an
    /// enumeration, names of fields of which one is missing.
    #[serde(skip)]
    pub candidates: Vec<String>,
    /// A string is expected, and a number, a boolean or null is there: quotes would help.
    #[serde(skip)]
    pub quote: bool,
}

impl Violation {
    pub(crate) fn new(pointer: &str, code: &'static str, message: String) -> Self {
        Self {
            pointer: pointer.to_owned(),
            code,
            message,
            property: None,
            candidates: Vec::new(),
            quote: false,
        }
    }
}

/// Appends a name to a JSON pointer.
pub(crate) fn join(pointer: &str, name: &str) -> String {
    format!("{pointer}/{}", name.replace('~', "~0").replace('/', "~1"))
}
