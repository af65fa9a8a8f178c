// SPDX-License-Identifier: AGPL-3.0-or-later
//! A diagnostic before its place is known to the column.

use std::sync::Arc;

use shoal_core::inventory::Located;

use crate::diagnostic::{Severity, Subject};

/// What to point at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Aim {
    /// The key.
    Key,
    /// The value.
    Value,
    /// So many bytes into a scalar's text.
    Text(u32),
}

/// A place within a document.
#[derive(Clone, Debug)]
pub(crate) struct At {
    pub(crate) file: Arc<str>,
    pub(crate) pointer: String,
    pub(crate) line: u32,
    pub(crate) aim: Aim,
}

impl At {
    /// The value at a pointer, or the nearest thing around it.
    pub(crate) fn of<T>(document: &Located<T>, pointer: impl Into<String>) -> Self {
        let pointer = pointer.into();
        let line = document.lines.line_of(&pointer);
        Self { file: Arc::clone(&document.file), pointer, line, aim: Aim::Value }
    }

    /// A document's name, where nothing but its line is known.
    pub(crate) fn name(file: &Arc<str>, line: u32) -> Self {
        Self { file: Arc::clone(file), pointer: "/metadata/name".to_owned(), line, aim: Aim::Value }
    }

    /// The key instead of the value.
    pub(crate) fn key(mut self) -> Self {
        self.aim = Aim::Key;
        self
    }

    /// A place within a scalar's text, in bytes from its start.
    pub(crate) fn text(mut self, offset: usize) -> Self {
        self.aim = Aim::Text(offset as u32);
        self
    }
}

/// A name as a token of a JSON pointer.
pub(crate) fn token(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

/// A diagnostic before its place is known to the column.
#[derive(Clone)]
pub(crate) struct Finding {
    pub(crate) severity: Severity,
    pub(crate) code: &'static str,
    pub(crate) message: String,
    /// Where; nothing where what is wrong is that something is not there at all.
    pub(crate) at: Option<At>,
    pub(crate) hint: Option<String>,
    pub(crate) related: Vec<(String, At)>,
    pub(crate) subject: Option<Subject>,
}

impl Finding {
    pub(crate) fn error(code: &'static str, at: At, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            code,
            message: message.into(),
            at: Some(at),
            hint: None,
            related: Vec::new(),
            subject: None,
        }
    }

    pub(crate) fn warning(code: &'static str, at: At, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(code, at, message) }
    }

    pub(crate) fn info(code: &'static str, at: At, message: impl Into<String>) -> Self {
        Self { severity: Severity::Info, ..Self::error(code, at, message) }
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    pub(crate) fn maybe_hint(mut self, hint: Option<String>) -> Self {
        self.hint = hint;
        self
    }

    pub(crate) fn related(mut self, message: impl Into<String>, at: At) -> Self {
        self.related.push((message.into(), at));
        self
    }

    /// The other places of something that is there more than once, the first few of them.
    pub(crate) fn others<T>(
        mut self,
        all: &[T],
        index: usize,
        describe: impl Fn(&T) -> (String, At),
    ) -> Self {
        const TOLD: usize = 8;
        let others = all.iter().enumerate().filter(|(other, _)| *other != index).map(|(_, other)| other);
        self.related.extend(others.take(TOLD).map(describe));
        self
    }

    pub(crate) fn about(mut self, kind: &'static str, name: &str) -> Self {
        self.subject = Some(Subject { kind, name: name.to_owned() });
        self
    }

    pub(crate) fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}
