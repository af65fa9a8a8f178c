// SPDX-License-Identifier: AGPL-3.0-or-later
//! One file: from bytes to documents and diagnostics.

use std::sync::Arc;

use shoal_schema::Sha256;

use super::Place;
use crate::Diagnostic;
use crate::codes;
use crate::decode::{self, Decoded, Document, Shapes};
use crate::diagnostic::{Related, Severity, Span, Subject, clean, shown};
use crate::yaml::{self, Fault, Lines, Show};

/// What a file holds.
pub(crate) struct Parsed {
    /// The digest of its content.
    pub(crate) sha256: Sha256,
    /// The documents with which nothing is wrong.
    pub(crate) documents: Vec<Document>,
    /// The documents with which something is, as far as they have a name.
    pub(crate) broken: Vec<Broken>,
    /// The kinds of documents that may be in here unseen.
    pub(crate) hides: Option<&'static str>,
    /// What is wrong.
    pub(crate) diagnostics: Vec<Diagnostic>,
}

/// A document that cannot be used.
pub(crate) struct Broken {
    pub(crate) kind: &'static str,
    pub(crate) name: String,
    pub(crate) span: Span,
}

/// So much is said about one file.
const MAX_DIAGNOSTICS: usize = 500;

/// Parses a file. `sha256` is the digest of `bytes`.
pub(crate) fn parse(
    path: &Arc<str>,
    place: Place,
    bytes: &[u8],
    sha256: Sha256,
    shapes: &mut Shapes,
) -> Parsed {
    let mut parsed =
        Parsed { sha256, documents: Vec::new(), broken: Vec::new(), hides: None, diagnostics: Vec::new() };
    let Place::For(expected) = place else {
        parsed.diagnostics.extend(misplaced(path, bytes));
        return parsed;
    };
    let (text, faults) = match yaml::decode(bytes) {
        Ok(decoded) => decoded,
        Err(fault) => {
            parsed.hides = Some(expected);
            parsed.diagnostics.push(diagnostic(path, fault, &Lines::new(""), None));
            return parsed;
        }
    };
    let lines = Lines::new(&text);
    let bad_text = decode::has_errors(&faults);
    let in_secrets = expected == "Secret";
    parsed.diagnostics.extend(faults.into_iter().map(|fault| diagnostic(path, fault, &lines, None)));
    let mut count = 0;
    for document in yaml::read(&text, &lines) {
        let Some(decoded) = decode::decode(path, expected, document, shapes) else { continue };
        count += 1;
        one(path, expected, bad_text, in_secrets, decoded, &lines, &mut parsed);
    }
    if count == 0 && parsed.diagnostics.is_empty() {
        let fault = Fault::warning(codes::EMPTY, Span::line_start(1), "there is no document in this file")
            .with_hint("remove the file if nothing is meant to be here");
        parsed.diagnostics.push(diagnostic(path, Fault { span: None, ..fault }, &lines, None));
    }
    parsed.diagnostics.sort_by(Diagnostic::order);
    parsed.diagnostics.dedup();
    let more = parsed.diagnostics.len().saturating_sub(MAX_DIAGNOSTICS);
    if more > 0 {
        // An error is kept as long as there is one: dropping a warning makes nothing valid.
        parsed.diagnostics.sort_by_key(|diagnostic| diagnostic.severity);
        let worst = parsed.diagnostics[MAX_DIAGNOSTICS].severity;
        parsed.diagnostics.truncate(MAX_DIAGNOSTICS);
        let span = Span::line_start(lines.count());
        let fault = Fault {
            severity: worst,
            show: Show::Nothing,
            ..Fault::error(codes::SCHEMA_OTHER, span, format!("and {more} more in this file"))
        };
        parsed.diagnostics.push(diagnostic(path, fault, &lines, None));
        parsed.diagnostics.sort_by(Diagnostic::order);
    }
    parsed
}

fn one(
    path: &Arc<str>,
    expected: &'static str,
    bad_text: bool,
    in_secrets: bool,
    decoded: Decoded,
    lines: &Lines<'_>,
    parsed: &mut Parsed,
) {
    let Decoded { document, kind, name, name_span, mut faults } = decoded;
    if let Some(kind) = kind
        && kind != expected
    {
        let article = if kind.starts_with(['A', 'I']) { "an" } else { "a" };
        let message = format!("{article} {kind} does not belong here, but in {}", Place::belongs(kind));
        let fault = Fault::error(codes::DIRECTORY, name_span, message);
        faults.push(fault.with_hint("who may change what is decided by directory"));
    }
    let broken = bad_text || decode::has_errors(&faults);
    let subject = kind.zip(name.clone()).map(|(kind, name)| Subject { kind, name: shown(&name) });
    for mut fault in faults {
        // What stands among the secrets may be one, whatever it calls itself.
        if in_secrets && kind != Some("Secret") {
            fault.show = Show::Nothing;
        }
        parsed.diagnostics.push(diagnostic(path, fault, lines, subject.clone()));
    }
    match (broken, document, kind, name) {
        (false, Some(document), ..) => parsed.documents.push(document),
        (_, _, Some(kind), Some(name)) => parsed.broken.push(Broken { kind, name, span: name_span }),
        (_, _, kind, _) => parsed.hides = Some(kind.unwrap_or(expected)),
    }
}

/// A fault with its file and source line.
pub(crate) fn diagnostic(
    path: &Arc<str>,
    fault: Fault,
    lines: &Lines<'_>,
    subject: Option<Subject>,
) -> Diagnostic {
    Diagnostic {
        severity: fault.severity,
        code: fault.code,
        message: clean(&fault.message),
        file: Arc::clone(path),
        source_line: fault.span.and_then(|span| source_line(lines, span, fault.show)),
        span: fault.span,
        hint: fault.hint.map(|hint| clean(&hint)),
        related: fault
            .related
            .into_iter()
            .map(|(message, span)| Related { message: message.to_owned(), file: Arc::clone(path), span })
            .collect(),
        subject,
    }
}

/// The line of a span, as much of it as may be shown and as fits.
pub(crate) fn source_line(lines: &Lines<'_>, span: Span, show: Show) -> Option<String> {
    const MAX: usize = 200;
    let line = lines.get(span.line)?;
    let (text, cut) = match show {
        Show::Nothing => return None,
        Show::Line => (line.chars().take(MAX).collect::<String>(), line.chars().count() > MAX),
        // The key stands in front of this column, its value behind it; where another value may
        // stand before the key, nothing is shown.
        Show::Before(column) => {
            let text: String = line.chars().take(column as usize - 1).collect();
            let key = text.trim_start_matches([' ', '\t', '-']);
            if key.contains([':', '{', '[', ',']) {
                return None;
            }
            (text, true)
        }
    };
    if text.is_empty() {
        return None;
    }
    // One character for each: the caret counts them.
    let mut text: String =
        text.chars()
            .map(|c| {
                if c != '\t' && (c.is_control() || crate::diagnostic::is_invisible(c)) {
                    '\u{fffd}'
                } else {
                    c
                }
            })
            .collect();
    if cut {
        text.push_str(" …");
    }
    Some(text)
}

/// A file that is not read, and looks as if it were meant to be.
fn misplaced(path: &Arc<str>, bytes: &[u8]) -> Option<Diagnostic> {
    const MARK: &[u8] = b"apiVersion: shoal.dev/";
    let found = bytes.starts_with(MARK)
        || bytes.windows(MARK.len() + 1).any(|window| window[0] == b'\n' && &window[1..] == MARK);
    found.then(|| Diagnostic {
        severity: Severity::Warning,
        code: codes::MISPLACED,
        message: "this looks like a document of ours, and is not read".to_owned(),
        file: Arc::clone(path),
        span: None,
        source_line: None,
        hint: Some(
            "read are shoal.yaml and *.yaml below servers/, recipes/, images/, secrets/ and approvals/"
                .to_owned(),
        ),
        related: Vec::new(),
        subject: None,
    })
}
