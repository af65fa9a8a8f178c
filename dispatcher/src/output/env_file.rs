// SPDX-License-Identifier: AGPL-3.0-or-later
//! Environment files that systemd and a shell read alike, and that no value can break out of.
//!
//! Every value is in double quotes, where both readers know the same four escapes: `\\`, `\"`, `\$` and `` \` ``.
//! systemd reads such a file in `env-file.c`. It refuses the whole file for one Unicode noncharacter, and then drops
//! any assignment with a control character other than tab and newline; a shell cannot hold a NUL. Such values are
//! refused here, rather than lost there.

use std::collections::BTreeMap;
use std::fmt::Write as _;

/// A value that no environment file can carry.
#[derive(Debug, thiserror::Error)]
#[error("write {key}: the value has the character {code:#06x}, which no environment file can carry")]
pub struct BadCharacter {
    /// The variable.
    pub key: &'static str,
    /// The character's code.
    pub code: u32,
}

/// Renders assignments, one a line, in the given order.
pub fn render(assignments: &[(&'static str, String)]) -> Result<String, BadCharacter> {
    let mut text = String::new();
    for (key, value) in assignments {
        debug_assert!(
            key.starts_with(|c: char| c.is_ascii_uppercase())
                && key.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_'),
            "variable names are constants of this crate"
        );
        writeln!(text, "{key}={}", quote(key, value)?).expect("writing to a string cannot fail");
    }
    Ok(text)
}

/// Reads back what [`render`] wrote; nothing when it is something else.
pub fn parse(text: &str) -> Option<BTreeMap<String, String>> {
    let mut found = BTreeMap::new();
    let mut rest = text;
    while !rest.is_empty() {
        let (key, behind) = rest.split_once("=\"")?;
        let mut value = String::new();
        let mut characters = behind.char_indices();
        let end = loop {
            match characters.next()? {
                (at, '"') => break at,
                (_, '\\') => value.push(characters.next()?.1),
                (_, character) => value.push(character),
            }
        };
        found.insert(key.to_owned(), value);
        rest = behind[end + 1..].strip_prefix('\n')?;
    }
    Some(found)
}

fn quote(key: &'static str, value: &str) -> Result<String, BadCharacter> {
    let mut quoted = String::with_capacity(value.len() + 2);
    quoted.push('"');
    for character in value.chars() {
        match character {
            '"' | '\\' | '$' | '`' => quoted.extend(['\\', character]),
            _ if is_carried(character) => quoted.push(character),
            _ => return Err(BadCharacter { key, code: character.into() }),
        }
    }
    quoted.push('"');
    Ok(quoted)
}

/// What systemd takes: no control character but tab and newline, and no noncharacter (`unichar_is_valid` in its
/// `utf8.c`).
fn is_carried(character: char) -> bool {
    let code = u32::from(character);
    let control = (code < 0x20 && !matches!(character, '\t' | '\n')) || code == 0x7f;
    let noncharacter = (0xfdd0..=0xfdef).contains(&code) || code & 0xfffe == 0xfffe;
    !control && !noncharacter
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::process::Command;

    use proptest::prelude::*;

    use super::*;

    /// What `/bin/sh` makes of a file: every variable that it ends up with.
    fn by_shell(text: &str) -> BTreeMap<String, String> {
        let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
        file.write_all(text.as_bytes()).expect("written");
        let output = Command::new("/bin/sh")
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .args(["-c", "set -a; . \"$0\"; exec env -0"])
            .arg(file.path())
            .output()
            .expect("a shell");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout)
            .expect("text")
            .split_terminator('\0')
            .filter_map(|line| line.split_once('='))
            .filter(|(key, _)| !matches!(*key, "PATH" | "PWD" | "OLDPWD" | "SHLVL" | "_"))
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect()
    }

    /// The state machine of `parse_env_file_internal` in systemd's `src/basic/env-file.c`, with the checks that
    /// `load_env_file` makes afterwards.
    fn by_systemd(text: &str) -> BTreeMap<String, String> {
        #[derive(PartialEq)]
        enum State {
            PreKey,
            Key,
            PreValue,
            Value,
            ValueEscape,
            Single,
            Double,
            DoubleEscape,
            Comment,
            CommentEscape,
        }
        let mut found = BTreeMap::new();
        let (mut state, mut key, mut value) = (State::PreKey, String::new(), String::new());
        // Unquoted white space at the end of a value goes; what was quoted stays.
        let mut keep = 0;
        let mut finish = |key: &mut String, value: &mut String, keep: usize| {
            let end = value.trim_end_matches([' ', '\t']).len().max(keep);
            value.truncate(end);
            let name = std::mem::take(key).trim_end().to_owned();
            let value = std::mem::take(value);
            let noncharacter =
                |c: char| c as u32 & 0xfffe == 0xfffe || ('\u{fdd0}'..='\u{fdef}').contains(&c);
            assert!(!value.contains(noncharacter), "systemd would refuse the file");
            let legal = value.chars().all(|c| matches!(c, '\t' | '\n') || (c >= ' ' && c != '\x7f'));
            if legal {
                found.insert(name, value);
            }
        };
        for c in text.chars() {
            let newline = matches!(c, '\n' | '\r');
            match state {
                State::PreKey if matches!(c, '#' | ';') => state = State::Comment,
                State::PreKey if newline || matches!(c, ' ' | '\t') => {}
                State::PreKey => {
                    state = State::Key;
                    key.push(c);
                }
                State::Key if newline => {
                    key.clear();
                    state = State::PreKey;
                }
                State::Key if c == '=' => {
                    (state, keep) = (State::PreValue, 0);
                }
                State::Key => key.push(c),
                State::PreValue | State::Value if newline => {
                    finish(&mut key, &mut value, keep);
                    state = State::PreKey;
                }
                State::PreValue if c == '\'' => state = State::Single,
                State::PreValue if c == '"' => state = State::Double,
                State::PreValue | State::Value if c == '\\' => state = State::ValueEscape,
                State::PreValue if matches!(c, ' ' | '\t') => {}
                State::PreValue | State::Value => {
                    state = State::Value;
                    value.push(c);
                }
                State::ValueEscape => {
                    state = State::Value;
                    if !newline {
                        value.push(c);
                        keep = value.len();
                    }
                }
                State::Single if c == '\'' => (state, keep) = (State::PreValue, value.len()),
                State::Single => value.push(c),
                State::Double if c == '"' => (state, keep) = (State::PreValue, value.len()),
                State::Double if c == '\\' => state = State::DoubleEscape,
                State::Double => value.push(c),
                State::DoubleEscape => {
                    state = State::Double;
                    if matches!(c, '"' | '\\' | '`' | '$') {
                        value.push(c);
                    } else if c != '\n' {
                        value.extend(['\\', c]);
                    }
                }
                State::Comment if c == '\\' => state = State::CommentEscape,
                State::Comment if newline => state = State::PreKey,
                State::Comment => {}
                State::CommentEscape => state = State::Comment,
            }
        }
        if matches!(state, State::PreValue | State::Value | State::Single | State::Double) {
            finish(&mut key, &mut value, keep);
        }
        found
    }

    const KEYS: [&str; 4] = ["TASK_TARGET", "TARGET_DISK", "OCI_URL", "LAST"];

    fn check(values: [&str; 4]) {
        let assignments: Vec<_> =
            KEYS.iter().zip(values).map(|(key, value)| (*key, value.to_owned())).collect();
        let text = render(&assignments).expect("characters that are carried");
        let wanted: BTreeMap<_, _> = assignments.iter().map(|(k, v)| ((*k).to_owned(), v.clone())).collect();
        assert_eq!(parse(&text).as_ref(), Some(&wanted), "read back {text}");
        assert_eq!(by_shell(&text), wanted, "shell read {text}");
        assert_eq!(by_systemd(&text), wanted, "systemd would read {text}");
    }

    #[test]
    fn what_people_try_does_not_get_out_of_its_quotes() {
        check(["$(touch /tmp/owned)", "`id`", "\"; EVIL=1; \"", "a\nEVIL=1\nb"]);
        check(["'\nEVIL=1\n'", "\\\nEVIL=1", "\\", "\\\\\" EVIL=1 \\"]);
        check([
            "",
            " leading and trailing ",
            "#no comment",
            "${HOME} $HOME !! ~ * ? [a] {a,b} & | ; < > ( )",
        ]);
        check(["\u{e9}\u{2028}\u{1f980}", "\t", "a=b=c", "\n\n"]);
    }

    #[test]
    fn a_character_that_systemd_drops_is_refused_with_the_variable_named() {
        for value in ["a\0b", "a\rb", "\u{1b}[31m", "\u{7f}", "\u{fffe}", "\u{fdd0}", "\u{1ffff}"] {
            let error = render(&[("OCI_URL", value.to_owned())]).expect_err("a character that systemd drops");
            assert_eq!(error.key, "OCI_URL");
        }
    }

    proptest! {
        // Each case starts a shell.
        #![proptest_config(ProptestConfig::with_cases(96))]
        #[test]
        fn any_value_reads_back_as_itself_and_defines_nothing_else(
            values in proptest::array::uniform4("([ -~]|[\n\t\"'`$\\\\]|[^\\x00-\\x1f\\x7f]){0,24}"),
        ) {
            let values = values.map(|value| value.chars().filter(|c| is_carried(*c)).collect::<String>());
            check(values.each_ref().map(String::as_str));
        }
    }
}
