// SPDX-License-Identifier: AGPL-3.0-or-later
//! Text from outside (a status branch, a BMC, a machine's log, a controller) made fit for a terminal.

use std::borrow::Cow;

/// Escapes what a terminal would act on, and what hides or reorders text. Line feeds and tabs stay.
pub(crate) fn clean(text: &str) -> Cow<'_, str> {
    if text.chars().all(is_harmless) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if is_harmless(c) {
            out.push(c);
        } else {
            out.extend(c.escape_unicode());
        }
    }
    Cow::Owned(out)
}

fn is_harmless(c: char) -> bool {
    let hidden = matches!(c,
        '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}'
        | '\u{61c}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}');
    matches!(c, '\n' | '\t') || !(c.is_control() || hidden)
}

#[cfg(test)]
mod tests {
    use super::clean;

    #[test]
    fn a_terminal_never_sees_what_it_would_act_on() {
        assert_eq!(clean("a\u{1b}[2Jb\rc\td\n\u{202e}"), "a\\u{1b}[2Jb\\u{d}c\td\n\\u{202e}");
        assert_eq!(clean("é € 𐍈"), "é € 𐍈");
    }
}
