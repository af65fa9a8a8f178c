// SPDX-License-Identifier: AGPL-3.0-or-later
//! Every format over the same diagnostics.

use insta::assert_snapshot;
use serde_json::Value;
use shoal_inventory::{Diagnostic, Format, Severity, Span, codes, render};

use crate::support::{Tree, server};

/// An error with a related place, a warning with a tab, one without a place, a hostile one.
fn diagnostics() -> Vec<Diagnostic> {
    let tree = Tree::base()
        .with("servers/a.yaml", server("a", 1))
        .with("servers/b%,:\n.yaml", server("b", 2).replace("SN-000002", "SN-000001"))
        .with("servers/empty.yaml", "")
        .with("servers/tab.yaml", server("c", 3).replace("{hostname: c}", "{hostname:\tno}"))
        .with("servers/z.yaml", "kind: \"x\\e[31m\\n::error::forged`|<b>\"\n");
    tree.load().diagnostics
}

#[test]
fn text_has_a_line_that_editors_understand_and_a_caret() {
    assert_snapshot!(render(Format::Text, &diagnostics(), false));
}

#[test]
fn text_in_colour_is_the_same_text() {
    let coloured = render(Format::Text, &diagnostics(), true);
    assert!(coloured.contains("\u{1b}[1;31merror"));
    let mut plain = String::new();
    let mut rest = coloured.as_str();
    while let Some(start) = rest.find('\u{1b}') {
        plain.push_str(&rest[..start]);
        rest = &rest[start + rest[start..].find('m').unwrap() + 1..];
    }
    plain.push_str(rest);
    assert_eq!(plain, render(Format::Text, &diagnostics(), false));
}

#[test]
fn json_holds_everything() {
    assert_snapshot!(render(Format::Json, &diagnostics(), false));
}

#[test]
fn sarif_has_rules_results_and_escaped_addresses() {
    let text = render(Format::Sarif, &diagnostics(), false);
    let value: Value = serde_json::from_str(&text).unwrap();
    let run = &value["runs"][0];
    for result in run["results"].as_array().unwrap() {
        let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
        assert_eq!(run["tool"]["driver"]["rules"][index]["id"], result["ruleId"]);
    }
    assert_snapshot!(text);
}

#[test]
fn a_github_command_is_one_line_that_nothing_in_it_can_end() {
    let text = render(Format::Github, &diagnostics(), false);
    assert_eq!(text.lines().count(), diagnostics().len());
    assert!(text.lines().all(|line| line.starts_with("::error ") || line.starts_with("::warning ")));
    assert_snapshot!(text);
}

#[test]
fn gitlab_findings_have_a_fingerprint_each() {
    let mut diagnostics = diagnostics();
    diagnostics.push(diagnostics[0].clone());
    let text = render(Format::Gitlab, &diagnostics, false);
    let value: Value = serde_json::from_str(&text).unwrap();
    let mut prints: Vec<&str> =
        value.as_array().unwrap().iter().map(|finding| finding["fingerprint"].as_str().unwrap()).collect();
    let count = prints.len();
    prints.sort_unstable();
    prints.dedup();
    assert_eq!(prints.len(), count);
    assert_snapshot!(text);
}

#[test]
fn nothing_is_a_valid_report_too() {
    assert_eq!(render(Format::Text, &[], true), "");
    assert_eq!(render(Format::Github, &[], false), "");
    assert_eq!(render(Format::Gitlab, &[], false), "[]\n");
    for format in [Format::Json, Format::Sarif] {
        assert!(serde_json::from_str::<Value>(&render(format, &[], false)).is_ok());
    }
}

#[test]
fn a_caret_stays_within_its_line() {
    let diagnostic = Diagnostic {
        severity: Severity::Info,
        code: codes::EMPTY,
        message: "m".into(),
        file: "f".into(),
        span: Some(Span { line: 1, column: 3, end_line: 9, end_column: 1 }),
        source_line: Some("\té b".into()),
        hint: None,
        related: Vec::new(),
        subject: None,
    };
    assert_eq!(
        render(Format::Text, &[diagnostic], false),
        "f:1:3: info[file.empty]: m\n    1 | \té b\n      | \t ^^\n"
    );
}
