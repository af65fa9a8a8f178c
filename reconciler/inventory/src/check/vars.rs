// SPDX-License-Identifier: AGPL-3.0-or-later
//! Values for parameters: known, complete, and of one line where they must be.

use shoal_core::inventory::Located;
use shoal_core::template::fits_one_line;
use shoal_schema::kinds::{Recipe, Server};

use super::finding::token;
use super::templates::{Asked, several_lines};
use super::{At, Context, Finding};
use crate::codes;
use crate::decode::did_you_mean;
use crate::diagnostic::shown;

/// So much is said about one server's values.
const MAX_FINDINGS: usize = 200;

/// A server's values, against its recipe.
pub(super) fn of_server(
    context: &Context<'_>,
    server: &Located<Server>,
    recipe: &Located<Recipe>,
    asked: &Asked,
    findings: &mut Vec<Finding>,
) {
    let spec = &server.value.spec;
    let parameters = &recipe.value.spec.parameters;
    let fleet = context.inventory.fleet.as_ref();
    let fleet_vars = fleet.map(|fleet| &fleet.value.spec.defaults.vars);
    for (name, value) in &spec.vars {
        let at = || At::of(server, format!("/spec/vars/{}", token(name)));
        if !parameters.contains_key(name) && findings.len() > MAX_FINDINGS {
            break;
        } else if !parameters.contains_key(name) {
            let names: Vec<&str> = parameters.keys().map(String::as_str).collect();
            let message =
                format!("the recipe `{}` has no parameter `{}`", recipe.value.metadata.name, shown(name));
            findings.push(
                Finding::error(codes::VAR_UNKNOWN, at().key(), message)
                    .maybe_hint(did_you_mean(name, &names, "it has")),
            );
        } else if asked.one_line.contains(name) && !fits_one_line(value) {
            findings.push(several_lines(name, at().key()));
        }
    }
    if spec.os.is_none() {
        return;
    }
    for (name, parameter) in parameters {
        let from_fleet = fleet_vars.and_then(|vars| vars.get(name));
        if spec.vars.contains_key(name) {
            continue;
        }
        match from_fleet {
            Some(value) if asked.one_line.contains(name) && !fits_one_line(value) => {
                if let Some(fleet) = fleet {
                    let at = At::of(fleet, format!("/spec/defaults/vars/{}", token(name))).key();
                    findings.push(several_lines(name, at));
                }
            }
            Some(_) => {}
            None if parameter.default.is_none() && !context.fleet_is_unknown() => {
                let message = format!(
                    "the recipe `{}` needs a value for `{}`",
                    recipe.value.metadata.name,
                    shown(name)
                );
                let at = At::of(server, "/spec/vars").key();
                let declared = At::of(recipe, format!("/spec/parameters/{}", token(name))).key();
                findings.push(
                    Finding::error(codes::VAR_MISSING, at, message)
                        .hint(format!("set `vars.{}`", shown(name)))
                        .related("the parameter", declared),
                );
            }
            None => {}
        }
    }
    of_identity(server, asked, findings);
}

/// Labels and serial, where templates use them.
fn of_identity(server: &Located<Server>, asked: &Asked, findings: &mut Vec<Finding>) {
    if asked.serial && server.value.spec.serial.is_none() {
        let at = At::of(server, "/spec").key();
        findings.push(Finding::error(
            codes::VAR_MISSING,
            at,
            "the recipe uses `${server.serial}`, and this server has no serial",
        ));
    }
    let labels = &server.value.metadata.labels;
    for label in &asked.labels {
        match labels.get(label) {
            None => {
                let names: Vec<&str> = labels.keys().map(String::as_str).collect();
                let message = format!(
                    "the recipe uses `${{label.{0}}}`, and this server has no label `{0}`",
                    shown(label)
                );
                let at = At::of(server, "/metadata/labels").key();
                findings.push(
                    Finding::error(codes::VAR_MISSING, at, message)
                        .maybe_hint(did_you_mean(label, &names, "it has")),
                );
            }
            Some(value) => {
                let name = format!("label.{label}");
                if asked.one_line.contains(&name) && !fits_one_line(value) {
                    let at = At::of(server, format!("/metadata/labels/{}", token(label))).key();
                    findings.push(several_lines(&name, at));
                }
            }
        }
    }
}

/// The fleet's values are for many recipes: a name that none of them has is likely misspelt.
pub(super) fn fleet_defaults(context: &Context<'_>) -> Vec<Finding> {
    let inventory = context.inventory;
    let Some(fleet) = &inventory.fleet else { return Vec::new() };
    let some_unknown =
        context.hidden.contains("Recipe") || inventory.broken.iter().any(|(kind, _)| *kind == "Recipe");
    if some_unknown {
        return Vec::new();
    }
    let mut names: Vec<&str> = inventory
        .recipes
        .values()
        .flat_map(|recipe| recipe.value.spec.parameters.keys().map(String::as_str))
        .collect();
    names.sort_unstable();
    names.dedup();
    fleet
        .value
        .spec
        .defaults
        .vars
        .keys()
        .filter(|name| names.binary_search(&name.as_str()).is_err())
        .map(|name| {
            let at = At::of(fleet, format!("/spec/defaults/vars/{}", token(name))).key();
            let message = format!("no recipe has a parameter `{}`", shown(name));
            Finding::warning(codes::FLEET_VAR_UNUSED, at, message)
                .maybe_hint(did_you_mean(name, &names, "there are"))
                .about("Fleet", &fleet.value.metadata.name)
        })
        .collect()
}
