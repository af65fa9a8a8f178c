// SPDX-License-Identifier: AGPL-3.0-or-later
//! What is wrong with an inventory, and where.

use std::sync::Arc;

use serde::Serialize;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The document cannot be used, or what it asks for cannot be done.
    Error,
    /// It can be used, and is likely not what was meant.
    Warning,
    /// Worth knowing.
    Info,
}

/// A range within a file. Lines and columns count from 1; columns count characters (code points),
/// and the end is exclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Span {
    /// Line of the first character.
    pub line: u32,
    /// Column of the first character.
    pub column: u32,
    /// Line of the end.
    pub end_line: u32,
    /// Column behind the last character.
    pub end_column: u32,
}

impl Span {
    /// The start of a line, of no width.
    pub const fn line_start(line: u32) -> Self {
        Self { line, column: 1, end_line: line, end_column: 1 }
    }
}

/// Another place that has to do with it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Related {
    /// What is there: `first here`.
    pub message: String,
    /// Path within the repository.
    #[serde(serialize_with = "text")]
    pub file: Arc<str>,
    /// Where in the file.
    pub span: Span,
}

/// `Arc<str>` serialises only with a feature of serde that nothing else here needs.
fn text<S: serde::Serializer>(text: &Arc<str>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(text)
}

/// Which document it concerns.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Subject {
    /// `Server`, `Recipe`, …
    pub kind: &'static str,
    /// The document's name.
    pub name: String,
}

/// One thing that is wrong. Text in here is fit for a terminal: control characters, and such as
/// reorder text, are escaped. No value of a Secret and no text of a template is ever in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// One of [`crate::codes`].
    pub code: &'static str,
    /// What is wrong: lower case, no full stop at the end.
    pub message: String,
    /// Path within the repository.
    #[serde(serialize_with = "text")]
    pub file: Arc<str>,
    /// Where in the file; nothing where it is the file as a whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub span: Option<Span>,
    /// The line of `span`, or as much of it as may be shown, tabs as they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_line: Option<String>,
    /// What to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// Other places that have to do with it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub related: Vec<Related>,
    /// Which document it concerns, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<Subject>,
}

impl Diagnostic {
    /// `file:line:column`, or the file alone.
    pub fn place(&self) -> String {
        let file = clean(&self.file);
        self.span.map_or_else(|| file.clone(), |span| format!("{file}:{}:{}", span.line, span.column))
    }

    /// The order in which diagnostics are listed: by file, place, severity, code and message.
    pub(crate) fn order(&self, other: &Self) -> std::cmp::Ordering {
        let key = |d: &Self| (d.span, d.severity, d.code);
        (self.file.as_ref().cmp(other.file.as_ref()))
            .then_with(|| key(self).cmp(&key(other)))
            .then_with(|| self.message.cmp(&other.message))
            .then_with(|| self.related.cmp(&other.related))
    }
}

/// Escapes what a terminal would act on and what hides or reorders text.
pub(crate) fn clean(text: &str) -> String {
    let harmless = |c: char| c == '\t' || !(c.is_control() || is_invisible(c));
    if text.chars().all(harmless) {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if harmless(c) {
            out.push(c);
        } else {
            out.extend(c.escape_unicode());
        }
    }
    out
}

/// Characters that reorder the text around them, or that cannot be seen: a reviewer would approve
/// something else than what is read.
pub(crate) fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}'
        | '\u{61c}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// A name out of a document, for a message: not too long, nothing that a terminal acts on.
pub(crate) fn shown(name: &str) -> String {
    const MAX: usize = 80;
    let mut text = clean(name);
    if text.chars().count() > MAX {
        text = text.chars().take(MAX).collect();
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_never_sees_what_it_would_act_on() {
        assert_eq!(clean("a\u{1b}[31mb\nc\td"), "a\\u{1b}[31mb\\u{a}c\td");
        assert_eq!(clean("x\u{202e}y\u{200b}"), "x\\u{202e}y\\u{200b}");
        assert_eq!(clean("é€𐍈"), "é€𐍈");
        assert_eq!(shown(&"x".repeat(100)).chars().count(), 81);
    }
}
