// SPDX-License-Identifier: AGPL-3.0-or-later
//! Small changes to YAML files as a person would make them: line by line, comments kept.
//!
//! Guarantees: a change that finds nothing to change, or more than one place, is an error.

use anyhow::bail;

/// The text with the one line that begins with `key:` (behind blanks) replaced by `key: value`.
pub(crate) fn set(text: &str, key: &str, value: &str) -> anyhow::Result<String> {
    change(text, key, |indent| vec![format!("{indent}{key}: {value}")])
}

/// The text with lines added below the one line that begins with `key:`, with its indentation.
pub(crate) fn add_below(text: &str, key: &str, lines: &[String]) -> anyhow::Result<String> {
    let kept = line_of(text, key)?.to_owned();
    change(text, key, |indent| {
        let added = lines.iter().map(|line| format!("{indent}{line}"));
        std::iter::once(kept.clone()).chain(added).collect()
    })
}

/// The text without the one line that begins with `key:`.
pub(crate) fn remove(text: &str, key: &str) -> anyhow::Result<String> {
    change(text, key, |_| Vec::new())
}

/// Whether a line begins with `key:`.
pub(crate) fn has(text: &str, key: &str) -> bool {
    text.lines().any(|line| is(line, key))
}

fn is(line: &str, key: &str) -> bool {
    line.trim_start().strip_prefix(key).is_some_and(|rest| rest.starts_with(':'))
}

fn line_of<'a>(text: &'a str, key: &str) -> anyhow::Result<&'a str> {
    let mut found = text.lines().filter(|line| is(line, key));
    match (found.next(), found.next()) {
        (Some(line), None) => Ok(line),
        (None, _) => bail!("no line begins with '{key}:'"),
        (Some(_), Some(_)) => bail!("several lines begin with '{key}:'"),
    }
}

fn change(text: &str, key: &str, with: impl Fn(&str) -> Vec<String>) -> anyhow::Result<String> {
    let found = line_of(text, key)?;
    let indent = &found[..found.len() - found.trim_start().len()];
    let mut changed = String::with_capacity(text.len());
    for line in text.lines() {
        let lines = if is(line, key) { with(indent) } else { vec![line.to_owned()] };
        for line in lines {
            changed.push_str(&line);
            changed.push('\n');
        }
    }
    Ok(changed)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# address: not this\nspec:\n  bmc:\n    address: https://a\n    system: \"1\"\n";

    #[test]
    fn a_line_is_replaced_removed_or_followed_and_its_indentation_kept() {
        assert_eq!(set(TEXT, "address", "https://b").unwrap(), TEXT.replace("//a", "//b"));
        assert_eq!(remove(TEXT, "system").unwrap(), TEXT.replace("    system: \"1\"\n", ""));
        let added = add_below(TEXT, "bmc", &["- x".to_owned()]).unwrap();
        assert_eq!(added, TEXT.replace("  bmc:\n", "  bmc:\n  - x\n"));
        assert!(has(TEXT, "system") && !has(TEXT, "sys"));
    }

    #[test]
    fn a_change_that_means_nothing_or_two_things_is_refused() {
        assert!(set(TEXT, "missing", "x").is_err());
        assert!(remove("a: 1\na: 2\n", "a").is_err());
    }
}
