// SPDX-License-Identifier: AGPL-3.0-or-later
//! Reads the list of requirements.
//!
//! Its lines: `// a comment`; `## a section`; `id LEVEL whose`; below it, indented, the text, and
//! `n/a: reason` where nothing of ours is meant. Guarantee: a line that is none of these is an error
//! with its number; nothing is skipped.

use anyhow::{Context as _, bail};

/// The levels, as the specification writes them, and what it says without one.
const LEVELS: [&str; 6] = ["MUST", "MUST NOT", "SHOULD", "SHOULD NOT", "MAY", "NOTE"];
/// Whom a requirement binds.
const WHOSE: [&str; 2] = ["registry", "client"];

/// A section of the specification.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Section {
    pub(super) title: String,
    pub(super) requirements: Vec<Requirement>,
}

/// One thing that is asked.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Requirement {
    pub(super) id: String,
    pub(super) level: &'static str,
    pub(super) whose: &'static str,
    pub(super) text: String,
    /// Why it does not apply.
    pub(super) reason: Option<String>,
}

/// The sections, in the order of the list.
pub(super) fn read(text: &str) -> anyhow::Result<Vec<Section>> {
    let mut sections: Vec<Section> = Vec::new();
    for (line, number) in text.lines().zip(1..) {
        take(&mut sections, line).with_context(|| format!("line {number}: {line}"))?;
    }
    for asked in sections.iter().flat_map(|section| &section.requirements) {
        if asked.text.is_empty() {
            bail!("{} has no text", asked.id);
        }
    }
    Ok(sections)
}

fn take(sections: &mut Vec<Section>, line: &str) -> anyhow::Result<()> {
    if line.trim().is_empty() || line.starts_with("//") {
        return Ok(());
    }
    if line.contains('|') {
        bail!("a table cannot hold '|'");
    }
    if let Some(title) = line.strip_prefix("## ") {
        sections.push(Section { title: title.trim().to_owned(), requirements: Vec::new() });
        return Ok(());
    }
    let section = sections.last_mut().context("a section '## …' comes first")?;
    if !line.starts_with(' ') {
        section.requirements.push(head(line)?);
        return Ok(());
    }
    let asked = section.requirements.last_mut().context("a requirement 'id LEVEL whose' comes first")?;
    match line.trim().strip_prefix("n/a:") {
        Some(reason) if !reason.trim().is_empty() && asked.reason.is_none() => {
            asked.reason = Some(reason.trim().to_owned());
        }
        Some(_) => bail!("'n/a:' needs one reason"),
        None => {
            if !asked.text.is_empty() {
                asked.text.push(' ');
            }
            asked.text.push_str(line.trim());
        }
    }
    Ok(())
}

fn head(line: &str) -> anyhow::Result<Requirement> {
    let form = "a requirement is 'id LEVEL registry' or 'id LEVEL client'";
    let (id, rest) = line.split_once(' ').context(form)?;
    let (level, whose) = rest.trim().rsplit_once(' ').context(form)?;
    let numbered = id.rsplit_once('-').is_some_and(|(name, number)| {
        !name.is_empty() && number.len() == 2 && number.bytes().all(|byte| byte.is_ascii_digit())
    });
    if !numbered {
        bail!("an id ends in two digits, such as tags-03");
    }
    let level = LEVELS.into_iter().find(|known| *known == level).context("there is no such level")?;
    let whose = WHOSE.into_iter().find(|known| *known == whose).context(form)?;
    Ok(Requirement { id: id.to_owned(), level, whose, text: String::new(), reason: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_requirement_is_its_head_its_text_over_several_lines_and_its_reason() {
        let text = "// what\n\n## A b\n\nx-y-01 MUST NOT registry\n    One\n    two.\n    n/a: three\n";
        let asked = Requirement {
            id: "x-y-01".to_owned(),
            level: "MUST NOT",
            whose: "registry",
            text: "One two.".to_owned(),
            reason: Some("three".to_owned()),
        };
        let section = Section { title: "A b".to_owned(), requirements: vec![asked] };
        assert_eq!(read(text).unwrap(), [section]);
    }

    #[test]
    fn a_line_that_is_not_understood_is_told_with_its_number() {
        for (line, message) in [
            ("x-01 MUST", "a requirement is 'id LEVEL registry' or 'id LEVEL client'"),
            ("x-01 MUST somebody", "a requirement is 'id LEVEL registry' or 'id LEVEL client'"),
            ("x-01 WILL client", "there is no such level"),
            ("x-1 MUST client", "an id ends in two digits, such as tags-03"),
            ("x MUST client", "an id ends in two digits, such as tags-03"),
            ("    text", "a requirement 'id LEVEL whose' comes first"),
            ("x-01 MUST client\n    n/a:", "'n/a:' needs one reason"),
            ("x-01 MUST client\n    a | b", "a table cannot hold '|'"),
        ] {
            let error = read(&format!("## S\n{line}\n")).unwrap_err();
            assert_eq!(error.root_cause().to_string(), message, "{line}");
            let number = 1 + line.lines().count();
            assert!(error.to_string().starts_with(&format!("line {number}: ")), "{error}");
        }
    }

    #[test]
    fn a_requirement_before_any_section_and_one_without_text_are_refused() {
        let error = read("x-01 MUST client\n").unwrap_err();
        assert_eq!(error.root_cause().to_string(), "a section '## …' comes first");
        let error = read("## S\nx-01 MUST client\nx-02 MUST client\n    Text.\n").unwrap_err();
        assert_eq!(error.to_string(), "x-01 has no text");
    }
}
