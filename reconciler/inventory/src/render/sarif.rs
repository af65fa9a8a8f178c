// SPDX-License-Identifier: AGPL-3.0-or-later
//! SARIF 2.1.0, as code scanning of forges and editors read it.

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde_json::{Value, json};

use crate::{Diagnostic, Severity, Span, codes};

/// What a path within a URI must not hold as it is (RFC 3986 §3.3); `/` stays.
const PATH: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'[')
    .add(b'\\')
    .add(b']')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

pub(super) fn render(diagnostics: &[Diagnostic]) -> String {
    let mut used: Vec<&str> = diagnostics.iter().map(|d| d.code).collect();
    used.sort_unstable();
    used.dedup();
    let rules: Vec<Value> = used
        .iter()
        .map(|code| {
            let about = codes::ALL.iter().find(|(known, _)| known == code).map_or("", |(_, about)| about);
            json!({"id": code, "shortDescription": {"text": about}})
        })
        .collect();
    let results: Vec<Value> = diagnostics.iter().map(|d| result(d, &used)).collect();
    let value = json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {"name": "shoal", "version": env!("CARGO_PKG_VERSION"), "rules": rules}},
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    });
    format!("{value:#}\n")
}

fn result(diagnostic: &Diagnostic, rules: &[&str]) -> Value {
    let level = match diagnostic.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Info => "note",
    };
    let text = match &diagnostic.hint {
        Some(hint) => format!("{} ({hint})", diagnostic.message),
        None => diagnostic.message.clone(),
    };
    let mut value = json!({
        "ruleId": diagnostic.code,
        "ruleIndex": rules.binary_search(&diagnostic.code).unwrap_or_default(),
        "level": level,
        "message": {"text": text},
        "locations": [location(&diagnostic.file, diagnostic.span)],
    });
    if !diagnostic.related.is_empty() {
        value["relatedLocations"] = diagnostic
            .related
            .iter()
            .enumerate()
            .map(|(index, related)| {
                let mut place = location(&related.file, Some(related.span));
                place["id"] = json!(index + 1);
                place["message"] = json!({"text": related.message});
                place
            })
            .collect();
    }
    value
}

fn location(file: &str, span: Option<Span>) -> Value {
    let uri = utf8_percent_encode(file, PATH).to_string();
    let mut place = json!({"artifactLocation": {"uri": uri, "uriBaseId": "%SRCROOT%"}});
    if let Some(span) = span {
        place["region"] = json!({
            "startLine": span.line,
            "startColumn": span.column,
            "endLine": span.end_line,
            "endColumn": span.end_column,
        });
    }
    json!({"physicalLocation": place})
}
