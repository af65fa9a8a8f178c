// SPDX-License-Identifier: AGPL-3.0-or-later
//! Single documents, one rule each; the name says the rule.

use insta::assert_snapshot;

use crate::support::{Tree, cases, report};

/// Where a document of its kind belongs. What has no kind stands among the servers.
fn path_of(content: &[u8]) -> &'static str {
    let text = String::from_utf8_lossy(content);
    for (kind, path) in [
        ("Recipe", "recipes/case.yaml"),
        ("Image", "images/case.yaml"),
        ("Secret", "secrets/case.yaml"),
        ("Approval", "approvals/case.yaml"),
        ("Fleet", "shoal.yaml"),
    ] {
        if text.contains(&format!("kind: {kind}\n")) {
            return path;
        }
    }
    "servers/case.yaml"
}

#[test]
fn the_base_has_nothing_wrong_with_it() {
    let loaded = Tree::base().load();
    assert_eq!(report(&loaded), "");
    assert_eq!(loaded.inventory.servers.len(), 1);
}

#[test]
fn valid_documents_have_no_error_and_no_warning() {
    for (name, content) in cases("documents/valid") {
        let loaded = Tree::base().with(path_of(&content), content).load();
        assert_eq!(report(&loaded), "", "{name}");
    }
}

#[test]
fn invalid_documents_are_reported_as_written_down() {
    for (name, content) in cases("documents/invalid") {
        let path = path_of(&content);
        let loaded = Tree::base().with(path, content.clone()).load();
        assert!(!loaded.diagnostics.is_empty(), "{name}: nothing was found");
        assert!(loaded.diagnostics.iter().any(|d| &*d.file == path), "{name}: only other files were blamed");
        assert_snapshot!(format!("invalid-{name}"), report(&loaded));
    }
}
