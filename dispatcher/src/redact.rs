// SPDX-License-Identifier: AGPL-3.0-or-later
//! Takes secrets out of text that leaves the machine.
//!
//! A secret is a token or a whole document (user-data, an answer file). Its parts are secret too: a tool's log
//! quotes a line, or the password behind a colon. So every secret is cut into fragments, and each fragment is looked
//! for as it is and as base64, hexadecimal, percent-encoding and JSON would show it.
//!
//! # Guarantees
//!
//! * Every place where a fragment stands is masked, overlapping ones together; time is linear in the text.
//! * Rather too much is taken out than too little: a host name out of user-data goes as well.
//!
//! # What it does not do
//!
//! Fragments shorter than [`SHORTEST`] bytes, and plain words of a document that stand neither behind a colon or an
//! equals sign nor alone on their line, are left: they would take every second word out of a log. A secret as a whole
//! always goes, however short.

use std::collections::{HashMap, HashSet};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use shoal_schema::SecretString;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// What stands where a secret was.
pub const MASK: &str = "(redacted)";

/// Shortest fragment of a document that is looked for, in bytes.
pub const SHORTEST: usize = 6;

/// One form of one fragment; wiped when dropped.
#[derive(Clone, PartialEq, Eq, Hash, Zeroize, ZeroizeOnDrop)]
struct Needle(String);

/// Knows the secrets of a job, and shows none.
#[derive(Clone, Default)]
pub struct Redactor {
    /// By their first [`SHORTEST`] bytes.
    needles: HashMap<[u8; SHORTEST], HashSet<Needle>>,
    /// Whole secrets that are shorter than that.
    short: HashSet<Needle>,
}

impl Redactor {
    /// Learns another secret.
    pub fn add(&mut self, secret: &SecretString) {
        let whole = secret.expose();
        let texts: HashSet<&str> = [whole, whole.trim()].into_iter().chain(parts(whole)).collect();
        for text in texts {
            for form in forms(text) {
                self.learn(form);
            }
        }
        for word in words(whole) {
            self.learn(Needle(word.to_owned()));
        }
    }

    fn learn(&mut self, needle: Needle) {
        match needle.0.as_bytes().first_chunk() {
            Some(start) => self.needles.entry(*start).or_default().insert(needle),
            None => !needle.0.is_empty() && self.short.insert(needle),
        };
    }

    /// The text without any secret.
    pub fn clean(&self, text: &str) -> String {
        let mut clean = String::with_capacity(text.len());
        let mut copied = 0;
        let mut masked = 0..0;
        for (at, _) in text.char_indices() {
            let Some(len) = self.longest_at(&text[at..]) else { continue };
            if at > masked.end || masked.is_empty() {
                clean.push_str(&text[copied.max(masked.end)..at]);
                clean.push_str(MASK);
                masked = at..at + len;
            } else {
                masked.end = masked.end.max(at + len);
            }
            copied = masked.end;
        }
        clean.push_str(&text[copied.max(masked.end)..]);
        clean
    }

    /// How much of the start of the text is a secret.
    fn longest_at(&self, text: &str) -> Option<usize> {
        let long = text.as_bytes().first_chunk().and_then(|start| self.needles.get(start));
        let needles = long.into_iter().flatten().chain(&self.short);
        needles.filter(|needle| text.starts_with(&needle.0)).map(|needle| needle.0.len()).max()
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

/// The parts of a document that are secret in any form: its lines, what stands behind a colon or an equals sign, and
/// the text between tags and quotes.
fn parts(document: &str) -> impl Iterator<Item = &str> {
    document
        .lines()
        .flat_map(|line| {
            let behind = |mark: char| line.split_once(mark).map_or("", |(_, value)| value);
            let last = |mark: char| line.rsplit_once(mark).map_or("", |(_, value)| value);
            [line, behind(':'), behind('='), last(':'), last('=')]
                .into_iter()
                .chain(line.split(['<', '>', '"', '\'']).skip(1))
        })
        .flat_map(bare)
        .filter(|part| part.len() >= SHORTEST)
}

/// The words of a document that look like nothing that a person says: with digits, odd characters or changing case.
fn words(document: &str) -> impl Iterator<Item = &str> {
    document.split(|c: char| c.is_whitespace() || matches!(c, ',' | '=' | ':')).flat_map(bare).filter(
        |word| {
            let letter = word.contains(|c: char| c.is_alphabetic());
            let digit = word.contains(|c: char| c.is_ascii_digit());
            let odd = word.contains(|c: char| c.is_ascii_punctuation() && !matches!(c, '.' | '_' | '/'));
            let mixed = word.chars().skip(1).any(char::is_uppercase) && word.contains(char::is_lowercase);
            word.len() >= SHORTEST && ((letter && digit) || odd || mixed)
        },
    )
}

/// Without blanks, quotes, and the mark of a list; and the same without the brackets of a flow list around it.
fn bare(text: &str) -> [&str; 2] {
    let text = text.trim();
    let text = text.strip_prefix("- ").unwrap_or(text).trim().trim_matches(['"', '\'']).trim();
    [text, text.trim_matches(['[', ']', '{', '}', '(', ')', ' ', '"', '\'', ','])]
}

/// How a fragment may be written.
fn forms(fragment: &str) -> Vec<Needle> {
    let bytes = fragment.as_bytes();
    let hex = encoded(bytes, |_| false, "", false);
    let unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let json = serde_json::Value::from(fragment).to_string();
    let forms = [
        fragment.to_owned(),
        STANDARD.encode(bytes),
        STANDARD_NO_PAD.encode(bytes),
        URL_SAFE.encode(bytes),
        URL_SAFE_NO_PAD.encode(bytes),
        hex.to_ascii_uppercase(),
        hex,
        encoded(bytes, unreserved, "%", true),
        encoded(bytes, unreserved, "%", false),
        json[1..json.len() - 1].to_owned(),
    ];
    forms.into_iter().map(Needle).collect()
}

/// Bytes as hexadecimal behind a prefix, but for those that stay as they are.
fn encoded(bytes: &[u8], stays: impl Fn(u8) -> bool, prefix: &str, upper: bool) -> String {
    let digits = if upper { b"0123456789ABCDEF" } else { b"0123456789abcdef" };
    let mut text = String::with_capacity(bytes.len() * (2 + prefix.len()));
    for byte in bytes {
        if stays(*byte) {
            text.push(char::from(*byte));
        } else {
            text.push_str(prefix);
            text.extend([byte >> 4, byte & 0xf].map(|half| char::from(digits[usize::from(half)])));
        }
    }
    text
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
    fn a_password_inside_a_document_goes_wherever_it_shows_up_alone() {
        for (document, secret) in [
            ("#cloud-config\nhostname: web\npassword: hunterhunter\n", "hunterhunter"),
            ("chpasswd: {list: [root:correcthorse]}", "correcthorse"),
            ("users:\n  - name: a\n    passwd: \"$6$salt$hash\"\n", "$6$salt$hash"),
            ("runcmd:\n  - echo s3cretvalue | chpasswd\n", "s3cretvalue"),
            ("runcmd:\n  - [sh, -c, token-of-a-service]\n", "token-of-a-service"),
            ("<Password><Value>correcthorse</Value></Password>", "correcthorse"),
            ("KEY=abcdefgh", "abcdefgh"),
            ("short", "short"),
            ("pw", "pw"),
        ] {
            let clean = redactor(&[document]).clean(&format!("[step] got {secret} from it"));
            assert_eq!(clean, "[step] got (redacted) from it", "{document}");
        }
    }

    #[test]
    fn a_log_stays_readable_beside_an_ordinary_document() {
        let document = "#cloud-config\npackage_update: true\npackages:\n  - nginx\n  - openssh-server\nruncmd:\n  - systemctl restart nginx\n";
        let log = "[image] cannot write /mnt/new-root/etc/fstab: network restart failed, 12 packages left";
        assert_eq!(redactor(&[document]).clean(log), log);
    }

    #[test]
    fn overlapping_secrets_are_masked_together() {
        let redactor = redactor(&["abcdefgh", "efghijkl"]);
        assert_eq!(redactor.clean("-abcdefghijkl-"), "-(redacted)-");
        assert_eq!(redactor.clean("abcdefghabcdefgh"), "(redacted)");
        assert_eq!(redactor.clean("abcdefgh abcdefgh"), "(redacted) (redacted)");
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

    #[test]
    fn a_document_of_a_mebibyte_is_learned_and_looked_for() {
        let lines = (0..40_000).map(|line| format!("key{line}: value-number-{line}\n"));
        let document = lines.collect::<Vec<_>>().concat();
        let redactor = redactor(&[&document]);
        let log = "nothing in here\n".repeat(4000) + "value-number-39999";
        let tail = redactor.clean_tail(&log, 8192);
        assert!(tail.ends_with("(redacted)"), "{}", &tail[tail.len() - 40..]);
    }

    proptest! {
        #[test]
        fn no_secret_survives(
            secrets in proptest::collection::vec("[ -~]{1,40}", 1..4),
            pieces in proptest::collection::vec(("[ -~\n\u{e9}]{0,20}", 0usize..4), 0..8),
        ) {
            let secrets: Vec<&str> = secrets.iter().map(String::as_str).collect();
            let redactor = redactor(&secrets);
            let text = pieces
                .iter()
                .map(|(before, which)| format!("{before}{}", secrets.get(*which).unwrap_or(&"")))
                .collect::<Vec<_>>()
                .concat();
            let clean = redactor.clean(&text);
            for secret in secrets.into_iter().filter(|secret| !secret.is_empty()) {
                // The mask may spell a secret, or an end of one.
                let left = clean.split(MASK).any(|rest| rest.contains(secret));
                prop_assert!(!left, "{:?} in {:?}", secret, clean);
            }
        }
    }
}
