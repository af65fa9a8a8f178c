// SPDX-License-Identifier: AGPL-3.0-or-later
//! `${parameter}` in user-data, answer files and kickstarts: what a text refers to, and its
//! rendering.
//!
//! * `${name}` puts the value in as it is. It must be one line, so that no value can add a line of
//!   YAML, XML or shell to the text around it.
//! * `${name|quote}` puts it in as a double-quoted string that JSON, YAML 1.1 and YAML 1.2 read
//!   alike. Line breaks are escaped, so the value may have several lines.
//! * `$${` stands for `${`. Every other `$` is plain text.
//!
//! Names are letters, digits, `_`, `.`, `/` and `-`. Beside the recipe's parameters there are
//! [`BUILTINS`], `label.KEY` and `secret.NAME`.
//!
//! Guarantees: an error names the reference and its place, never a value; what is rendered is a
//! [`SecretString`], for it may hold secrets.
//! What it does not do: conditions, loops, nesting. A value is never looked at for references.

use shoal_schema::SecretString;

/// What every server's text may refer to, beside `label.KEY` and `secret.NAME`.
pub const BUILTINS: [&str; 4] = ["os.image", "os.version", "server.name", "server.serial"];

/// What references to a server's labels begin with.
pub const LABEL_PREFIX: &str = "label.";

/// What references to a template's secrets begin with.
pub const SECRET_PREFIX: &str = "secret.";

/// One reference in a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// The name, without the filter.
    pub name: String,
    /// Whether it stands as `${name|quote}`.
    pub quote: bool,
    /// Where its `$` is, in bytes from the start of the text.
    pub offset: usize,
}

/// A value to put in.
pub enum Value {
    /// Anyone may read it.
    Plain(String),
    /// It must not print.
    Secret(SecretString),
}

impl Value {
    fn text(&self) -> &str {
        match self {
            Self::Plain(text) => text,
            Self::Secret(secret) => secret.expose(),
        }
    }
}

/// A text that cannot be read or rendered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// `${` without `}` on the same line.
    #[error("`${{` has no `}}` on its line: write `$${{` where the text itself is meant")]
    Unclosed {
        /// Where, in bytes from the start of the text.
        offset: usize,
    },
    /// What stands between the braces is no name.
    #[error("`${{…}}` does not hold a name: write `$${{` where the text itself is meant")]
    NotAName {
        /// Where, in bytes from the start of the text.
        offset: usize,
    },
    /// What stands behind `|` is unknown.
    #[error("`${{{name}|…}}` has an unknown filter: the one there is is `quote`")]
    UnknownFilter {
        /// The name.
        name: String,
        /// Where, in bytes from the start of the text.
        offset: usize,
    },
    /// Nothing has this name.
    #[error("`${{{name}}}` has no value")]
    Unset {
        /// The name.
        name: String,
        /// Where, in bytes from the start of the text.
        offset: usize,
    },
    /// A value has several lines, or a control character.
    #[error("the value of `${{{name}}}` is more than one line: use `${{{name}|quote}}`")]
    SeveralLines {
        /// The name.
        name: String,
        /// Where, in bytes from the start of the text.
        offset: usize,
    },
}

impl TemplateError {
    /// Where, in bytes from the start of the text.
    pub fn offset(&self) -> usize {
        match self {
            Self::Unclosed { offset }
            | Self::NotAName { offset }
            | Self::UnknownFilter { offset, .. }
            | Self::Unset { offset, .. }
            | Self::SeveralLines { offset, .. } => *offset,
        }
    }
}

/// Everything that a text refers to, in order. A name that stands in it twice is there twice.
pub fn references(text: &str) -> Result<Vec<Reference>, TemplateError> {
    let mut found = Vec::new();
    for part in Parts::new(text) {
        if let Part::Reference(reference) = part? {
            found.push(reference);
        }
    }
    Ok(found)
}

/// Puts values in. `lookup` answers nothing for a name that has none.
pub fn render(text: &str, lookup: &dyn Fn(&str) -> Option<Value>) -> Result<SecretString, TemplateError> {
    let mut pieces = Vec::new();
    for part in Parts::new(text) {
        pieces.push(match part? {
            Part::Text(text) => Piece::Text(text),
            Part::Reference(Reference { name, quote, offset }) => match lookup(&name) {
                None => return Err(TemplateError::Unset { name, offset }),
                Some(value) if quote => Piece::Quoted(value),
                Some(value) if fits_one_line(value.text()) => Piece::Value(value),
                Some(_) => return Err(TemplateError::SeveralLines { name, offset }),
            },
        });
    }
    // The exact length first: a string that grows leaves copies of its secrets behind.
    let mut length = 0;
    for piece in &pieces {
        piece.write(&mut |text| length += text.len());
    }
    let mut out = String::with_capacity(length);
    for piece in &pieces {
        piece.write(&mut |text| out.push_str(text));
    }
    Ok(SecretString::new(out))
}

/// Whether a value may stand where `${name}` is: no line break of any kind, no control character
/// but a tab. PyYAML, which reads cloud-init's user-data, also breaks lines at U+0085, U+2028 and
/// U+2029.
pub fn fits_one_line(value: &str) -> bool {
    !value.chars().any(|c| (c.is_control() && c != '\t') || matches!(c, '\u{2028}' | '\u{2029}'))
}

/// What rendered text is put together from.
enum Piece<'a> {
    Text(&'a str),
    Value(Value),
    Quoted(Value),
}

impl Piece<'_> {
    fn write(&self, out: &mut dyn FnMut(&str)) {
        match self {
            Self::Text(text) => out(text),
            Self::Value(value) => out(value.text()),
            Self::Quoted(value) => write_quoted(value.text(), out),
        }
    }
}

fn write_quoted(value: &str, out: &mut dyn FnMut(&str)) {
    out("\"");
    for c in value.chars() {
        match c {
            '"' => out("\\\""),
            '\\' => out("\\\\"),
            '\n' => out("\\n"),
            '\r' => out("\\r"),
            '\t' => out("\\t"),
            // All below U+FFFF and not printable in YAML, or a line break in YAML 1.1.
            c if c.is_control()
                || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}') =>
            {
                out(&format!("\\u{:04x}", u32::from(c)));
            }
            c => out(c.encode_utf8(&mut [0; 4])),
        }
    }
    out("\"");
}

enum Part<'a> {
    Text(&'a str),
    Reference(Reference),
}

struct Parts<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Parts<'a> {
    fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    /// Reads the reference whose `${` starts at `self.at`.
    fn reference(&mut self) -> Result<Reference, TemplateError> {
        let offset = self.at;
        let inside = &self.text[offset + 2..];
        let line = inside.split(['\n', '\r']).next().unwrap_or_default();
        let end = line.find('}').ok_or(TemplateError::Unclosed { offset })?;
        let (name, filter) = match inside[..end].split_once('|') {
            Some((name, filter)) => (name, Some(filter)),
            None => (&inside[..end], None),
        };
        if !is_name(name) {
            return Err(TemplateError::NotAName { offset });
        }
        let quote = match filter {
            None => false,
            Some("quote") => true,
            Some(_) => return Err(TemplateError::UnknownFilter { name: name.to_owned(), offset }),
        };
        self.at = offset + 2 + end + 1;
        Ok(Reference { name: name.to_owned(), quote, offset })
    }
}

impl<'a> Iterator for Parts<'a> {
    type Item = Result<Part<'a>, TemplateError>;

    fn next(&mut self) -> Option<Self::Item> {
        let rest = &self.text[self.at..];
        if rest.is_empty() {
            return None;
        }
        if rest.starts_with("$${") {
            let literal = &rest[1..3];
            self.at += 3;
            return Some(Ok(Part::Text(literal)));
        }
        if rest.starts_with("${") {
            let result = self.reference();
            if result.is_err() {
                self.at = self.text.len();
            }
            return Some(result.map(Part::Reference));
        }
        // Plain text up to the next `$` that could begin something; a `$` at the front does not.
        let skip = usize::from(rest.starts_with('$'));
        let length = rest[skip..].find('$').map_or(rest.len(), |next| next + skip);
        self.at += length;
        Some(Ok(Part::Text(&rest[..length])))
    }
}

fn is_name(text: &str) -> bool {
    let inner = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'/' | b'-');
    text.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric() || b == b'_') && text.bytes().all(inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn plain(text: &str, pairs: &[(&str, &str)]) -> Result<String, TemplateError> {
        let lookup = |name: &str| {
            pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| Value::Plain((*value).to_owned()))
        };
        render(text, &lookup).map(|secret| secret.expose().to_owned())
    }

    #[test]
    fn values_are_put_in_plain_or_quoted() {
        let text = "host: ${server.name}\nmotd: ${motd|quote}\n";
        let pairs = [("server.name", "web-01"), ("motd", "a \"b\"\n\\ \u{7}\u{85}é")];
        assert_eq!(
            plain(text, &pairs).unwrap(),
            "host: web-01\nmotd: \"a \\\"b\\\"\\n\\\\ \\u0007\\u0085é\"\n"
        );
    }

    #[test]
    fn a_secret_is_put_in_like_any_value() {
        let lookup = |_: &str| Some(Value::Secret(SecretString::new("s3cret".into())));
        assert_eq!(render("p: ${secret.root|quote}", &lookup).unwrap().expose(), "p: \"s3cret\"");
    }

    #[test]
    fn other_dollars_are_plain_text() {
        for (text, shown) in [
            ("$HOME $(id) $$ $", "$HOME $(id) $$ $"),
            ("$${x}", "${x}"),
            ("$$${x}", "$${x}"),
            ("a$${b}$$c", "a${b}$$c"),
            ("", ""),
        ] {
            assert_eq!(plain(text, &[]).unwrap(), shown, "{text}");
            assert!(references(text).unwrap().is_empty(), "{text}");
        }
    }

    #[test]
    fn references_say_where_they_stand() {
        let found = references("é ${a} ${label.rack|quote} ${a}").unwrap();
        let expected = [("a", false, 3), ("label.rack", true, 8), ("a", false, 28)];
        assert_eq!(found.len(), 3);
        for (reference, (name, quote, offset)) in found.iter().zip(expected) {
            assert_eq!((reference.name.as_str(), reference.quote, reference.offset), (name, quote, offset));
        }
    }

    #[test]
    fn what_is_no_reference_is_an_error_with_its_place() {
        for (text, error) in [
            ("ab ${x", TemplateError::Unclosed { offset: 3 }),
            ("${x\n}", TemplateError::Unclosed { offset: 0 }),
            ("${}", TemplateError::NotAName { offset: 0 }),
            ("${HOME:-/root}", TemplateError::NotAName { offset: 0 }),
            ("${ x }", TemplateError::NotAName { offset: 0 }),
            ("${#list}", TemplateError::NotAName { offset: 0 }),
            ("${x|upper}", TemplateError::UnknownFilter { name: "x".into(), offset: 0 }),
        ] {
            assert_eq!(references(text).unwrap_err(), error, "{text}");
            assert_eq!(plain(text, &[("x", "1")]).unwrap_err(), error, "{text}");
        }
        assert_eq!(plain("a ${x}", &[]).unwrap_err(), TemplateError::Unset { name: "x".into(), offset: 2 });
    }

    #[test]
    fn a_value_with_a_line_break_fits_only_where_it_is_quoted() {
        for value in ["a\nb", "a\rb", "a\u{85}b", "a\u{2028}b", "a\0b"] {
            let error = plain("${x}", &[("x", value)]).unwrap_err();
            assert_eq!(error, TemplateError::SeveralLines { name: "x".into(), offset: 0 });
            assert!(!error.to_string().contains('a') || !error.to_string().contains(value));
            assert_eq!(plain("${x|quote}", &[("x", value)]).unwrap().lines().count(), 1);
        }
    }

    #[test]
    fn a_value_is_never_read_as_a_template() {
        assert_eq!(plain("${x}", &[("x", "${y}"), ("y", "no")]).unwrap(), "${y}");
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "[$a-z{}|\n\\.é]{0,40}") {
            let read = references(&text).is_ok();
            let rendered = render(&text, &|_| Some(Value::Plain("v".into()))).is_ok();
            prop_assert_eq!(read, rendered);
        }

        #[test]
        fn what_is_quoted_reads_back_as_json(value in any::<String>()) {
            let shown = plain("${x|quote}", &[("x", &value)]).unwrap();
            prop_assert!(fits_one_line(&shown));
            prop_assert_eq!(serde_json::from_str::<String>(&shown).unwrap(), value);
        }
    }
}
