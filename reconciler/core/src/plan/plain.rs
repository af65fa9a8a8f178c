// SPDX-License-Identifier: AGPL-3.0-or-later
//! Text that others wrote, as text: what a terminal or a page would act on instead of showing it is
//! replaced. Names, reasons and messages come from pull requests, BMCs and machines.

use std::borrow::Cow;

use shoal_schema::Sha256;

/// Whether a character does something instead of being seen: control characters (escape sequences,
/// line breaks), and those that reorder or hide the text around them (CVE-2021-42574).
pub(super) fn acts(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{ad}'
                | '\u{61c}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

/// The text on one line, with nothing in it that acts.
pub(super) fn plain(text: &str) -> Cow<'_, str> {
    if !text.contains(acts) {
        return Cow::Borrowed(text);
    }
    let shown = |c| match c {
        '\n' | '\r' | '\t' => ' ',
        c if acts(c) => '\u{fffd}',
        c => c,
    };
    Cow::Owned(text.chars().map(shown).collect())
}

/// A digest by its first digits, as people compare them; anything else as it is.
pub(super) fn brief(value: &str) -> &str {
    match Sha256::parse(value) {
        Ok(_) => &value[.."sha256:".len() + 12],
        Err(_) => value,
    }
}

/// The beginning of a text, at most so many characters.
pub(super) fn cut(text: &str, characters: usize) -> Cow<'_, str> {
    match text.char_indices().nth(characters) {
        None => Cow::Borrowed(text),
        Some((end, _)) => Cow::Owned(format!("{}…", &text[..end])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_acts_is_shown_as_replaced_and_the_rest_stays() {
        assert_eq!(plain("web-01 é 服务器"), "web-01 é 服务器");
        assert_eq!(plain("a\nb\u{1b}[2Jc\u{202e}d"), "a b\u{fffd}[2Jc\u{fffd}d");
    }

    #[test]
    fn a_digest_is_brief_and_nothing_else_is() {
        assert_eq!(brief(&Sha256::of(b"").to_string()), "sha256:e3b0c44298fc");
        for text in ["sha256:é", "debian 13.1", ""] {
            assert_eq!(brief(text), text);
        }
    }

    #[test]
    fn a_text_is_cut_at_a_character() {
        assert_eq!(cut("ééé", 2), "éé…");
        assert_eq!(cut("ééé", 3), "ééé");
    }
}
