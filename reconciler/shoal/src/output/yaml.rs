// SPDX-License-Identifier: AGPL-3.0-or-later
//! Scalars of the YAML that we write: plain where every tool reads the same, quoted elsewhere.

/// A text as a YAML scalar on one line.
pub(crate) fn scalar(text: &str) -> String {
    // Starts with a letter and holds nothing that means anything: no tool reads a number, a date, a
    // boolean or a comment into it. The words of YAML 1.1 are left out.
    let plain = text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/'))
        && !matches!(
            text.to_ascii_lowercase().as_str(),
            "y" | "n" | "yes" | "no" | "on" | "off" | "true" | "false" | "null"
        );
    if plain {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            ' '..='~' | '\u{a0}'..='\u{1fff}' | '\u{3000}'..='\u{d7ff}' => out.push(c),
            '\u{10000}'.. => out.push_str(&format!("\\U{:08x}", u32::from(c))),
            _ => out.push_str(&format!("\\u{:04x}", u32::from(c))),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_tool_could_misread_is_quoted() {
        for text in ["web-01", "bmc/rack-a", "install"] {
            assert_eq!(scalar(text), text);
        }
        for text in ["yes", "No", "12", "1e3", "2026-11-21", "", "a b", "a: b", "#", "null", "~"] {
            assert!(scalar(text).starts_with('"'), "{text}");
        }
    }

    #[test]
    fn every_character_reads_back() {
        for text in ["é \u{2028} \u{85} \u{feff} \u{1f41f}", "a\"b\\c\nd\te\u{7}", "\u{200b}\u{202e}"] {
            let read: String = yaml_serde::from_str(&scalar(text)).unwrap();
            assert_eq!(read, text);
        }
    }
}
