// SPDX-License-Identifier: AGPL-3.0-or-later
//! Takes secrets out of text that leaves the machine.
//!
//! A secret is a token or a whole document (user-data, an answer file). Its parts are secret too: a tool's log
//! quotes a line, or the password behind a colon. So every secret is cut into fragments, and each fragment is looked
//! for as it is and as base64, hexadecimal, percent-encoding and JSON would show it.
//!
//! Guarantees: rather too much is taken out than too little. Fragments shorter than [`SHORTEST`] bytes are left,
//! because they would take every second word out of a log; a secret as a whole always goes, however short.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use shoal_schema::SecretString;
use zeroize::Zeroizing;

/// What stands where a secret was.
pub const MASK: &str = "(redacted)";

/// Shortest fragment of a document that is looked for, in bytes.
pub const SHORTEST: usize = 6;

/// Knows the secrets of a job, and shows none.
#[derive(Clone, Default)]
pub struct Redactor {
    /// Longest first, so that no part of a longer one is left.
    needles: Vec<Zeroizing<String>>,
}

impl Redactor {
    /// Learns another secret.
    pub fn add(&mut self, secret: &SecretString) {
        let whole = secret.expose();
        let fragments = std::iter::once(whole.trim()).chain(fragments(whole));
        for fragment in fragments.filter(|fragment| !fragment.is_empty()) {
            for form in forms(fragment) {
                if !self.needles.contains(&form) {
                    self.needles.push(form);
                }
            }
        }
        self.needles.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
    }

    /// The text without any secret.
    pub fn clean(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for needle in &self.needles {
            if text.contains(needle.as_str()) {
                text = text.replace(needle.as_str(), MASK);
            }
        }
        text
    }

    /// The last `limit` bytes of the cleaned text, cut at a line where there is one.
    pub fn clean_tail(&self, text: &str, limit: usize) -> String {
        // Cleaned first: a secret that the cut goes through would not be found.
        tail(&self.clean(text), limit).to_owned()
    }
}

/// The last `limit` bytes at most, from the start of a line, or else of a character.
fn tail(text: &str, limit: usize) -> &str {
    if text.len() <= limit {
        return text;
    }
    let mut from = text.len() - limit;
    while !text.is_char_boundary(from) {
        from += 1;
    }
    match text[from..].find('\n') {
        Some(end) if from + end + 1 < text.len() => &text[from + end + 1..],
        _ => &text[from..],
    }
}

/// The parts of a document that may show up alone: its lines, what stands behind a colon or an equals sign, and the
/// text between tags and quotes.
fn fragments(document: &str) -> impl Iterator<Item = &str> {
    let lines = document.lines().map(str::trim);
    let values = document.lines().flat_map(|line| {
        let value = line.split_once(": ").or_else(|| line.split_once('=')).map_or("", |(_, value)| value);
        std::iter::once(value).chain(line.split(['<', '>', '"', '\'', ',', ' ', '\t']))
    });
    let values = values.map(|value| value.trim().trim_matches(['"', '\'', '-']).trim());
    lines.chain(values).filter(|part| part.len() >= SHORTEST)
}

/// How a fragment may be written.
fn forms(fragment: &str) -> Vec<Zeroizing<String>> {
    let bytes = fragment.as_bytes();
    let hex = bytes.iter().fold(String::new(), |mut hex, byte| {
        write!(hex, "{byte:02x}").expect("writing to a string cannot fail");
        hex
    });
    let percent = |upper: bool| -> String {
        bytes
            .iter()
            .map(|byte| match byte {
                b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                    char::from(*byte).to_string()
                }
                _ if upper => format!("%{byte:02X}"),
                _ => format!("%{byte:02x}"),
            })
            .collect()
    };
    let json = serde_json::Value::from(fragment).to_string();
    let forms = [
        fragment.to_owned(),
        STANDARD.encode(bytes),
        STANDARD_NO_PAD.encode(bytes),
        URL_SAFE.encode(bytes),
        URL_SAFE_NO_PAD.encode(bytes),
        hex.to_ascii_uppercase(),
        hex,
        percent(true),
        percent(false),
        json.trim_matches('"').to_owned(),
    ];
    forms.into_iter().map(Zeroizing::new).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn redactor(secrets: &[&str]) -> Redactor {
        let mut redactor = Redactor::default();
        for secret in secrets {
            redactor.add(&SecretString::new((*secret).to_owned()));
        }
        redactor
    }

    #[test]
    fn a_token_goes_in_every_usual_form() {
        let redactor = redactor(&["tok/en+1234"]);
        let text = "tok/en+1234 dG9rL2VuKzEyMzQ= 746f6b2f656e2b31323334 tok%2Fen%2B1234 end";
        assert_eq!(redactor.clean(text), "(redacted) (redacted) (redacted) (redacted) end");
    }

    #[test]
    fn a_password_inside_user_data_goes_wherever_it_shows_up_alone() {
        let redactor = redactor(&["#cloud-config\nhostname: web-01.example.org\npassword: hunter2hunter2\n"]);
        let clean = redactor.clean("login as root with hunter2hunter2 failed");
        assert_eq!(clean, "login as root with (redacted) failed");
        let xml = self::redactor(&["<Password><Value>c0rrect-horse</Value></Password>"]);
        assert!(!xml.clean("value c0rrect-horse refused").contains("c0rrect"));
    }

    #[test]
    fn the_tail_is_cleaned_before_it_is_cut() {
        let redactor = redactor(&["0123456789abcdef"]);
        // The cut falls into the middle of the secret.
        let text = format!("{}0123456789abcdef and the end", "x".repeat(100));
        for limit in 1..60 {
            let tail = redactor.clean_tail(&text, limit);
            assert!(tail.len() <= limit);
            assert!(!tail.contains("def"), "limit {limit}: {tail}");
        }
    }

    #[test]
    fn a_tail_begins_with_a_whole_line_and_a_whole_character() {
        let none = Redactor::default();
        assert_eq!(none.clean_tail("one\ntwo\nthree", 8), "three");
        assert_eq!(none.clean_tail("\u{e9}\u{e9}\u{e9}", 3), "\u{e9}");
    }

    proptest! {
        #[test]
        fn no_secret_survives(secret in "[ -~]{6,40}", before in "[ -~\n]{0,40}", after in "[ -~\n]{0,40}") {
            let redactor = redactor(&[&secret]);
            let clean = redactor.clean(&format!("{before}{secret}{after}"));
            // The mask may spell a secret that is part of it.
            prop_assume!(!MASK.contains(secret.trim()));
            let left = clean.replace(MASK, "\n").contains(secret.trim());
            prop_assert!(secret.trim().is_empty() || !left, "{}", clean);
        }
    }
}
