// SPDX-License-Identifier: AGPL-3.0-or-later
//! Names are unique within their kind, and fit to be paths.

use std::collections::BTreeMap;

use super::{At, Context, Finding};
use crate::codes;
use crate::diagnostic::shown;

/// Two documents with one name: each is told of the others.
pub(super) fn doubles(doubles: &BTreeMap<(&'static str, String), Vec<At>>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for ((kind, name), places) in doubles {
        // There is one Fleet, whatever its name: said once, elsewhere.
        if *kind == "Fleet" {
            continue;
        }
        for (index, place) in places.iter().enumerate() {
            let message = format!("there is more than one {kind} `{}`", shown(name));
            findings.push(
                Finding::error(codes::DUPLICATE_NAME, place.clone(), message)
                    .hint("rename or remove one; until then none of them counts")
                    .others(places, index, |at| ("also here".to_owned(), at.clone()))
                    .about(kind, name),
            );
        }
    }
    findings
}

/// Names become parts of paths: on the status branch, and of secrets.
pub(super) fn forms(context: &Context<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let inventory = context.inventory;
    let mut check = |kind: &'static str, name: &str, at: At| {
        let message = if kind != "Secret" && name.contains('/') {
            "only names of Secrets may hold `/`"
        } else if name.split('/').any(|part| part.is_empty() || part.chars().all(|c| c == '.')) {
            "every part of a name between `/` must hold a letter or digit"
        } else {
            return;
        };
        findings.push(Finding::error(codes::NAME_FORM, at, message).about(kind, name));
    };
    for (name, document) in &inventory.servers {
        if name.contains('/') {
            check("Server", name, At::of(document, "/metadata/name"));
        }
    }
    for (name, document) in &inventory.recipes {
        check("Recipe", name, At::of(document, "/metadata/name"));
    }
    for (name, document) in &inventory.images {
        check("Image", name, At::of(document, "/metadata/name"));
    }
    for (name, document) in &inventory.secrets {
        check("Secret", name, At::of(document, "/metadata/name"));
    }
    for (name, document) in &inventory.approvals {
        check("Approval", name, At::of(document, "/metadata/name"));
    }
    findings
}
