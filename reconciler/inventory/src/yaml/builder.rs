// SPDX-License-Identifier: AGPL-3.0-or-later
//! From parser events to one tree, strictly.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use saphyr_parser::{Event, ScalarStyle};

use super::fault::Show;
use super::read::Document;
use super::{Entry, Fault, Kind, Node, Style};
use crate::codes;
use crate::diagnostic::{Span, shown};

/// No honest document of ours is nested deeper; what walks the tree recurses.
const MAX_DEPTH: usize = 64;

/// What anchors and aliases may add to a document, in nodes.
pub(super) const MAX_EXPANSION: usize = 10_000;

/// From here on keys are looked up by hash: a large mapping must not cost the square of its size.
const HASHED_FROM: usize = 16;

pub(super) fn too_deep(span: Span) -> Fault {
    Fault::error(codes::DEPTH, span, format!("nested more than {MAX_DEPTH} levels deep"))
}

/// A mapping or sequence that is not finished.
struct Frame<'a> {
    span: Span,
    anchor: usize,
    /// It stands where a key must be, and is thrown away when finished.
    is_key: bool,
    content: Content<'a>,
}

enum Content<'a> {
    Sequence(Vec<Node<'a>>),
    Mapping { entries: Vec<Entry<'a>>, key: Option<Key<'a>>, seen: HashSet<String> },
}

/// A key that waits for its value.
struct Key<'a> {
    text: Cow<'a, str>,
    span: Span,
    /// Whether the entry is kept: not so after a refused or repeated key.
    keep: bool,
}

pub(super) struct Builder<'a> {
    frames: Vec<Frame<'a>>,
    root: Option<Node<'a>>,
    pub(super) faults: Vec<Fault>,
    anchors: HashMap<usize, Node<'a>>,
    expanded: usize,
    pub(super) lines_before: u32,
    /// The line where the document begins.
    pub(super) begun: u32,
    /// So many levels too deep: events are counted and ignored.
    beyond: usize,
}

impl<'a> Builder<'a> {
    pub(super) fn new(lines_before: u32) -> Self {
        Self {
            frames: Vec::new(),
            root: None,
            faults: Vec::new(),
            anchors: HashMap::new(),
            expanded: 0,
            lines_before,
            begun: lines_before + 1,
            beyond: 0,
        }
    }

    pub(super) fn span(&self, span: saphyr_parser::Span) -> Span {
        Span {
            line: span.start.line() as u32 + self.lines_before,
            column: span.start.col() as u32 + 1,
            end_line: span.end.line() as u32 + self.lines_before,
            end_column: span.end.col() as u32 + 1,
        }
    }

    pub(super) fn event(&mut self, event: Event<'a>, span: Span) {
        match event {
            Event::SequenceStart(..) | Event::MappingStart(..) if self.beyond > 0 => self.beyond += 1,
            Event::SequenceEnd | Event::MappingEnd if self.beyond > 0 => self.beyond -= 1,
            _ if self.beyond > 0 => {}
            Event::Scalar(text, style, anchor, tag) => {
                self.refuse_tag(tag.is_some(), span);
                let style = match style {
                    ScalarStyle::Plain => Style::Plain,
                    ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted => Style::Quoted,
                    ScalarStyle::Literal | ScalarStyle::Folded => Style::Block,
                };
                if self.wants_key() {
                    self.key(text, style, span);
                } else {
                    self.value(Node { span, kind: Kind::Scalar(text, style) }, anchor);
                }
            }
            Event::Alias(id) => self.alias(id, span),
            Event::SequenceStart(anchor, tag) => {
                self.refuse_tag(tag.is_some(), span);
                self.open(span, anchor, Content::Sequence(Vec::new()));
            }
            Event::MappingStart(anchor, tag) => {
                self.refuse_tag(tag.is_some(), span);
                let content = Content::Mapping { entries: Vec::new(), key: None, seen: HashSet::new() };
                self.open(span, anchor, content);
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(span),
            Event::Nothing
            | Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(_)
            | Event::DocumentEnd => {}
        }
    }

    fn refuse_tag(&mut self, tagged: bool, span: Span) {
        if tagged {
            self.faults.push(
                Fault::error(codes::TAG, span, "tags are not allowed")
                    .with_hint("remove the tag; quote the value where it must be text"),
            );
        }
    }

    fn wants_key(&self) -> bool {
        matches!(self.frames.last(), Some(Frame { content: Content::Mapping { key: None, .. }, .. }))
    }

    fn open(&mut self, span: Span, anchor: usize, content: Content<'a>) {
        let is_key = self.wants_key();
        if is_key {
            self.faults.push(Fault::error(codes::KEY_NOT_TEXT, span, "a key must be text, not a collection"));
        }
        if self.frames.len() >= MAX_DEPTH {
            self.faults.push(too_deep(span));
            self.beyond = 1;
            if is_key {
                self.set_key(Key { text: Cow::default(), span, keep: false });
            } else {
                self.value(Node { span, kind: Kind::Scalar(Cow::default(), Style::Quoted) }, 0);
            }
            return;
        }
        self.frames.push(Frame { span, anchor, is_key, content });
    }

    fn close(&mut self, end: Span) {
        let Some(frame) = self.frames.pop() else { return };
        let span = Span { end_line: end.end_line, end_column: end.end_column, ..frame.span };
        let node = match frame.content {
            Content::Sequence(items) => Node { span, kind: Kind::Sequence(items) },
            Content::Mapping { entries, .. } => Node { span, kind: Kind::Mapping(entries) },
        };
        if frame.is_key {
            self.set_key(Key { text: Cow::default(), span, keep: false });
        } else {
            self.value(node, frame.anchor);
        }
    }

    fn value(&mut self, node: Node<'a>, anchor: usize) {
        if anchor > 0 && self.afford(node.count(), node.span) {
            self.anchors.insert(anchor, node.clone());
        }
        match self.frames.last_mut().map(|frame| &mut frame.content) {
            None => self.root = Some(node),
            Some(Content::Sequence(items)) => items.push(node),
            Some(Content::Mapping { entries, key, .. }) => {
                if let Some(Key { text, span, keep: true }) = key.take() {
                    entries.push(Entry { key: text, key_span: span, value: node });
                }
            }
        }
    }

    /// Whether the document may grow by so many nodes.
    fn afford(&mut self, nodes: usize, span: Span) -> bool {
        let before = self.expanded;
        self.expanded += nodes;
        if self.expanded > MAX_EXPANSION && before <= MAX_EXPANSION {
            let message = format!("aliases make the document grow by more than {MAX_EXPANSION} values");
            self.faults.push(Fault::error(codes::ALIAS_BOMB, span, message));
        }
        self.expanded <= MAX_EXPANSION
    }

    fn alias(&mut self, id: usize, span: Span) {
        let text = Node { span, kind: Kind::Scalar(Cow::default(), Style::Quoted) };
        let node = match self.anchors.get(&id) {
            Some(node) => {
                let count = node.count();
                if self.afford(count, span) {
                    self.anchors.get(&id).map_or(text, |node| Node { span, ..node.clone() })
                } else {
                    text
                }
            }
            None if self.expanded > MAX_EXPANSION => text,
            None => {
                let message = "an alias to an anchor that is not complete, or in another document";
                self.faults.push(Fault::error(codes::ALIAS, span, message));
                text
            }
        };
        if self.wants_key() {
            let message = "a key must be written out, not an alias";
            self.faults.push(Fault::error(codes::KEY_NOT_TEXT, span, message));
            self.set_key(Key { text: Cow::default(), span, keep: false });
        } else {
            self.value(node, 0);
        }
    }

    fn set_key(&mut self, new: Key<'a>) {
        if let Some(Frame { content: Content::Mapping { key, .. }, .. }) = self.frames.last_mut() {
            *key = Some(new);
        }
    }

    fn key(&mut self, text: Cow<'a, str>, style: Style, span: Span) {
        use super::scalar::{Core, core, misread};
        let mut keep = true;
        if style == Style::Plain {
            if text == "<<" {
                keep = false;
                self.faults.push(
                    Fault::error(codes::MERGE_KEY, span, "merge keys are not part of YAML 1.2")
                        .with_hint("write the fields out"),
                );
            } else if core(&text) != Core::Text {
                // Kept as text all the same, so that nothing else seems to be missing.
                let message = if text.is_empty() { "a key is missing" } else { "a key must be text" };
                let fault = Fault::error(codes::KEY_NOT_TEXT, span, message);
                self.faults.push(match quoted(&text) {
                    Some(hint) if !text.is_empty() => fault.with_hint(format!("quote it: {hint}")),
                    _ => fault,
                });
            } else if let Some(misread) = misread(&text) {
                let message =
                    format!("YAML 1.1 tools read the key `{}` as {}", shown(&text), misread.as_what());
                let fault = Fault::warning(codes::AMBIGUOUS, span, message);
                self.faults.push(match quoted(&text) {
                    Some(hint) => fault.with_hint(format!("quote it: {hint}")),
                    None => fault,
                });
            }
        }
        if keep && let Some(first) = self.first_of(&text) {
            keep = false;
            self.faults.push(Fault {
                related: vec![("first here", first)],
                show: if self.within_template() || is_template(&text) { Show::Nothing } else { Show::Line },
                ..Fault::error(
                    codes::DUPLICATE_KEY,
                    span,
                    format!("the key `{}` is here twice", shown(&text)),
                )
                .with_hint("remove one of them")
            });
        }
        self.set_key(Key { text, span, keep });
    }

    /// Where the mapping that is open has this key already.
    fn first_of(&mut self, text: &str) -> Option<Span> {
        let Some(Frame { content: Content::Mapping { entries, seen, .. }, .. }) = self.frames.last_mut()
        else {
            return None;
        };
        let find = |entries: &[Entry<'a>]| {
            entries.iter().find(|entry| entry.key == text).map(|entry| entry.key_span)
        };
        if entries.len() < HASHED_FROM {
            return find(entries);
        }
        if seen.is_empty() {
            seen.extend(entries.iter().map(|entry| entry.key.clone().into_owned()));
        }
        if seen.insert(text.to_owned()) { None } else { find(entries) }
    }

    /// Whether the keys that are open lead into text that goes to a machine.
    pub(super) fn within_template(&self) -> bool {
        self.frames.iter().any(|frame| match &frame.content {
            Content::Mapping { key: Some(key), .. } => is_template(&key.text),
            _ => false,
        })
    }

    pub(super) fn finish(mut self, complete: bool) -> Document<'a> {
        // After an error: what is open is closed, so that kind and name can be found.
        while let Some(frame) = self.frames.last() {
            let end = frame.span;
            self.close(end);
        }
        // An empty document comes as a plain scalar without text.
        let empty = matches!(&self.root, Some(Node { kind: Kind::Scalar(text, Style::Plain), .. }) if text.is_empty());
        Document { root: self.root.filter(|_| !empty), complete, faults: self.faults }
    }
}

/// Keys of text that goes to a machine, or that only its readers can read.
fn is_template(key: &str) -> bool {
    matches!(key, "userData" | "unattendXml" | "ksCfg" | "age")
}

/// A scalar in quotes, for a hint; nothing where it would be long or hard to read.
pub(crate) fn quoted(text: &str) -> Option<String> {
    let plain = text.chars().all(|c| !c.is_control() && c != '"' && c != '\\');
    (plain && text.chars().count() <= 64).then(|| format!("\"{}\"", shown(text)))
}
