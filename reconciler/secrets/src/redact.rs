// SPDX-License-Identifier: AGPL-3.0-or-later
//! Known values in text and bytes, however they are encoded.
//!
//! Found are: the value itself; as in JSON strings; percent-encoded in any choice of characters and
//! with `+` for a space; in hex of either case; in base64 of either alphabet, at any place within a
//! longer encoding, wrapped into lines or not.
//!
//! Guarantees: what a [`Redactor`] was told of is not in what it returns, in any of these forms.
//! Assumptions: the value is there in whole. Half of one, at the cut end of a log, is not found.
//! Caveats: values of fewer than four bytes are left alone, they would be found everywhere; encoded
//! forms of fewer than eight characters too.
//! What it does not do: it is no reason to print a secret. It is the last line of defence.

use std::borrow::Cow;
use std::ops::Range;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use shoal_schema::SecretString;
use zeroize::Zeroizing;

use crate::Opened;
use crate::search::{MIN_PATTERN, Patterns};

const MARK: &str = "[redacted]";
/// Encoded forms that are shorter are found by chance.
const MIN_ENCODED: usize = 8;
/// Lines of a longer value that count by themselves: a line of a key does, `packages:` does not.
const MIN_LINE: usize = 20;

/// How a value was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Form {
    /// As it is.
    Plain,
    /// One line of it.
    Line,
    /// With the escapes of a JSON string.
    Json,
    /// Percent-encoded.
    Percent,
    /// In hex.
    Hex,
    /// In base64.
    Base64,
}

/// A value that was found where it must not be. It names the value and does not hold it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Leak {
    /// Where, in bytes from the start.
    pub offset: usize,
    /// The Secret's name.
    pub secret: String,
    /// The value's key.
    pub key: String,
    /// How it was encoded.
    pub form: Form,
}

/// What to look for.
#[derive(Default)]
pub struct Redactor {
    sources: Vec<(String, String)>,
    /// The values themselves: these are looked for in decoded text too.
    values: Patterns<Label>,
    /// Hex and base64: these are looked for in unwrapped text too.
    encoded: Patterns<Label>,
    /// What is only worth hiding, and proves no leak.
    lines: Patterns<Label>,
}

#[derive(Clone, Copy)]
struct Label {
    source: usize,
    form: Form,
}

impl Redactor {
    /// Knows nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Looks for every value of a Secret.
    pub fn add(&mut self, opened: &Opened) {
        for (key, value) in opened.data() {
            self.add_value(opened.name(), key, value);
        }
    }

    /// Looks for a value that comes from elsewhere, a token for instance. The names are for leaks.
    pub fn add_value(&mut self, secret: &str, key: &str, value: &SecretString) {
        let source = self.sources.len();
        self.sources.push((secret.to_owned(), key.to_owned()));
        let text = value.expose();
        self.values.add(text.as_bytes().to_vec(), Label { source, form: Form::Plain });
        let json = serde_json::to_string(text).map(Zeroizing::new);
        if let Ok(json) = json
            && json.len() > text.len() + 2
        {
            self.values.add(json.as_bytes()[1..json.len() - 1].to_vec(), Label { source, form: Form::Json });
        }
        for (pattern, form) in encoded_forms(text.as_bytes()) {
            if pattern.len() >= MIN_ENCODED {
                self.encoded.add(pattern, Label { source, form });
            }
        }
        let trimmed = text.trim();
        for line in text.lines().map(str::trim) {
            if line.len() >= MIN_LINE && line != trimmed {
                self.lines.add(line.as_bytes().to_vec(), Label { source, form: Form::Line });
            }
        }
        // A file's last line feed rarely travels with its content.
        if trimmed != text {
            self.values.add(trimmed.as_bytes().to_vec(), Label { source, form: Form::Plain });
        }
    }

    /// The text with every known value replaced.
    pub fn redact<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let mut found = self.find(text.as_bytes());
        found.extend(self.lines.find(text.as_bytes()));
        if found.is_empty() {
            return Cow::Borrowed(text);
        }
        let mut ranges: Vec<Range<usize>> = found
            .into_iter()
            .map(|(range, label)| match label.form {
                Form::Base64 => with_rest_of_base64(text.as_bytes(), range),
                _ => range,
            })
            .collect();
        ranges.sort_unstable_by_key(|range| range.start);
        let mut out = String::with_capacity(text.len());
        let mut done = 0;
        for range in ranges {
            if range.start >= done {
                out.push_str(&text[done..range.start]);
                out.push_str(MARK);
            }
            done = done.max(range.end);
        }
        out.push_str(&text[done..]);
        Cow::Owned(out)
    }

    /// Every known value in some bytes, by place. Lines of longer values do not count: they may be
    /// as common as a line of any cloud-init file.
    pub fn leaks(&self, haystack: &[u8]) -> Vec<Leak> {
        let mut leaks: Vec<Leak> = self
            .find(haystack)
            .into_iter()
            .map(|(range, label)| {
                let (secret, key) = self.sources[label.source].clone();
                Leak { offset: range.start, secret, key, form: label.form }
            })
            .collect();
        leaks.sort_unstable();
        leaks.dedup();
        leaks
    }

    fn find(&self, haystack: &[u8]) -> Vec<(Range<usize>, Label)> {
        if self.values.is_empty() && self.encoded.is_empty() {
            return Vec::new();
        }
        let mut found = self.values.find(haystack);
        found.extend(self.encoded.find(haystack));
        if haystack.contains(&b'%') {
            for plus_is_space in [false, true] {
                if plus_is_space && !haystack.contains(&b'+') {
                    continue;
                }
                let view = View::percent_decoded(haystack, plus_is_space);
                for (range, label) in self.values.find(&view.bytes) {
                    let range = view.original(&range);
                    // The same place in the text itself is no percent-encoding.
                    if haystack[range.clone()].iter().any(|byte| matches!(byte, b'%' | b'+')) {
                        found.push((range, Label { form: Form::Percent, ..label }));
                    }
                }
            }
        }
        if haystack.contains(&b'\n') {
            let view = View::unwrapped(haystack);
            for (range, label) in self.encoded.find(&view.bytes) {
                let range = view.original(&range);
                if haystack[range.clone()].contains(&b'\n') {
                    found.push((range, label));
                }
            }
        }
        found
    }
}

/// Every value of the Secrets in some bytes: for tests that plant canaries.
pub fn find_leaks(haystack: &[u8], secrets: &[&Opened]) -> Vec<Leak> {
    let mut redactor = Redactor::new();
    for secret in secrets {
        redactor.add(secret);
    }
    redactor.leaks(haystack)
}

fn encoded_forms(value: &[u8]) -> Vec<(Vec<u8>, Form)> {
    let mut forms = Vec::new();
    if value.len() < MIN_PATTERN {
        return forms;
    }
    let hex = |digits: &[u8; 16]| {
        value
            .iter()
            .flat_map(|byte| [digits[usize::from(byte >> 4)], digits[usize::from(byte & 15)]])
            .collect()
    };
    forms.push((hex(b"0123456789abcdef"), Form::Hex));
    forms.push((hex(b"0123456789ABCDEF"), Form::Hex));
    for before in 0..3 {
        // Within a longer encoding the value begins after some other bytes: only the characters
        // that none of its neighbours has a part in are always the same.
        let mut padded = Zeroizing::new(vec![0; before]);
        padded.extend_from_slice(value);
        let first = (before * 8).div_ceil(6);
        let last = padded.len() * 8 / 6;
        let standard = STANDARD_NO_PAD.encode(&*padded).into_bytes();
        let url = URL_SAFE_NO_PAD.encode(&*padded).into_bytes();
        if url != standard {
            forms.push((url[first..last].to_vec(), Form::Base64));
        }
        forms.push((standard[first..last].to_vec(), Form::Base64));
    }
    forms
}

/// The character on either side may hold bits of the value too.
fn with_rest_of_base64(text: &[u8], range: Range<usize>) -> Range<usize> {
    let digit = |byte: &&u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_');
    let before = text[..range.start].iter().rev().take(1).take_while(digit).count();
    let mut end = range.end + text[range.end..].iter().take(1).take_while(digit).count();
    end += text[end..].iter().take(2).take_while(|byte| **byte == b'=').count();
    range.start - before..end
}

/// Decoded bytes, and where each stood.
struct View {
    bytes: Zeroizing<Vec<u8>>,
    /// Start of each byte in the original.
    starts: Vec<usize>,
    /// End of each byte in the original.
    ends: Vec<usize>,
}

impl View {
    fn with_capacity(capacity: usize) -> Self {
        Self {
            bytes: Zeroizing::new(Vec::with_capacity(capacity)),
            starts: Vec::with_capacity(capacity),
            ends: Vec::with_capacity(capacity),
        }
    }

    fn push(&mut self, byte: u8, original: Range<usize>) {
        self.bytes.push(byte);
        self.starts.push(original.start);
        self.ends.push(original.end);
    }

    fn original(&self, range: &Range<usize>) -> Range<usize> {
        // Patterns are never empty.
        self.starts[range.start]..self.ends[range.end - 1]
    }

    fn percent_decoded(text: &[u8], plus_is_space: bool) -> Self {
        let mut view = Self::with_capacity(text.len());
        let mut at = 0;
        while let Some(byte) = text.get(at) {
            match (byte, hex_byte(text, at + 1)) {
                (b'%', Some(decoded)) => {
                    view.push(decoded, at..at + 3);
                    at += 3;
                }
                (b'+', _) if plus_is_space => {
                    view.push(b' ', at..at + 1);
                    at += 1;
                }
                (byte, _) => {
                    view.push(*byte, at..at + 1);
                    at += 1;
                }
            }
        }
        view
    }

    fn unwrapped(text: &[u8]) -> Self {
        let mut view = Self::with_capacity(text.len());
        for (at, byte) in text.iter().enumerate() {
            if !matches!(byte, b'\n' | b'\r' | b' ' | b'\t') {
                view.push(*byte, at..at + 1);
            }
        }
        view
    }
}

fn hex_byte(text: &[u8], at: usize) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let (high, low) = (digit(*text.get(at)?)?, digit(*text.get(at + 1)?)?);
    u8::try_from(high * 16 + low).ok()
}
