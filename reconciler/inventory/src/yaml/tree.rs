// SPDX-License-Identifier: AGPL-3.0-or-later
//! A document as a tree in which everything knows where it stands.

use std::borrow::Cow;

use crate::diagnostic::Span;

/// A value.
#[derive(Clone, Debug)]
pub(crate) struct Node<'a> {
    /// Where it stands. A block mapping or sequence has no width: its first entry is there.
    pub(crate) span: Span,
    pub(crate) kind: Kind<'a>,
}

#[derive(Clone, Debug)]
pub(crate) enum Kind<'a> {
    Scalar(Cow<'a, str>, Style),
    Sequence(Vec<Node<'a>>),
    Mapping(Vec<Entry<'a>>),
}

/// How a scalar is written, as far as it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    /// Without quotes: may be a number, a boolean or null.
    Plain,
    /// In quotes: always text.
    Quoted,
    /// `|` or `>`: always text, on lines of its own.
    Block,
}

/// A key with its value.
#[derive(Clone, Debug)]
pub(crate) struct Entry<'a> {
    pub(crate) key: Cow<'a, str>,
    pub(crate) key_span: Span,
    pub(crate) value: Node<'a>,
}

/// What a JSON pointer leads to.
#[derive(Clone, Copy)]
pub(crate) struct Found<'t, 'a> {
    /// The entry that holds it, or the nearest entry around it.
    pub(crate) entry: Option<&'t Entry<'a>>,
    /// The value, or the nearest one around it.
    pub(crate) node: &'t Node<'a>,
    /// Whether all of the pointer was followed.
    pub(crate) exact: bool,
}

impl<'a> Node<'a> {
    /// A scalar's text.
    pub(crate) fn text(&self) -> Option<&str> {
        match &self.kind {
            Kind::Scalar(text, _) => Some(text),
            _ => None,
        }
    }

    /// The value of a key.
    pub(crate) fn get(&self, key: &str) -> Option<&Entry<'a>> {
        match &self.kind {
            Kind::Mapping(entries) => entries.iter().find(|entry| entry.key == key),
            _ => None,
        }
    }

    /// Follows a JSON pointer as far as it leads.
    pub(crate) fn find(&self, pointer: &str) -> Found<'_, 'a> {
        let mut found = Found { entry: None, node: self, exact: true };
        for token in pointer.split('/').skip(1) {
            let name: Cow<'_, str> = if token.contains('~') {
                token.replace("~1", "/").replace("~0", "~").into()
            } else {
                token.into()
            };
            match &found.node.kind {
                Kind::Mapping(_) => match found.node.get(&name) {
                    Some(entry) => found = Found { entry: Some(entry), node: &entry.value, exact: true },
                    None => return Found { exact: false, ..found },
                },
                Kind::Sequence(items) => {
                    match name.parse::<usize>().ok().and_then(|index| items.get(index)) {
                        Some(item) => found = Found { entry: None, node: item, exact: true },
                        None => return Found { exact: false, ..found },
                    }
                }
                Kind::Scalar(..) => return Found { exact: false, ..found },
            }
        }
        found
    }

    /// How many nodes there are, this one included.
    pub(crate) fn count(&self) -> usize {
        1 + match &self.kind {
            Kind::Scalar(..) => 0,
            Kind::Sequence(items) => items.iter().map(Node::count).sum(),
            Kind::Mapping(entries) => entries.iter().map(|entry| entry.value.count()).sum(),
        }
    }
}

impl Found<'_, '_> {
    /// What to point at: a scalar itself, a mapping's or sequence's key.
    pub(crate) fn value_span(&self) -> Span {
        match (&self.node.kind, self.entry) {
            (Kind::Scalar(text, Style::Plain), Some(entry)) if text.is_empty() => entry.key_span,
            (Kind::Scalar(_, Style::Block) | Kind::Mapping(_) | Kind::Sequence(_), Some(entry)) => {
                entry.key_span
            }
            (Kind::Mapping(entries), None) => entries.first().map_or(self.node.span, |entry| entry.key_span),
            _ => self.node.span,
        }
    }

    /// The key, or the value where it stands in a sequence.
    pub(crate) fn key_span(&self) -> Span {
        self.entry.map_or_else(|| self.value_span(), |entry| entry.key_span)
    }
}
