// SPDX-License-Identifier: AGPL-3.0-or-later
//! Recipes have what their target needs, and nothing that it does not use (contracts: recipe).

use shoal_core::inventory::Located;
use shoal_schema::kinds::{Recipe, Template};

use super::finding::token;
use super::{At, Context, Finding, disks, layout, templates};
use crate::codes;
use crate::decode::closest;
use crate::diagnostic::shown;

pub(super) const LINUX: &str = "install-linux.target";
pub(super) const WINDOWS: &str = "install-windows.target";
const ESXI: &str = "install-esxi.target";
const FIRMWARE: &str = "supermicro-update.target";
const KNOWN: [&str; 4] = [LINUX, WINDOWS, ESXI, FIRMWARE];

/// The limit of `ks_cfg`, in bytes.
const MAX_KICKSTART: usize = 65_536;

/// The limit of `firmware_url` in the recipe's schema, in characters.
const MAX_FIRMWARE_URL: usize = 2048;

pub(super) fn check(context: &Context<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (name, recipe) in &context.inventory.recipes {
        let mut found = layout::check(recipe);
        if let Some(disk) = &recipe.value.spec.disk {
            found.extend(disks::selector(disk, |field| At::of(recipe, format!("/spec/disk{field}"))));
        }
        target(recipe, &mut found);
        found.extend(parameters(recipe));
        found.extend(templates::check(context, recipe));
        findings.extend(found.into_iter().map(|finding| finding.about("Recipe", name)));
    }
    findings
}

/// The templates of a recipe, each with the name of its field.
pub(super) fn templates_of(recipe: &Recipe) -> impl Iterator<Item = (&'static str, &Template)> {
    let spec = &recipe.spec;
    [("userData", &spec.user_data), ("unattendXml", &spec.unattend_xml), ("ksCfg", &spec.ks_cfg)]
        .into_iter()
        .filter_map(|(field, template)| Some((field, template.as_ref()?)))
}

fn target(recipe: &Located<Recipe>, found: &mut Vec<Finding>) {
    let spec = &recipe.value.spec;
    let used: &[&str] = match spec.target.as_str() {
        LINUX => {
            if spec.layout.is_empty() {
                found.push(missing(recipe, "layout"));
            } else {
                found.extend(layout::linux(recipe));
            }
            &["disk", "layout", "userData"]
        }
        WINDOWS => {
            if !spec.layout.is_empty() {
                found.extend(layout::windows(recipe));
            }
            if let Some(template) = &spec.unattend_xml
                && template.text.trim().is_empty()
            {
                let at = At::of(recipe, "/spec/unattendXml/text").key();
                found.push(Finding::error(codes::RECIPE_FIELD, at, "the answer file is empty"));
            }
            &["disk", "layout", "unattendXml"]
        }
        ESXI => {
            kickstart(recipe, found);
            &["ksCfg"]
        }
        FIRMWARE => {
            if spec.firmware_url.is_none() {
                found.push(missing(recipe, "firmwareUrl"));
            }
            &["firmwareUrl"]
        }
        other => {
            if let Some(best) = closest(other, &KNOWN) {
                let at = At::of(recipe, "/spec/target");
                let message = format!("`{}` is a target of your own, or a misspelt one", shown(other));
                found.push(
                    Finding::warning(codes::RECIPE_TARGET, at, message)
                        .hint(format!("did you mean `{best}`?")),
                );
            }
            return;
        }
    };
    if spec.firmware_url.as_ref().is_some_and(|url| url.len() > MAX_FIRMWARE_URL) {
        let message = format!("`firmwareUrl` must have at most {MAX_FIRMWARE_URL} characters");
        found.push(Finding::error(codes::RECIPE_FIELD, At::of(recipe, "/spec/firmwareUrl"), message));
    }
    let given = [
        ("disk", spec.disk.is_some()),
        ("layout", !spec.layout.is_empty()),
        ("userData", spec.user_data.is_some()),
        ("unattendXml", spec.unattend_xml.is_some()),
        ("ksCfg", spec.ks_cfg.is_some()),
        ("firmwareUrl", spec.firmware_url.is_some()),
    ];
    for (field, given) in given {
        if given && !used.contains(&field) {
            let message = format!("`{field}` is not used by {}", spec.target);
            let at = At::of(recipe, format!("/spec/{field}")).key();
            found.push(Finding::warning(codes::RECIPE_FIELD, at, message).hint("remove it"));
        }
    }
}

fn missing(recipe: &Located<Recipe>, field: &str) -> Finding {
    let message = format!("{} needs `{field}`", recipe.value.spec.target);
    Finding::error(codes::RECIPE_FIELD, At::of(recipe, "/spec/target"), message)
}

fn kickstart(recipe: &Located<Recipe>, found: &mut Vec<Finding>) {
    let Some(template) = &recipe.value.spec.ks_cfg else {
        found.push(missing(recipe, "ksCfg"));
        return;
    };
    let at = || At::of(recipe, "/spec/ksCfg/text").key();
    if template.text.trim().is_empty() {
        found.push(Finding::error(codes::RECIPE_FIELD, at(), "the kickstart is empty"));
    }
    if template.text.len() > MAX_KICKSTART {
        let message = format!("the kickstart has {} bytes, and 64 KiB is the limit", template.text.len());
        found.push(Finding::error(codes::RECIPE_KICKSTART_SIZE, at(), message));
    }
    if !template.secrets.is_empty() {
        found.push(
            Finding::info(
                codes::RECIPE_KICKSTART_SECRET,
                At::of(recipe, "/spec/ksCfg/secrets").key(),
                "a kickstart stands on the task medium, with its secrets in it",
            )
            .hint("use a password hash, and change it after the install"),
        );
    }
}

/// Names that a template can use, and that mean nothing else.
fn parameters(recipe: &Located<Recipe>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for name in recipe.value.spec.parameters.keys() {
        let at = || At::of(recipe, format!("/spec/parameters/{}", token(name))).key();
        if templates::is_taken(name) {
            let message = format!("`{}` has a meaning of its own in templates", shown(name));
            findings.push(Finding::error(codes::PARAMETER_NAME, at(), message).hint("give it another name"));
        } else if !templates::is_usable(name) {
            let message = "a parameter's name is letters, digits, `_`, `.`, `/` and `-`";
            findings.push(Finding::error(codes::PARAMETER_NAME, at(), message));
        }
    }
    findings
}
