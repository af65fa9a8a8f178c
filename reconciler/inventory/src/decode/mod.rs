// SPDX-License-Identifier: AGPL-3.0-or-later
//! From a tree to a typed document: identity, schema, types.
//!
//! Guarantees: everything that is wrong with a document is found in one go; a document with an
//! error is never handed out; nothing out of a Secret or out of template text is in a message.

mod convert;
mod identity;
mod suggest;
mod typed;
mod violations;

pub(crate) use suggest::{closest, did_you_mean};
pub(crate) use typed::Document;

use std::collections::VecDeque;
use std::sync::Arc;

use serde_json::Value;
use shoal_core::inventory::Lines;
use shoal_schema::kinds::KINDS;

use crate::codes;
use crate::diagnostic::{Severity, Span};
use crate::yaml::{self, Fault, Kind, Node, Show};
use identity::identify;

/// What became of one document of a file.
pub(crate) struct Decoded {
    /// The document, where nothing is wrong with it.
    pub(crate) document: Option<Document>,
    /// Its kind and name, where they could be read.
    pub(crate) kind: Option<&'static str>,
    pub(crate) name: Option<String>,
    /// Where its name stands, or where it begins.
    pub(crate) name_span: Span,
    /// What is wrong with it.
    pub(crate) faults: Vec<Fault>,
}

/// Shapes of documents that were read lately: what is of one of them shares its pointers.
#[derive(Default)]
pub(crate) struct Shapes(VecDeque<Lines>);

impl Shapes {
    /// A fleet has few.
    const KEPT: usize = 8;

    fn lines(&mut self, pairs: Vec<(Box<str>, u32)>) -> Lines {
        let lines = Lines::beside(pairs, self.0.iter());
        if !self.0.iter().any(|known| known.is_beside(&lines)) {
            self.0.truncate(Self::KEPT - 1);
            self.0.push_front(lines.clone());
        }
        lines
    }
}

/// Text that goes to a machine, or that only its readers can read: never shown.
const HIDDEN: [&str; 4] = ["/spec/userData/text", "/spec/unattendXml/text", "/spec/ksCfg/text", "/spec/age"];

/// Whether the value at a place may be shown.
pub(crate) fn is_hidden(kind: Option<&str>, pointer: &str) -> bool {
    kind == Some("Secret") || HIDDEN.contains(&pointer)
}

/// Decodes one document of a file that is for documents of the kind `expected`. Nothing where it
/// is empty.
pub(crate) fn decode(
    file: &Arc<str>,
    expected: &str,
    document: yaml::Document<'_>,
    shapes: &mut Shapes,
) -> Option<Decoded> {
    let yaml::Document { root, complete, mut faults } = document;
    let Some(root) = root else {
        // Empty, or broken before its first value.
        return (!faults.is_empty()).then(|| {
            let name_span = faults[0].span.unwrap_or(Span::line_start(1));
            Decoded { document: None, kind: None, name: None, name_span, faults }
        });
    };
    let Kind::Mapping(entries) = &root.kind else {
        faults.push(
            Fault::error(codes::NOT_A_MAPPING, root.span, "a document must be a mapping")
                .with_hint("it begins with `apiVersion: shoal.dev/v1` and `kind:`"),
        );
        let name_span = root.span;
        return Some(Decoded { document: None, kind: None, name: None, name_span, faults });
    };
    let start = entries.first().map_or(root.span, |entry| entry.key_span);
    let identity = identify(&root, start, complete, expected == "Secret", &mut faults);
    let mut decoded = Decoded {
        document: None,
        kind: identity.kind,
        name: identity.name,
        name_span: identity.name_span.unwrap_or(start),
        faults,
    };
    if decoded.kind == Some("Secret") {
        decoded.faults.iter_mut().for_each(|fault| fault.show = Show::Nothing);
    }
    if let (Some(kind), true) = (decoded.kind, complete) {
        check(file, kind, &root, &mut decoded, shapes);
    }
    Some(decoded)
}

/// Checks a complete document of a known kind, and types it where nothing is wrong.
fn check(file: &Arc<str>, kind: &'static str, root: &Node<'_>, decoded: &mut Decoded, shapes: &mut Shapes) {
    let mut converted = convert::convert(root, kind);
    if let (Value::Object(map), Some(entry)) = (&mut converted.value, root.get("status")) {
        map.remove("status");
        decoded.faults.push(
            Fault {
                show: Show::Before(entry.key_span.end_column),
                ..Fault::error(
                    codes::STATUS,
                    entry.key_span,
                    "desired documents have no `status`: it is what Shoal reports",
                )
            }
            .with_hint("remove it; `shoal status` shows it"),
        );
    }
    let violations = shoal_validate::for_kind(kind).map(|validator| validator.check(&converted.value));
    let remarks = converted.remarks;
    violations::report(kind, root, violations.unwrap_or_default(), remarks, &mut decoded.faults);
    if decoded.faults.iter().any(Fault::is_error) {
        return;
    }
    match Document::read(kind, converted.value, file, shapes.lines(converted.lines)) {
        Ok(document) => decoded.document = Some(document),
        Err(pointer) => {
            let found = root.find(&pointer);
            let span = found.value_span();
            decoded.faults.push(Fault {
                show: if is_hidden(Some(kind), &pointer) { Show::Nothing } else { Show::Line },
                ..Fault::error(
                    codes::SCHEMA_RANGE,
                    span,
                    "this value is out of range, or not of the form asked for",
                )
            });
        }
    }
}

/// Whether faults make a document unusable.
pub(crate) fn has_errors(faults: &[Fault]) -> bool {
    faults.iter().any(|fault| fault.severity == Severity::Error)
}

/// The kind of this name, as a word that lives as long as the program.
pub(crate) fn known_kind(name: &str) -> Option<&'static str> {
    KINDS.iter().find(|known| **known == name).copied()
}
