// SPDX-License-Identifier: AGPL-3.0-or-later
//! From a tree to a JSON value, with the line of everything, and remarks on scalars that are not
//! what they look like.

use serde_json::{Map, Value};

use crate::yaml::scalar::{Core, Misread, core, misread};
use crate::yaml::{Kind, Node, Style};

pub(crate) struct Converted {
    pub(crate) value: Value,
    /// Lines by JSON pointer: of the key, or of the entry in a sequence.
    pub(crate) lines: Vec<(Box<str>, u32)>,
    pub(crate) remarks: Vec<Remark>,
}

/// Something about a scalar at a place.
pub(crate) struct Remark {
    pub(crate) pointer: String,
    pub(crate) what: Odd,
}

/// What is odd about a scalar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Odd {
    /// It says nothing.
    Null,
    /// A number with a leading zero: decimal here, octal elsewhere.
    Octal,
    /// No finite number.
    NotFinite,
    /// Text here, something else in YAML 1.1.
    Misread(Misread),
}

pub(crate) fn convert(root: &Node<'_>, kind: &str) -> Converted {
    let mut walk = Walk { pointer: String::new(), lines: Vec::with_capacity(48), remarks: Vec::new(), kind };
    let first = match &root.kind {
        Kind::Mapping(entries) => entries.first().map_or(root.span.line, |entry| entry.key_span.line),
        _ => root.span.line,
    };
    walk.lines.push((Box::from(""), first));
    let value = walk.node(root);
    Converted { value, lines: walk.lines, remarks: walk.remarks }
}

struct Walk<'k> {
    pointer: String,
    lines: Vec<(Box<str>, u32)>,
    remarks: Vec<Remark>,
    kind: &'k str,
}

impl Walk<'_> {
    fn node(&mut self, node: &Node<'_>) -> Value {
        match &node.kind {
            Kind::Scalar(text, Style::Plain) => self.plain(text),
            Kind::Scalar(text, _) => Value::String(text.clone().into_owned()),
            Kind::Sequence(items) => Value::Array(
                items
                    .iter()
                    .enumerate()
                    .map(|(index, item)| {
                        let line = match &item.kind {
                            Kind::Mapping(entries) => {
                                entries.first().map_or(item.span.line, |entry| entry.key_span.line)
                            }
                            _ => item.span.line,
                        };
                        self.inner(&index.to_string(), line, item)
                    })
                    .collect(),
            ),
            Kind::Mapping(entries) => {
                let mut map = Map::with_capacity(entries.len());
                for entry in entries {
                    let value = self.inner(&entry.key, entry.key_span.line, &entry.value);
                    map.insert(entry.key.clone().into_owned(), value);
                }
                Value::Object(map)
            }
        }
    }

    fn inner(&mut self, name: &str, line: u32, node: &Node<'_>) -> Value {
        let length = self.pointer.len();
        self.pointer.push('/');
        if name.contains(['~', '/']) {
            self.pointer.push_str(&name.replace('~', "~0").replace('/', "~1"));
        } else {
            self.pointer.push_str(name);
        }
        self.lines.push((self.pointer.as_str().into(), line));
        let value = self.node(node);
        self.pointer.truncate(length);
        value
    }

    fn plain(&mut self, text: &str) -> Value {
        let meaning = core(text);
        let odd = match &meaning {
            Core::Null => Some(Odd::Null),
            Core::NotFinite => Some(Odd::NotFinite),
            Core::Number(_) if misread(text) == Some(Misread::Octal) => Some(Odd::Octal),
            Core::Number(_) | Core::Bool(_) => None,
            Core::Text => misread(text).filter(|_| !self.is_expected(text)).map(Odd::Misread),
        };
        if let Some(what) = odd {
            self.remarks.push(Remark { pointer: self.pointer.clone(), what });
        }
        meaning.into_value(text)
    }

    /// Places where our own documentation writes such a scalar without quotes: the values of
    /// `power`, and times.
    fn is_expected(&self, text: &str) -> bool {
        match self.kind {
            "Server" => match self.pointer.as_str() {
                "/spec/power" => matches!(text, "On" | "Off"),
                "/spec/suspend/until" => misread(text) == Some(Misread::Date),
                _ => false,
            },
            "Fleet" => self.pointer == "/spec/defaults/power" && matches!(text, "On" | "Off"),
            "Approval" => self.pointer == "/spec/expires" && misread(text) == Some(Misread::Date),
            _ => false,
        }
    }
}
