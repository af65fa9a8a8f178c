// SPDX-License-Identifier: AGPL-3.0-or-later
//! For people:
//!
//! ```text
//! servers/web-01.yaml:14:3: error[yaml.duplicate-key]: the key `name` is here twice
//!    14 |   name: web-02
//!       |   ^^^^
//!       = first here: servers/web-01.yaml:12:3
//!       = hint: remove one of them
//! ```

use std::fmt::Write as _;

use crate::diagnostic::clean;
use crate::{Diagnostic, Severity};

const BOLD: &str = "\u{1b}[1m";
const RED: &str = "\u{1b}[1;31m";
const YELLOW: &str = "\u{1b}[1;33m";
const BLUE: &str = "\u{1b}[1;34m";
const RESET: &str = "\u{1b}[0m";

pub(super) fn render(diagnostics: &[Diagnostic], colour: bool) -> String {
    let mut out = String::new();
    for diagnostic in diagnostics {
        one(diagnostic, colour, &mut out);
    }
    out
}

fn one(diagnostic: &Diagnostic, colour: bool, out: &mut String) {
    let paint = |code: &'static str| if colour { code } else { "" };
    let (word, tint) = match diagnostic.severity {
        Severity::Error => ("error", RED),
        Severity::Warning => ("warning", YELLOW),
        Severity::Info => ("info", BLUE),
    };
    let (bold, tint, reset) = (paint(BOLD), paint(tint), paint(RESET));
    let place = diagnostic.place();
    let _ = writeln!(
        out,
        "{bold}{place}{reset}: {tint}{word}[{}]{reset}: {bold}{}{reset}",
        diagnostic.code, diagnostic.message
    );
    let blue = paint(BLUE);
    if let (Some(span), Some(line)) = (diagnostic.span, &diagnostic.source_line) {
        let _ = writeln!(out, "{blue}{:>5} |{reset} {line}", span.line);
        // Tabs stay tabs, so that the caret stands where the text does.
        let before: String =
            line.chars().take(span.column as usize - 1).map(|c| if c == '\t' { '\t' } else { ' ' }).collect();
        let shown = line.chars().count() as u32 + 1;
        let end = if span.end_line == span.line { span.end_column.min(shown) } else { shown };
        let width = end.saturating_sub(span.column).max(1) as usize;
        if span.column <= shown {
            let _ = writeln!(out, "{blue}      |{reset} {before}{tint}{}{reset}", "^".repeat(width));
        }
    }
    for related in &diagnostic.related {
        let file = clean(&related.file);
        let _ = writeln!(
            out,
            "{blue}      ={reset} {}: {file}:{}:{}",
            related.message, related.span.line, related.span.column
        );
    }
    if let Some(hint) = &diagnostic.hint {
        let _ = writeln!(out, "{blue}      ={reset} hint: {hint}");
    }
}
