// SPDX-License-Identifier: AGPL-3.0-or-later
//! A Code Quality report of GitLab: a JSON array, each finding with a fingerprint of its own.

use std::collections::HashMap;

use serde_json::{Value, json};
use shoal_schema::Sha256;

use crate::{Diagnostic, Severity};

pub(super) fn render(diagnostics: &[Diagnostic]) -> String {
    let mut seen: HashMap<String, u32> = HashMap::new();
    let findings: Vec<Value> = diagnostics
        .iter()
        .map(|diagnostic| {
            let severity = match diagnostic.severity {
                Severity::Error => "critical",
                Severity::Warning => "minor",
                Severity::Info => "info",
            };
            let description = match &diagnostic.hint {
                Some(hint) => format!("{} ({hint})", diagnostic.message),
                None => diagnostic.message.clone(),
            };
            // Without the line, so that a finding that moves stays the same finding.
            let key = format!("{}\0{}\0{}", diagnostic.code, diagnostic.file, diagnostic.message);
            let count = seen.entry(key.clone()).or_default();
            *count += 1;
            let fingerprint = Sha256::of(format!("{key}\0{count}").as_bytes()).hex();
            json!({
                "description": description,
                "check_name": diagnostic.code,
                "fingerprint": fingerprint,
                "severity": severity,
                "location": {
                    "path": diagnostic.file.as_ref(),
                    "lines": {
                        "begin": diagnostic.span.map_or(1, |span| span.line),
                        "end": diagnostic.span.map_or(1, |span| span.end_line),
                    },
                },
            })
        })
        .collect();
    format!("{:#}\n", Value::Array(findings))
}
