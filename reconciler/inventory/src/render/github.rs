// SPDX-License-Identifier: AGPL-3.0-or-later
//! Workflow commands of GitHub Actions: `::error file=…,line=…::message`.

use std::fmt::Write as _;

use crate::{Diagnostic, Severity};

pub(super) fn render(diagnostics: &[Diagnostic]) -> String {
    let mut out = String::new();
    for diagnostic in diagnostics {
        let command = match diagnostic.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Info => "notice",
        };
        let mut properties = format!("file={}", property(&diagnostic.file));
        if let Some(span) = diagnostic.span {
            let _ = write!(properties, ",line={},endLine={}", span.line, span.end_line);
            // Columns are accepted within one line only.
            if span.line == span.end_line {
                let end = span.end_column.max(span.column + 1) - 1;
                let _ = write!(properties, ",col={},endColumn={end}", span.column);
            }
        }
        let _ = write!(properties, ",title={}", property(diagnostic.code));
        let mut message = diagnostic.message.clone();
        for related in &diagnostic.related {
            let _ = write!(message, "\n{}: {}:{}", related.message, related.file, related.span.line);
        }
        if let Some(hint) = &diagnostic.hint {
            let _ = write!(message, "\nhint: {hint}");
        }
        let _ = writeln!(out, "::{command} {properties}::{}", data(&message));
    }
    out
}

/// As the runner's own toolkit escapes a message.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// As the runner's own toolkit escapes a property.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}
