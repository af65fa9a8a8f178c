// SPDX-License-Identifier: AGPL-3.0-or-later
//! `docs/reference/redfish-rules.md`: what BMCs do, which file copes with it, and which test shows
//! that this is needed.

use std::fmt::Write as _;

use shoal_redfish::{Carrier, HABITS, MAKERS, Proof, Rule};

/// Where the scenarios of the rules stand.
const SCENARIOS: &str = "reconciler/redfish/tests/it/rules";

/// The reference.
pub(super) fn markdown() -> String {
    let mut out = String::from(
        "# Redfish rules\n\nWhat BMCs do, and what Shoal's client does about it. Nothing here was tried on hardware of \
         our own: each rule comes from a recording, from another project's source or from a report, and fails soft, \
         since every write is read back.\n\n\
         A rule of one maker is on where discovery saw a reason, as `reconciler/redfish/src/rules/decide.rs` says once; \
         the others are always on. What the keys of messages mean is in `reconciler/redfish/src/rules/messages.rs`. A \
         test below ",
    );
    let _ = write!(
        out,
        "`{SCENARIOS}` runs a scenario of the rule's own twice: with all rules it must end well, and without this one \
         it must not. A rule without a switch says why it has none. Only builds for tests have \
         switches: in a release every rule is on.\n\n\
         | rule | what it works around | known from | on | applied in | test |\n|---|---|---|---|---|---|\n"
    );
    for rule in Rule::ALL {
        let facts = rule.facts();
        let paragraphs = paragraphs(facts.about);
        let when = if facts.of_one_maker { "where seen" } else { "always" };
        let test = match facts.proof {
            Proof::Scenario => format!("`rules::{}`", facts.id),
            Proof::Test { file, test, why } => format!("`{test}` in `{file}`; no switch: {why}"),
        };
        let _ = writeln!(
            out,
            "| `{rule:?}` | {} | {} | {when} | `{}` | {test} |",
            cell(&paragraphs[0]),
            cell(&paragraphs[1..].join(" ")),
            facts.file,
        );
    }
    known(&mut out);
    out
}

/// The other way: from what is known to what carries it.
fn known(out: &mut String) {
    out.push_str(
        "\n## What holds for all BMCs\n\nEach habit and what carries it: rules, tests, choices. A test fails where one \
         names a rule or a test that is not there.\n\n| habit | what a client does | carried by |\n|---|---|---|\n",
    );
    for habit in HABITS {
        let _ =
            writeln!(out, "| G{} | {} | {} |", habit.number, cell(habit.about), carriers(habit.carried_by));
    }
    out.push_str(
        "\n## What is known of makers\n\n| maker | which | what they do | carried by |\n|---|---|---|---|\n",
    );
    for row in MAKERS {
        let carried_by = carriers(row.carried_by);
        let _ = writeln!(out, "| {} | {} | {} | {carried_by} |", row.maker, cell(row.which), cell(row.does));
    }
}

fn carriers(carriers: &[Carrier]) -> String {
    let words = carriers.iter().map(|carrier| match carrier {
        Carrier::Rule(rule) => format!("`{rule:?}`"),
        Carrier::Test { file, test } => format!("`{test}` in `{file}`"),
        Carrier::Choice(why) => cell(why),
    });
    words.collect::<Vec<_>>().join("; ")
}

/// The lines of a doc comment, one text for each paragraph.
fn paragraphs(lines: &[&str]) -> Vec<String> {
    lines
        .split(|line| line.trim().is_empty())
        .map(|lines| lines.iter().map(|line| line.trim()).collect::<Vec<_>>().join(" "))
        .collect()
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_has_a_row() {
        let text = markdown();
        for rule in Rule::ALL {
            assert!(text.contains(&format!("| `{rule:?}` |")), "{rule:?}");
        }
        assert!(text.contains("| G29 |") && text.contains("| xFusion |"));
        assert_eq!(text.lines().filter(|line| line.starts_with("| `")).count(), Rule::ALL.len());
    }
}
