// SPDX-License-Identifier: AGPL-3.0-or-later
//! `docs/registry-conformance.md`: what the OCI Distribution Specification asks of a registry and of its
//! clients, each with the tests that show it.
//!
//! [`list`] reads what is asked, [`markers`] finds which test says that it shows what; here the two are
//! brought together. Guarantees: a requirement without a test and without a reason, a test for what is
//! not in the list, and a reason beside a test are errors, and all of them are told at once.

mod list;
mod markers;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context as _, bail};

use list::Section;
use markers::Shown;

/// The list, below the workspace.
const LIST: &str = "reconciler/registry/tests/spec/requirements.list";
/// Where tests with markers are, below the workspace.
const TESTS: &str = "reconciler/registry";

const HEAD: &str = "\
# Conformance of the registry

What the [OCI Distribution Specification](https://github.com/opencontainers/distribution-spec/blob/main/spec.md) \
asks, by section and in words of our own, each with the tests that show it. NOTE is what it says without one of \
its capital words. A requirement without a test fails the build.
";

/// The document.
pub(super) fn markdown(root: &Path) -> anyhow::Result<String> {
    let path = root.join(LIST);
    let text = std::fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
    let sections = list::read(&text).with_context(|| format!("read {LIST}"))?;
    let shown = markers::find(&root.join(TESTS)).with_context(|| format!("look for tests in {TESTS}"))?;
    render(&sections, &shown)
}

fn render(sections: &[Section], shown: &[Shown]) -> anyhow::Result<String> {
    let mut tests: BTreeMap<&str, BTreeSet<&Shown>> = BTreeMap::new();
    for test in shown {
        tests.entry(test.id.as_str()).or_default().insert(test);
    }
    refuse(&problems(sections, &tests))?;
    let mut out = HEAD.to_owned();
    out.push_str(&summary(sections, &tests));
    for section in sections {
        let _ = write!(
            out,
            "\n## {}\n\n| id | level | whose | what | test |\n|---|---|---|---|---|\n",
            section.title
        );
        for asked in &section.requirements {
            let test = match (&asked.reason, tests.get(asked.id.as_str())) {
                (Some(reason), _) => format!("does not apply: {reason}"),
                (None, shown) => {
                    shown.into_iter().flatten().map(|test| link(test)).collect::<Vec<_>>().join("<br>")
                }
            };
            let (id, level, whose, text) = (&asked.id, asked.level, asked.whose, &asked.text);
            let _ = writeln!(out, "| {id} | {level} | {whose} | {text} | {test} |");
        }
    }
    Ok(out)
}

fn summary(sections: &[Section], tests: &BTreeMap<&str, BTreeSet<&Shown>>) -> String {
    let all: Vec<_> = sections.iter().flat_map(|section| &section.requirements).collect();
    let excused = all.iter().filter(|asked| asked.reason.is_some()).count();
    let functions: BTreeSet<_> = tests.values().flatten().map(|test| (&test.file, &test.function)).collect();
    format!(
        "\n{} requirements: {} shown by {} tests, {excused} that do not apply.\n",
        all.len(),
        all.len() - excused,
        functions.len()
    )
}

fn link(test: &Shown) -> String {
    format!("[{file}](../{TESTS}/{file}) `{function}`", file = test.file, function = test.function)
}

/// Everything that is wrong between the list and the tests.
fn problems(sections: &[Section], tests: &BTreeMap<&str, BTreeSet<&Shown>>) -> Vec<String> {
    let mut problems = Vec::new();
    let mut known = BTreeSet::new();
    for asked in sections.iter().flat_map(|section| &section.requirements) {
        let (id, level) = (asked.id.as_str(), asked.level);
        if !known.insert(id) {
            problems.push(format!("{id} is in {LIST} twice"));
        }
        match (&asked.reason, tests.get(id).and_then(BTreeSet::first)) {
            (None, None) => problems.push(format!(
                "{id} ({level}, {}) has no test: write one with '// covers: {id}' above it, or give a reason 'n/a: …' in {LIST}",
                asked.whose
            )),
            (Some(_), Some(test)) => problems.push(format!(
                "{id} is said not to apply, and {} in {} shows it: take one of the two away",
                test.function, test.file
            )),
            _ => {}
        }
    }
    for test in tests.iter().filter(|(id, _)| !known.contains(*id)).flat_map(|(_, tests)| tests) {
        problems
            .push(format!("{} in {} covers {}, which is not in {LIST}", test.function, test.file, test.id));
    }
    problems
}

fn refuse(problems: &[String]) -> anyhow::Result<()> {
    if !problems.is_empty() {
        bail!("the requirements of the registry and their tests do not fit:\n{}", problems.join("\n"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ASKED: &str = "\
## Pulling
pull-01 MUST registry
    It answers.
pull-02 SHOULD NOT client
    It asks twice.
    n/a: it asks once
";

    fn shown(id: &str, function: &str) -> Shown {
        Shown { id: id.to_owned(), file: "tests/spec/pull.rs".to_owned(), function: function.to_owned() }
    }

    fn rendered(asked: &str, shown: &[Shown]) -> Result<String, String> {
        render(&list::read(asked).unwrap(), shown).map_err(|error| error.to_string())
    }

    #[test]
    fn a_requirement_is_a_row_with_its_tests_or_its_reason() {
        let text =
            rendered(ASKED, &[shown("pull-01", "it_answers"), shown("pull-01", "it_answers_again")]).unwrap();
        let link = "[tests/spec/pull.rs](../reconciler/registry/tests/spec/pull.rs)";
        let row = format!(
            "| pull-01 | MUST | registry | It answers. | {link} `it_answers`<br>{link} `it_answers_again` |"
        );
        assert!(text.contains(&row), "{text}");
        assert!(
            text.contains(
                "| pull-02 | SHOULD NOT | client | It asks twice. | does not apply: it asks once |"
            ),
            "{text}"
        );
        assert!(text.contains("2 requirements: 1 shown by 2 tests, 1 that do not apply."), "{text}");
    }

    #[test]
    fn a_requirement_without_a_test_is_refused_and_the_message_says_what_to_write() {
        let error = rendered(ASKED, &[]).unwrap_err();
        assert!(error.contains("pull-01 (MUST, registry) has no test"), "{error}");
        assert!(error.contains("'// covers: pull-01'"), "{error}");
        assert!(!error.contains("pull-02"), "{error}");
    }

    #[test]
    fn every_problem_is_told_at_once() {
        let asked = format!("{ASKED}pull-01 MAY registry\n    It answers twice.\n");
        let tests = [shown("pull-02", "it_asks"), shown("pull-09", "it_sings")];
        let error = rendered(&asked, &tests).unwrap_err();
        for part in [
            "pull-01 (MUST, registry) has no test",
            "pull-01 is in reconciler/registry/tests/spec/requirements.list twice",
            "pull-02 is said not to apply, and it_asks in tests/spec/pull.rs shows it",
            "it_sings in tests/spec/pull.rs covers pull-09, which is not in",
        ] {
            assert!(error.contains(part), "{part}: {error}");
        }
    }
}
