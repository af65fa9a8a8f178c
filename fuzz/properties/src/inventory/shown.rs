// SPDX-License-Identifier: AGPL-3.0-or-later
//! Diagnostics, as people and programs see them.

use serde_json::Value;
use shoal_inventory::{Diagnostic, Format, Span, codes, render};

use super::tree::Tree;

/// The most of a line that is shown, in characters, and what an escape makes of one of them.
const LINE_SHOWN: usize = 300;

pub(super) fn within_the_files(tree: &Tree, diagnostics: &[Diagnostic]) {
    for diagnostic in diagnostics {
        assert!(
            codes::ALL.iter().any(|(code, _)| *code == diagnostic.code),
            "{} is no code",
            diagnostic.code
        );
        assert!(!diagnostic.message.is_empty() && diagnostic.message.len() < 2_000, "{diagnostic:?}");
        if let Some(span) = diagnostic.span {
            within(tree, &diagnostic.file, span);
        }
        for related in &diagnostic.related {
            within(tree, &related.file, related.span);
        }
        let texts = [Some(&diagnostic.message), diagnostic.hint.as_ref(), diagnostic.source_line.as_ref()];
        for text in texts.into_iter().flatten() {
            assert!(!text.chars().any(|c| c.is_control() && c != '\t'), "{text:?}");
        }
        let line = diagnostic.source_line.as_ref();
        assert!(line.is_none_or(|line| line.chars().count() <= LINE_SHOWN), "{line:?}");
        assert!(line.is_none() || diagnostic.span.is_some());
    }
    let keys: Vec<_> = diagnostics.iter().map(|d| (&d.file, d.span)).collect();
    assert!(keys.is_sorted(), "{keys:?}");
}

/// A span lies in its file, at most one behind the last line and the last column.
fn within(tree: &Tree, path: &str, span: Span) {
    assert!(tree.has(path), "{path:?} is no file");
    assert!((span.line, span.column) <= (span.end_line, span.end_column), "{span:?}");
    let text = String::from_utf8_lossy(tree.content(path).unwrap_or_default()).replace("\r\n", "\n");
    let lines: Vec<&str> = text.split(['\n', '\r']).collect();
    for (line, column) in [(span.line, span.column), (span.end_line, span.end_column)] {
        assert!(line >= 1 && column >= 1, "{span:?}");
        assert!(line as usize <= lines.len() + 1, "{span:?} of {} lines", lines.len());
        let width = lines.get(line as usize - 1).map_or(0, |line| line.chars().count());
        assert!(column as usize <= width + 2, "{span:?} in a line of {width}");
    }
}

/// Each diagnostic is one item of each format, and nothing in it can be taken for another.
pub(super) fn in_every_format(diagnostics: &[Diagnostic]) {
    let json = |format| -> Value {
        serde_json::from_str(&render(format, diagnostics, false)).expect("it says that it is JSON")
    };
    let many = |list: &Value| list.as_array().map(Vec::len);
    let whole = json(Format::Json);
    assert_eq!(many(&whole["diagnostics"]), Some(diagnostics.len()));
    let count = |word: &str| whole["summary"][word].as_u64().unwrap_or_default() as usize;
    assert_eq!(count("errors") + count("warnings") + count("infos"), diagnostics.len());
    let run = &json(Format::Sarif)["runs"][0];
    assert_eq!(many(&run["results"]), Some(diagnostics.len()));
    for (result, diagnostic) in run["results"].as_array().into_iter().flatten().zip(diagnostics) {
        let rule = result["ruleIndex"].as_u64().unwrap_or(u64::MAX) as usize;
        assert_eq!(run["tool"]["driver"]["rules"][rule]["id"], diagnostic.code);
    }
    let gitlab = json(Format::Gitlab);
    assert_eq!(many(&gitlab), Some(diagnostics.len()));
    let mut prints: Vec<&str> =
        gitlab.as_array().into_iter().flatten().filter_map(|item| item["fingerprint"].as_str()).collect();
    prints.sort_unstable();
    prints.dedup();
    assert_eq!(prints.len(), diagnostics.len(), "two findings have one fingerprint");
    let github = render(Format::Github, diagnostics, false);
    assert_eq!(github.lines().count(), diagnostics.len());
    assert!(
        github
            .lines()
            .all(|line| ["::error ", "::warning ", "::notice "].iter().any(|c| line.starts_with(c)))
    );
    let text = render(Format::Text, diagnostics, false);
    assert!(!text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\t')), "{text:?}");
    let coloured = render(Format::Text, diagnostics, true);
    assert!(coloured.len() >= text.len());
}
