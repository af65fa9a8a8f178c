// SPDX-License-Identifier: AGPL-3.0-or-later
//! Cross-checks: files beside, or in place of, those of the base. In each case `-- PATH --`
//! begins a file.

use insta::assert_snapshot;

use crate::support::{Tree, cases, report};

fn overlay(case: &str) -> Tree {
    let mut tree = Tree::base();
    let mut path = None;
    for line in case.lines() {
        if let Some(name) = line.strip_prefix("-- ").and_then(|rest| rest.strip_suffix(" --")) {
            path = Some(name.to_owned());
            tree.files.insert(name.to_owned(), Vec::new());
        } else if let Some(path) = &path {
            let content = tree.files.get_mut(path).unwrap();
            content.extend_from_slice(line.as_bytes());
            content.push(b'\n');
        }
    }
    tree
}

#[test]
fn repositories_are_reported_as_written_down() {
    for (name, case) in cases("repositories") {
        let loaded = overlay(std::str::from_utf8(&case).unwrap()).load();
        assert!(!loaded.diagnostics.is_empty(), "{name}: nothing was found");
        assert_snapshot!(format!("repository-{name}"), report(&loaded));
    }
}
