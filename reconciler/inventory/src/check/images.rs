// SPDX-License-Identifier: AGPL-3.0-or-later
//! Images fit into a recipe on the wire.

use super::finding::token;
use super::{At, Context, Finding};
use crate::codes;

/// The limit of `oci_url` in the recipe's schema, in characters.
const MAX_REFERENCE: usize = 1024;

pub(super) fn check(context: &Context<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (name, image) in &context.inventory.images {
        for (version, it) in &image.value.spec.versions {
            if it.oci.len() > MAX_REFERENCE {
                let at = At::of(image, format!("/spec/versions/{}/oci", token(version)));
                let message = format!("an OCI reference must have at most {MAX_REFERENCE} characters");
                findings.push(Finding::error(codes::IMAGE_REFERENCE, at, message).about("Image", name));
            }
        }
    }
    findings
}
