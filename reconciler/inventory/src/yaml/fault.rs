// SPDX-License-Identifier: AGPL-3.0-or-later
//! A diagnostic before it is known which file it stands in.

use crate::diagnostic::{Severity, Span};

/// How much of the source line may be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Show {
    /// All of it.
    Line,
    /// What stands in front of this column: the key, not its value.
    Before(u32),
    /// Nothing.
    Nothing,
}

/// A diagnostic before it is known which file it stands in.
#[derive(Clone, Debug)]
pub(crate) struct Fault {
    pub(crate) severity: Severity,
    pub(crate) code: &'static str,
    pub(crate) message: String,
    pub(crate) span: Option<Span>,
    pub(crate) hint: Option<String>,
    pub(crate) related: Vec<(&'static str, Span)>,
    pub(crate) show: Show,
}

impl Fault {
    pub(crate) fn error(code: &'static str, span: Span, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            code,
            message: message.into(),
            span: Some(span),
            hint: None,
            related: Vec::new(),
            show: Show::Line,
        }
    }

    pub(crate) fn warning(code: &'static str, span: Span, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(code, span, message) }
    }

    pub(crate) fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    pub(crate) fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}
