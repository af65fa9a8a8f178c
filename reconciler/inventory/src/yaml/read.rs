// SPDX-License-Identifier: AGPL-3.0-or-later
//! From text to trees: the documents of a file, and what to do where one is broken.

use saphyr_parser::{Event, Parser, ScanError, StrInput};

use super::builder::{Builder, too_deep};
use super::fault::Show;
use super::{Fault, Lines, Node};
use crate::codes;
use crate::diagnostic::Span;

/// After so many broken documents the rest of a file is not looked at: each costs a new start.
const MAX_BROKEN: usize = 64;

/// One document of a file.
pub(crate) struct Document<'a> {
    /// The tree; nothing where the document is empty. With `complete` false it is what stands in
    /// front of the place that could not be read.
    pub(crate) root: Option<Node<'a>>,
    /// Whether all of it could be read.
    pub(crate) complete: bool,
    /// What is wrong with it.
    pub(crate) faults: Vec<Fault>,
}

/// Reads every document of a file with these lines. After a syntax error reading goes on at the next `---`.
pub(crate) fn read<'a>(text: &'a str, lines: &Lines<'_>) -> Vec<Document<'a>> {
    let mut documents = Vec::new();
    // A document marker at the start of a line ends whatever stands before it, by YAML's own rules
    // even within quotes: the next one behind a broken document's own is the safe place to go on,
    // wherever the parser noticed.
    let is_marker = |text: &str| {
        text.strip_prefix("---").is_some_and(|behind| behind.is_empty() || behind.starts_with([' ', '\t']))
    };
    let mut lines_before = 0;
    for _ in 0..MAX_BROKEN {
        let start = lines.start(lines_before + 1).unwrap_or(text.len());
        let mut stream = Stream { builder: Builder::new(lines_before), documents: &mut documents };
        let Err(error) = stream.run(&text[start..]) else { return documents };
        let begun = stream.fail(&error, lines);
        let next = (begun + 1..=lines.count()).find(|line| lines.get(*line).is_some_and(is_marker));
        let Some(next) = next else { return documents };
        lines_before = next - 1;
    }
    let span = Span::line_start(lines_before + 1);
    let fault = Fault::error(codes::SYNTAX, span, "too much in this file is broken: it is read no further");
    documents.push(Document { root: None, complete: false, faults: vec![fault] });
    documents
}

struct Stream<'d, 'a> {
    builder: Builder<'a>,
    documents: &'d mut Vec<Document<'a>>,
}

impl<'a> Stream<'_, 'a> {
    fn run(&mut self, text: &'a str) -> Result<(), ScanError> {
        let mut parser: Parser<'a, StrInput<'a>> = Parser::new_from_str(text);
        while let Some(event) = parser.next_event() {
            let (event, span) = event?;
            let span = self.builder.span(span);
            match event {
                Event::DocumentStart(_) => {
                    let lines_before = self.builder.lines_before;
                    self.builder = Builder::new(lines_before);
                    self.builder.begun = span.line;
                }
                Event::DocumentEnd => self.finish(true),
                Event::Nothing | Event::StreamStart | Event::StreamEnd => {}
                event => self.builder.event(event, span),
            }
        }
        Ok(())
    }

    fn finish(&mut self, complete: bool) {
        let fresh = Builder::new(self.builder.lines_before);
        let builder = std::mem::replace(&mut self.builder, fresh);
        self.documents.push(builder.finish(complete));
    }

    /// Puts a syntax error down. Answers the line where its document begins.
    fn fail(&mut self, error: &ScanError, lines: &Lines<'_>) -> u32 {
        let begun = self.builder.begun;
        let line = (error.marker().line() as u32).max(1) + self.builder.lines_before;
        let fault = syntax_fault(error, begun, line, lines);
        let fault =
            if self.builder.within_template() { Fault { show: Show::Nothing, ..fault } } else { fault };
        self.builder.faults.push(fault);
        self.finish(false);
        begun
    }
}

/// The parser's words are fixed texts, but for one that quotes a character: no value is in them.
fn syntax_fault(error: &ScanError, begun: u32, line: u32, lines: &Lines<'_>) -> Fault {
    let column = error.marker().col() as u32 + 1;
    let span = Span { line, column, end_line: line, end_column: column + 1 };
    if let Some(span) = tab(error, line, span, lines) {
        return Fault::error(codes::TAB, span, "a tab in the indentation").with_hint("indent with spaces");
    }
    if let Some((line, width)) = conflict(lines, begun..=line) {
        let span = Span { line, column: 1, end_line: line, end_column: width + 1 };
        return Fault::error(codes::SYNTAX, span, "a merge conflict is not resolved")
            .with_hint("choose one side and remove the markers");
    }
    let info = error.info();
    if info.contains("unknown anchor") {
        return Fault::error(codes::ALIAS, span, "an alias to an anchor that is not there");
    }
    if info.contains("recursion limit") {
        return too_deep(span);
    }
    let hint = if info.contains("mapping values are not allowed") {
        Some("is the indentation right? text with `: ` in it must stand in quotes")
    } else if info.contains("must be followed by a valid YAML whitespace") {
        Some("put a blank behind the colon")
    } else if info.contains("unexpected character") {
        Some("text that begins with this character must stand in quotes")
    } else {
        None
    };
    Fault { hint: hint.map(str::to_owned), ..Fault::error(codes::SYNTAX, span, format!("not YAML: {info}")) }
}

/// The tab in an indentation that is to blame. A text that goes on behind one is blamed on the line where
/// it began.
fn tab(error: &ScanError, line: u32, span: Span, lines: &Lines<'_>) -> Option<Span> {
    let tab_in = |line: u32| {
        let text = lines.get(line)?;
        text.chars().take_while(|c| c.is_whitespace()).position(|c| c == '\t')
    };
    if tab_in(line).is_some() {
        return Some(span);
    }
    if !error.info().contains("found a tab") {
        return None;
    }
    let is_text = |line: &u32| lines.get(*line).is_some_and(|text| !text.trim().is_empty());
    let below = (line + 1..=lines.count()).find(is_text)?;
    let column = tab_in(below)? as u32 + 1;
    Some(Span { line: below, column, end_line: below, end_column: column + 1 })
}

/// The first marker of a merge conflict among some lines, and its width.
fn conflict(lines: &Lines<'_>, mut range: std::ops::RangeInclusive<u32>) -> Option<(u32, u32)> {
    const MARKERS: [&str; 3] = ["<<<<<<< ", "=======", ">>>>>>> "];
    range.find_map(|line| {
        let text = lines.get(line)?;
        MARKERS.iter().any(|marker| text.starts_with(marker)).then(|| (line, text.chars().count() as u32))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml::Kind;
    use crate::yaml::builder::MAX_EXPANSION;
    use proptest::prelude::*;

    fn read(text: &str) -> Vec<Document<'_>> {
        super::read(text, &Lines::new(text))
    }

    fn codes_of(text: &str) -> Vec<(&'static str, u32, u32)> {
        read(text)
            .iter()
            .flat_map(|document| &document.faults)
            .map(|fault| (fault.code, fault.span.unwrap().line, fault.span.unwrap().column))
            .collect()
    }

    #[test]
    fn a_key_that_stands_twice_is_found_with_both_places() {
        let documents = read("a: 1\nb:\n  c: 1\n  d: 2\n  c: 3\n");
        let fault = &documents[0].faults[0];
        assert_eq!((fault.code, fault.span.unwrap().line), (codes::DUPLICATE_KEY, 5));
        assert_eq!((fault.related[0].1.line, fault.related[0].1.column), (3, 3));
        let many: String = (0..40).map(|i| format!("k{i}: 1\n")).chain(["k39: 2\n".to_owned()]).collect();
        assert_eq!(codes_of(&many), [(codes::DUPLICATE_KEY, 41, 1)]);
    }

    #[test]
    fn a_later_document_is_read_although_an_earlier_one_is_broken() {
        let documents = read("kind: A\nx: [1\n---\nkind: B\n--- # third\nkind: 'C\n---\nkind: D\n");
        let kinds: Vec<Option<&str>> = documents
            .iter()
            .map(|d| d.root.as_ref().and_then(|root| root.get("kind")).and_then(|entry| entry.value.text()))
            .collect();
        assert_eq!(kinds, [Some("A"), Some("B"), None, Some("D")]);
        assert_eq!(documents.iter().map(|d| d.complete).collect::<Vec<_>>(), [false, true, false, true]);
        let spans: Vec<u32> =
            documents[3].root.iter().map(|root| root.get("kind").unwrap().key_span.line).collect();
        assert_eq!(spans, [8]);
    }

    #[test]
    fn a_file_of_nothing_but_broken_documents_is_given_up() {
        let text = "---\n[\n".repeat(100_000);
        let documents = read(&text);
        assert_eq!(documents.len(), MAX_BROKEN + 1);
        assert!(documents.iter().all(|document| !document.complete));
        let last = documents.last().unwrap().faults[0].span.unwrap();
        assert_eq!(last.line, 2 * MAX_BROKEN as u32 + 1);
    }

    #[test]
    fn an_alias_is_what_its_anchor_is_within_its_document_only() {
        let documents = read("a: &x [1, 2]\nb: *x\n---\nc: *x\n");
        let b = &documents[0].root.as_ref().unwrap().get("b").unwrap().value;
        assert!(matches!(&b.kind, Kind::Sequence(items) if items.len() == 2));
        assert_eq!((b.span.line, b.span.column), (2, 4));
        assert_eq!(documents[1].faults[0].code, codes::ALIAS);
        assert_eq!(codes_of("a: &x [*x]\n"), [(codes::ALIAS, 1, 8)]);
    }

    #[test]
    fn aliases_cannot_blow_a_document_up() {
        let mut text = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
        for level in 1..9 {
            let before = format!("*a{}, ", level - 1).repeat(10);
            text.push_str(&format!("a{level}: &a{level} [{before}]\n"));
        }
        let documents = read(&text);
        assert_eq!(documents[0].faults.len(), 1);
        assert_eq!(documents[0].faults[0].code, codes::ALIAS_BOMB);
        assert!(documents[0].root.as_ref().unwrap().count() < 2 * MAX_EXPANSION);
    }

    #[test]
    fn nesting_is_bounded_in_flow_and_in_block_style() {
        assert_eq!(codes_of(&"[".repeat(1000))[0].0, codes::DEPTH);
        let mut block = String::new();
        for depth in 0..200 {
            block.push_str(&" ".repeat(depth));
            block.push_str("a:\n");
        }
        let found = codes_of(&block);
        assert_eq!((found.len(), found[0].0), (1, codes::DEPTH));
        let dashes = "- ".repeat(200_000);
        assert_eq!(codes_of(&dashes)[0].0, codes::DEPTH);
        let keys = "? ".repeat(200_000);
        assert!(codes_of(&keys).iter().any(|(code, ..)| *code == codes::DEPTH));
    }

    #[test]
    fn keys_are_text() {
        assert_eq!(codes_of("24.10: a\n")[0], (codes::KEY_NOT_TEXT, 1, 1));
        assert_eq!(codes_of("? [a]\n: b\n")[0], (codes::KEY_NOT_TEXT, 1, 3));
        assert_eq!(codes_of("a: &x b\n*x : c\n")[0], (codes::KEY_NOT_TEXT, 2, 1));
        assert_eq!(codes_of(": b\n")[0].0, codes::KEY_NOT_TEXT);
        assert_eq!(codes_of("\"24.10\": a\n'<<': b\n"), []);
        assert_eq!(codes_of("on: a\n")[0].0, codes::AMBIGUOUS);
    }

    #[test]
    fn an_empty_document_is_nothing() {
        for text in ["", "# only a comment\n", "---\n", "---\n...\n", "\n\n"] {
            assert!(read(text).iter().all(|d| d.root.is_none() && d.faults.is_empty()), "{text:?}");
        }
    }

    /// Every span lies within the text and is in order.
    fn check_spans(node: &Node<'_>, lines: &Lines<'_>) {
        let within = |span: Span| {
            assert!((span.line, span.column) <= (span.end_line, span.end_column), "{span:?}");
            assert!(span.line >= 1 && span.line <= lines.count() + 1, "{span:?}");
            if let Some(line) = lines.get(span.line) {
                assert!(span.column as usize <= line.chars().count() + 2, "{span:?} in {line:?}");
            }
        };
        within(node.span);
        match &node.kind {
            Kind::Scalar(..) => {}
            Kind::Sequence(items) => items.iter().for_each(|item| check_spans(item, lines)),
            Kind::Mapping(entries) => {
                for entry in entries {
                    within(entry.key_span);
                    check_spans(&entry.value, lines);
                }
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn no_text_panics_and_every_span_is_in_it(text in "[a-c0-9:\\-?\\[\\]{},&*!|>'\"%@`#<~. \t\n\r\u{e9}\u{1F600}]{0,60}") {
            let lines = Lines::new(&text);
            for document in read(&text) {
                if let Some(root) = &document.root {
                    check_spans(root, &lines);
                }
                prop_assert!(document.complete || document.faults.iter().any(Fault::is_error));
            }
        }
    }
}
