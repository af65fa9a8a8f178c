// SPDX-License-Identifier: AGPL-3.0-or-later
//! One JSON object: `{"diagnostics": […], "summary": {"errors": 1, "warnings": 0, "infos": 0}}`.

use serde_json::json;

use crate::{Diagnostic, Severity};

pub(super) fn render(diagnostics: &[Diagnostic]) -> String {
    let count = |severity| diagnostics.iter().filter(|d| d.severity == severity).count();
    let value = json!({
        "diagnostics": diagnostics,
        "summary": {
            "errors": count(Severity::Error),
            "warnings": count(Severity::Warning),
            "infos": count(Severity::Info),
        },
    });
    format!("{value:#}\n")
}
