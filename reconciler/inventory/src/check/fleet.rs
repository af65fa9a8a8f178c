// SPDX-License-Identifier: AGPL-3.0-or-later
//! There is exactly one Fleet, and status goes to a branch of its own.

use super::{At, Context, Finding, references};
use crate::codes;
use crate::diagnostic::Severity;
use crate::load::Assembled;

/// None, or more than one.
pub(super) fn count(assembled: &Assembled) -> Vec<Finding> {
    let doubles: Vec<(&String, &At)> = assembled
        .doubles
        .iter()
        .filter(|((kind, _), _)| *kind == "Fleet")
        .flat_map(|((_, name), places)| places.iter().map(move |at| (name, at)))
        .collect();
    if !doubles.is_empty() {
        return doubles
            .iter()
            .enumerate()
            .map(|(index, (name, at))| {
                let message = "there is more than one Fleet";
                Finding::error(codes::DUPLICATE_NAME, (*at).clone(), message)
                    .hint("keep one; until then none of them counts")
                    .others(&doubles, index, |(_, at)| ("also here".to_owned(), (*at).clone()))
                    .about("Fleet", name)
            })
            .collect();
    }
    let known = assembled.inventory.fleet.is_some()
        || assembled.hidden.contains("Fleet")
        || assembled.inventory.broken.iter().any(|(kind, _)| *kind == "Fleet");
    if known {
        return Vec::new();
    }
    vec![Finding {
        severity: Severity::Error,
        code: codes::FLEET_MISSING,
        message: "there is no Fleet".to_owned(),
        at: None,
        hint: Some("write one into shoal.yaml; `shoal init` shows how".to_owned()),
        related: Vec::new(),
        subject: None,
    }]
}

pub(super) fn check(context: &Context<'_>) -> Vec<Finding> {
    let Some(fleet) = &context.inventory.fleet else { return Vec::new() };
    let mut findings = Vec::new();
    let name = &fleet.value.metadata.name;
    let spec = &fleet.value.spec;
    let short = |branch: &str| branch.strip_prefix("refs/heads/").unwrap_or(branch).to_owned();
    if let Some(watched) = &context.checks.watched_branch
        && short(watched) == short(&spec.status.branch)
    {
        findings.push(
            Finding::error(
                codes::FLEET_STATUS_BRANCH,
                At::of(fleet, "/spec/status/branch"),
                "status would be written to the branch that is watched",
            )
            .hint("give status a branch of its own, such as `shoal/status`")
            .about("Fleet", name),
        );
    }
    if let Some(secret) = spec.notify.as_ref().and_then(|notify| notify.secret.as_deref()) {
        let at = || At::of(fleet, "/spec/notify/secret");
        findings.extend(references::secret(context, secret, at).map(|finding| finding.about("Fleet", name)));
    }
    if let Some(credentials) = &spec.defaults.bmc.credentials {
        let at = || At::of(fleet, "/spec/defaults/bmc/credentials/secret");
        let finding = references::secret(context, &credentials.secret, at);
        findings.extend(finding.map(|finding| finding.about("Fleet", name)));
    }
    if let Some(recipe) = &spec.defaults.recipe {
        let at = || At::of(fleet, "/spec/defaults/recipe");
        findings.extend(references::recipe(context, recipe, at).map(|finding| finding.about("Fleet", name)));
    }
    findings
}
