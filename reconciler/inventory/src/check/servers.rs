// SPDX-License-Identifier: AGPL-3.0-or-later
//! What a server is to run can be put together: recipe, image, disk, values, network.

use std::collections::HashMap;

use shoal_core::inventory::Located;
use shoal_schema::kinds::{Recipe, Server, Suspend};

use super::recipes::{LINUX, WINDOWS};
use super::templates::{Asked, asked};
use super::{At, Context, Finding, disks, network, references, vars};
use crate::codes;
use crate::decode::did_you_mean;
use crate::diagnostic::shown;

/// Recipes by name, with what their templates ask of a server.
pub(super) type Recipes<'a> = HashMap<&'a str, (&'a Located<Recipe>, Asked)>;

pub(super) fn recipes<'a>(context: &Context<'a>) -> Recipes<'a> {
    let recipes = context.inventory.recipes.iter();
    recipes.map(|(name, recipe)| (name.as_str(), (recipe.as_ref(), asked(&recipe.value)))).collect()
}

/// One server by itself.
pub(super) fn of_server(
    context: &Context<'_>,
    name: &str,
    server: &Located<Server>,
    recipes: &Recipes<'_>,
    findings: &mut Vec<Finding>,
) {
    let mut found = Vec::new();
    one(context, server, recipes, &mut found);
    findings.extend(found.into_iter().map(|finding: Finding| {
        // What is wrong with the fleet's own value is the fleet's, whoever met it first.
        let own = finding.at.as_ref().is_some_and(|at| at.file == server.file);
        if own { finding.about("Server", name) } else { finding }
    }));
}

fn one(context: &Context<'_>, server: &Located<Server>, recipes: &Recipes<'_>, found: &mut Vec<Finding>) {
    let spec = &server.value.spec;
    suspension(context, server, found);
    if let Some(disk) = &spec.disk {
        found.extend(disks::selector(disk, |field| At::of(server, format!("/spec/disk{field}"))));
    }
    network::of_server(server, found);

    let default =
        context.inventory.fleet.as_ref().and_then(|fleet| fleet.value.spec.defaults.recipe.as_deref());
    if let Some(name) = &spec.recipe {
        found.extend(references::recipe(context, name, || At::of(server, "/spec/recipe")));
    }
    let recipe_name = spec.recipe.as_deref().or(default);
    let recipe = recipe_name.and_then(|name| recipes.get(name));
    if let Some((recipe, asked)) = recipe {
        vars::of_server(context, server, recipe, asked, found);
    } else if recipe_name.is_none() && !spec.vars.is_empty() && spec.os.is_none() {
        let at = At::of(server, "/spec/vars").key();
        found.push(Finding::warning(codes::VAR_UNKNOWN, at, "without a recipe nothing uses these values"));
    }
    let Some(os) = &spec.os else { return };
    if recipe_name.is_none() && !context.fleet_is_unknown() {
        let at = At::of(server, "/spec/os").key();
        let names: Vec<&str> = recipes_sorted(recipes);
        found.push(
            Finding::error(codes::SERVER_RECIPE, at, "no recipe says how to install this").maybe_hint(
                did_you_mean("", &names, "set `recipe`; there are").or_else(|| Some("set `recipe`".into())),
            ),
        );
    }
    let image = context.inventory.images.get(&os.image);
    found.extend(references::image(context, &os.image, || At::of(server, "/spec/os/image")));
    let version = image.and_then(|image| image.value.spec.versions.get(&os.version));
    if let (Some(image), None) = (image, version) {
        let versions: Vec<&str> = image.value.spec.versions.keys().map(String::as_str).collect();
        let message = format!("the Image `{}` has no version `{}`", os.image, shown(&os.version));
        found.push(
            Finding::error(codes::REFERENCE, At::of(server, "/spec/os/version"), message)
                .maybe_hint(did_you_mean(&os.version, &versions, "it has")),
        );
    }
    let Some((recipe, _)) = recipe else { return };
    let from_recipe = recipe.value.spec.disk.as_ref();
    match spec.disk.as_ref().or(from_recipe) {
        Some(disk) => {
            let pointer = if spec.disk.is_some() { "/spec/disk" } else { "/spec/os" };
            let at = || At::of(server, pointer).key();
            found.extend(version.and_then(|version| disks::holds(disk, version, at)));
        }
        None if matches!(recipe.value.spec.target.as_str(), LINUX | WINDOWS) => {
            let at = At::of(server, "/spec/os").key();
            found.push(
                Finding::error(
                    codes::SERVER_DISK,
                    at,
                    "neither server nor recipe says which disk to install on",
                )
                .hint("set `disk`, by `serial` or `wwn` where they are known")
                .related("the recipe", At::of(recipe, "/spec").key()),
            );
        }
        None => {}
    }
}

fn recipes_sorted<'a>(recipes: &HashMap<&'a str, (&Located<Recipe>, Asked)>) -> Vec<&'a str> {
    let mut names: Vec<&str> = recipes.keys().copied().collect();
    names.sort_unstable();
    names
}

/// A forgotten pause is a known trap: it says why, and until when.
fn suspension(context: &Context<'_>, server: &Located<Server>, found: &mut Vec<Finding>) {
    match &server.value.spec.suspend {
        Some(Suspend::Flag(true)) => {
            let at = At::of(server, "/spec/suspend");
            found.push(
                Finding::warning(codes::SUSPEND_REASON, at, "suspended, and nobody can see why")
                    .hint("write `suspend: {reason: …, until: …}`"),
            );
        }
        Some(Suspend::Because(why)) => {
            if let (Some(until), Some(now)) = (why.until, context.checks.now)
                && until <= now
            {
                let at = At::of(server, "/spec/suspend/until");
                found.push(
                    Finding::info(codes::SUSPEND_OVER, at, format!("the suspension ended at {until}"))
                        .hint("remove `suspend`"),
                );
            }
        }
        Some(Suspend::Flag(false)) | None => {}
    }
}
