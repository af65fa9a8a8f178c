// SPDX-License-Identifier: AGPL-3.0-or-later
//! From bytes to text, and from text to lines.

use std::borrow::Cow;

use super::Fault;
use super::fault::Show;
use crate::codes;
use crate::diagnostic::{Span, is_invisible};

/// The text of a file, and what is wrong with its characters. Nothing of it can be used where the
/// whole is not UTF-8.
///
/// Characters that must not be there are replaced one for one, so that columns stay and the rest
/// of the file can still be looked at.
pub(crate) fn decode(bytes: &[u8]) -> Result<(Cow<'_, str>, Vec<Fault>), Fault> {
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return Err(not_utf8(Span::line_start(1), "the file is UTF-16"));
    }
    let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let good = std::str::from_utf8(&bytes[..error.valid_up_to()])
            .expect("everything before the first bad byte is UTF-8");
        let line = Lines::new(good).count();
        let last = good.rsplit(['\n', '\r']).next().unwrap_or_default();
        let column = last.chars().count() as u32 + 1;
        not_utf8(Span { line, column, end_line: line, end_column: column + 1 }, "a byte here is not UTF-8")
    })?;
    let harmless = |b: &u8| matches!(b, b'\t' | b'\n' | b'\r' | b' '..=b'~');
    if bytes.iter().all(harmless) || !text.chars().any(is_refused) {
        return Ok((Cow::Borrowed(text), Vec::new()));
    }
    Ok(replace_refused(text))
}

fn not_utf8(span: Span, message: &str) -> Fault {
    Fault {
        show: Show::Nothing,
        ..Fault::error(codes::ENCODING, span, message).with_hint("save the file as UTF-8")
    }
}

/// Not printable in YAML 1.2 §5.1, invisible to a reviewer, or a line break in YAML 1.1 only
/// (U+0085, U+2028, U+2029).
fn is_refused(c: char) -> bool {
    match c {
        '\t' | '\n' | '\r' => false,
        '\u{2028}' | '\u{2029}' | '\u{fffe}' | '\u{ffff}' => true,
        c => c.is_control() || is_invisible(c),
    }
}

fn replace_refused(text: &str) -> (Cow<'static, str>, Vec<Fault>) {
    let mut out = String::with_capacity(text.len());
    let mut faults: Vec<Fault> = Vec::new();
    let (mut line, mut column) = (1_u32, 1_u32);
    let mut characters = text.chars().peekable();
    while let Some(c) = characters.next() {
        if is_refused(c) {
            let span = Span { line, column, end_line: line, end_column: column + 1 };
            let message = if c.is_control() {
                format!("the control character U+{:04X} is not allowed", u32::from(c))
            } else {
                format!("the character U+{:04X} cannot be seen, or reorders text", u32::from(c))
            };
            // One a line is enough for a binary file.
            if faults.last().and_then(|last| last.span).is_none_or(|last| last.line != line) {
                faults.push(
                    Fault { show: Show::Nothing, ..Fault::error(codes::CHARACTER, span, message) }
                        .with_hint("remove it, or write it as an escape in double quotes"),
                );
            }
            out.push('\u{fffd}');
        } else {
            out.push(c);
        }
        if c == '\n' || (c == '\r' && characters.peek() != Some(&'\n')) {
            line += 1;
            column = 1;
        } else {
            column += 1;
        }
    }
    (Cow::Owned(out), faults)
}

/// The lines of a text; LF, CRLF and CR end one.
pub(crate) struct Lines<'a> {
    text: &'a str,
    starts: Vec<usize>,
}

impl<'a> Lines<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        let bytes = text.as_bytes();
        let mut starts = vec![0];
        for (index, byte) in bytes.iter().enumerate() {
            if *byte == b'\n' || (*byte == b'\r' && bytes.get(index + 1) != Some(&b'\n')) {
                starts.push(index + 1);
            }
        }
        Self { text, starts }
    }

    /// How many there are; at least one.
    pub(crate) fn count(&self) -> u32 {
        self.starts.len() as u32
    }

    /// Where a line begins, in bytes. Lines count from 1.
    pub(crate) fn start(&self, line: u32) -> Option<usize> {
        self.starts.get((line as usize).checked_sub(1)?).copied()
    }

    /// A line without its end.
    pub(crate) fn get(&self, line: u32) -> Option<&'a str> {
        let start = self.start(line)?;
        let end = self.start(line + 1).unwrap_or(self.text.len());
        Some(self.text[start..end].trim_end_matches(['\n', '\r']))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_line_end_counts_once() {
        let lines = Lines::new("a\nb\r\nc\rd");
        let all: Vec<&str> = (1..=lines.count()).filter_map(|line| lines.get(line)).collect();
        assert_eq!(all, ["a", "b", "c", "d"]);
        assert_eq!(lines.get(0), None);
        assert_eq!(lines.get(5), None);
    }

    #[test]
    fn a_byte_that_is_not_utf8_is_found_with_its_place() {
        let fault = decode(b"a: 1\nb: caf\xe9\n").unwrap_err();
        let span = fault.span.unwrap();
        assert_eq!((span.line, span.column), (2, 7));
    }

    #[test]
    fn refused_characters_keep_their_columns() {
        let (text, faults) = decode("a: \u{7}b\nc: \u{202e}d\u{202e}\n".as_bytes()).unwrap();
        assert_eq!(text, "a: \u{fffd}b\nc: \u{fffd}d\u{fffd}\n");
        let places: Vec<(u32, u32)> =
            faults.iter().filter_map(|f| f.span).map(|s| (s.line, s.column)).collect();
        assert_eq!(places, [(1, 4), (2, 4)]);
    }

    #[test]
    fn a_byte_order_mark_at_the_start_is_dropped() {
        assert_eq!(decode("\u{feff}a: 1".as_bytes()).unwrap().0, "a: 1");
    }
}
