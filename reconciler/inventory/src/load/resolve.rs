// SPDX-License-Identifier: AGPL-3.0-or-later
//! From findings to diagnostics: the exact span and the source line of a place.
//!
//! Typed documents know lines only. The files that findings point into are read and parsed once
//! more, and what was found is kept with the file, so that a warning that stays costs nothing.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use super::file::source_line;
use super::list::File;
use crate::Diagnostic;
use crate::check::{Aim, At, Finding};
use crate::decode::is_hidden;
use crate::diagnostic::{Related, Span, clean};
use crate::source::FileSource;
use crate::yaml::{self, Kind, Lines, Node, Show, Style};

/// Places of one file that were looked up.
pub(crate) type Spots = HashMap<Key, Spot>;

/// A place within a file.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    pointer: String,
    line: u32,
    aim: Aim,
}

/// What is there.
#[derive(Clone, Debug)]
pub(crate) struct Spot {
    span: Span,
    source_line: Option<String>,
}

impl Key {
    fn of(at: &At) -> Self {
        Self { pointer: at.pointer.clone(), line: at.line, aim: at.aim }
    }
}

pub(crate) fn resolve(
    findings: Vec<Finding>,
    source: &dyn FileSource,
    files: &mut [File],
) -> Vec<Diagnostic> {
    let mut wanted: BTreeMap<&str, HashSet<Key>> = BTreeMap::new();
    for finding in &findings {
        for at in finding.at.iter().chain(finding.related.iter().map(|(_, at)| at)) {
            wanted.entry(&at.file).or_default().insert(Key::of(at));
        }
    }
    let mut found: HashMap<Arc<str>, Spots> = HashMap::new();
    for (path, keys) in wanted {
        let Ok(index) = files.binary_search_by(|file| (*file.entry.path).cmp(path)) else { continue };
        let file = &mut files[index];
        let Some(known) = &mut file.known else { continue };
        if keys.iter().any(|key| !known.spots.contains_key(key)) {
            // Gone or changed since: lines are still right for what was parsed.
            let Ok(bytes) = source.read(&file.entry) else { continue };
            look_up(&bytes, &keys, &mut known.spots);
        }
        let spots = keys.into_iter().filter_map(|key| known.spots.get(&key).cloned().map(|spot| (key, spot)));
        found.insert(Arc::clone(&file.entry.path), spots.collect());
    }
    findings.into_iter().map(|finding| diagnostic(finding, &found)).collect()
}

fn diagnostic(finding: Finding, known: &HashMap<Arc<str>, Spots>) -> Diagnostic {
    let spot = |at: &At| known.get(&at.file).and_then(|spots| spots.get(&Key::of(at)));
    let span = |at: &At| spot(at).map_or(Span::line_start(at.line), |spot| spot.span);
    let related = finding
        .related
        .iter()
        .map(|(message, at)| Related { message: message.clone(), file: Arc::clone(&at.file), span: span(at) })
        .collect();
    Diagnostic {
        severity: finding.severity,
        code: finding.code,
        message: clean(&finding.message),
        file: finding.at.as_ref().map_or_else(|| Arc::from("shoal.yaml"), |at| Arc::clone(&at.file)),
        span: finding.at.as_ref().map(span),
        source_line: finding.at.as_ref().and_then(spot).and_then(|spot| spot.source_line.clone()),
        hint: finding.hint.map(|hint| clean(&hint)),
        related,
        subject: finding.subject,
    }
}

fn look_up(bytes: &[u8], keys: &HashSet<Key>, spots: &mut Spots) {
    let Ok((text, _)) = yaml::decode(bytes) else { return };
    let lines = Lines::new(&text);
    let documents = yaml::read(&text, &lines);
    let roots: Vec<(u32, &Node<'_>)> = documents
        .iter()
        .filter_map(|document| document.root.as_ref())
        .map(|root| (root.find("").value_span().line, root))
        .collect();
    for key in keys {
        let root = roots.iter().rev().find(|(start, _)| *start <= key.line).or_else(|| roots.first());
        if let Some((_, root)) = root {
            spots.insert(key.clone(), spot(root, key, &lines));
        }
    }
}

fn spot(root: &Node<'_>, key: &Key, lines: &Lines<'_>) -> Spot {
    let kind = root.get("kind").and_then(|entry| entry.value.text());
    let found = root.find(&key.pointer);
    if let (Aim::Text(offset), Kind::Scalar(text, style)) = (key.aim, &found.node.kind) {
        // Text of a template is not shown, only where it is wrong.
        let line = line_in_text(found.node.span.line, text, *style, offset as usize);
        return Spot { span: Span::line_start(line), source_line: None };
    }
    let span = match key.aim {
        Aim::Key => found.key_span(),
        Aim::Value | Aim::Text(_) => found.value_span(),
    };
    let show = match found.entry {
        _ if !is_hidden(kind, &key.pointer) => Show::Line,
        Some(entry) => Show::Before(entry.key_span.end_column),
        None => Show::Nothing,
    };
    Spot { span, source_line: source_line(lines, span, show) }
}

/// The line of a place within a scalar's text. Exact for `|`; within `>` and quotes lines are
/// folded, and the start is as near as it gets.
fn line_in_text(start: u32, text: &str, style: Style, offset: usize) -> u32 {
    if style != Style::Block {
        return start;
    }
    let breaks = |text: &str| text.bytes().filter(|b| *b == b'\n').count() as u32;
    let leading = text.len() - text.trim_start_matches('\n').len();
    let before = text.get(..offset).map_or(0, breaks);
    // The span starts at the first line that is not empty.
    (start + before).saturating_sub(leading as u32).max(1)
}
