// SPDX-License-Identifier: AGPL-3.0-or-later
//! Plans out of files, as `shoal show` and `shoal apply` read them.

use serde_json::Value;
use shoal_core::plan::{exit_code, lint, markdown, text};
use shoal_schema::plan::id_of_document;
use shoal_schema::plan_file::{self, PlanFileError};

/// The most of an error, whatever the file.
const ERROR: usize = 400;
/// The comment on a pull request.
const COMMENT: usize = 60_000;

/// The input as a plan, and once more under the id that its content has.
///
/// # Panics
///
/// Where a plan is taken that is not what its id says, where one that is changed is taken too, where a
/// plan that is taken cannot be shown, or where an error repeats the file.
pub fn plan(input: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(input) else { return false };
    let taken = read(text);
    let Ok(mut document) = serde_json::from_str::<Value>(text) else {
        assert!(!taken);
        return false;
    };
    let Some(map) = document.as_object_mut() else { return false };
    let (id, created_at) = (map.remove("id"), map.remove("createdAt"));
    let Ok(digest) = id_of_document(map.clone()).map(String::from) else {
        assert!(!taken, "what has no canonical form has no id");
        return false;
    };
    if taken {
        assert_eq!(id.as_ref().and_then(Value::as_str), Some(&*digest));
        changed_is_refused(&document, &digest);
    }
    // A fuzzer finds no digests: what is behind them is reached only so.
    document["id"] = digest.into();
    if let Some(created_at) = created_at {
        document["createdAt"] = created_at;
    }
    let sealed = read(&document.to_string());
    taken || sealed
}

fn read(text: &str) -> bool {
    let plan = match plan_file::read(text) {
        Ok(plan) => plan,
        Err(error) => {
            assert!(error.to_string().len() < ERROR, "{error}");
            assert!(!error.to_string().contains("c4n4ry") || matches!(error, PlanFileError::Format { .. }));
            return false;
        }
    };
    let written = serde_json::to_string(&plan).expect("a plan is JSON");
    // Without what this version does not know it is another document, and still the same plan.
    match plan_file::read(&written) {
        Ok(again) => assert_eq!(again, plan),
        Err(error) => assert!(matches!(error, PlanFileError::Damaged), "{error}"),
    }
    assert!([0, 2, 3, 7].contains(&exit_code(&plan)));
    let _ = lint::check(&plan);
    assert!(text::render(&plan).ends_with('\n'));
    let comment = markdown::render(&plan, COMMENT);
    assert!(comment.len() <= COMMENT, "{} bytes", comment.len());
    true
}

/// No other content has the same id.
fn changed_is_refused(document: &Value, id: &str) {
    let mut changed = document.clone();
    changed["id"] = id.into();
    changed["c4n4ry"] = true.into();
    assert!(matches!(plan_file::read(&changed.to_string()), Err(PlanFileError::Damaged)));
}
