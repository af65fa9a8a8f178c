// SPDX-License-Identifier: AGPL-3.0-or-later
//! Names lead somewhere.

use shoal_core::by_name::ByName;

use super::{At, Context, Finding};
use crate::codes;
use crate::decode::did_you_mean;
use crate::diagnostic::shown;

/// A Secret's name.
pub(super) fn secret(context: &Context<'_>, name: &str, at: impl FnOnce() -> At) -> Option<Finding> {
    one(context, "Secret", name, &context.inventory.secrets, at).map(|finding| {
        let hint = finding.hint.clone();
        finding.maybe_hint(hint.or_else(|| Some(format!("make it with `shoal secret new {}`", shown(name)))))
    })
}

/// A Recipe's name.
pub(super) fn recipe(context: &Context<'_>, name: &str, at: impl FnOnce() -> At) -> Option<Finding> {
    one(context, "Recipe", name, &context.inventory.recipes, at)
}

/// An Image's name.
pub(super) fn image(context: &Context<'_>, name: &str, at: impl FnOnce() -> At) -> Option<Finding> {
    one(context, "Image", name, &context.inventory.images, at)
}

fn one<T>(
    context: &Context<'_>,
    kind: &'static str,
    name: &str,
    all: &ByName<T>,
    at: impl FnOnce() -> At,
) -> Option<Finding> {
    if all.contains_key(name) || context.may_exist(kind, name) {
        return None;
    }
    let names: Vec<&str> = all.keys().map(String::as_str).collect();
    let there_are = match kind {
        "Secret" => "there are the Secrets",
        "Recipe" => "there are the Recipes",
        _ => "there are the Images",
    };
    let message = format!("there is no {kind} `{}`", shown(name));
    Some(Finding::error(codes::REFERENCE, at(), message).maybe_hint(did_you_mean(name, &names, there_are)))
}
