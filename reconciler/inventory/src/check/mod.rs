// SPDX-License-Identifier: AGPL-3.0-or-later
//! Cross-checks over the whole inventory: what no single document can say about itself.
//!
//! Guarantees: every check runs, whatever the others find; a reference to a document that is there
//! but broken, or that may be in a file that cannot be read, is not reported again; a recipe
//! with an error is taken out and counts as broken, so that its last good version stays in force; a
//! server with an error stays, and `problems` names it.

mod approvals;
mod bmc;
mod disks;
mod finding;
mod fleet;
mod identity;
mod images;
mod layout;
mod memo;
mod names;
mod network;
mod recipes;
mod references;
mod secrets;
mod servers;
mod shared;
mod templates;
mod vars;

pub(crate) use finding::{Aim, At, Finding};
pub(crate) use memo::Memo;

use std::collections::BTreeSet;
use std::num::NonZeroUsize;

use shared::What;
use shoal_core::inventory::Inventory;

use crate::codes;
use crate::load::Assembled;

/// What checks need to know beside the inventory.
#[derive(Clone, Debug, Default)]
pub struct Checks {
    /// The branch that is watched, where it is a branch: status must not be written to it.
    pub watched_branch: Option<String>,
    /// The time; without it nothing is said about what is over.
    pub now: Option<jiff::Timestamp>,
}

/// What every check is given.
pub(crate) struct Context<'a> {
    pub(crate) inventory: &'a Inventory,
    pub(crate) checks: &'a Checks,
    /// Kinds of which documents may be there unseen.
    hidden: &'a BTreeSet<&'static str>,
}

impl Context<'_> {
    /// Whether a document that is not in the inventory may be there all the same: broken, or in a
    /// file that cannot be read.
    pub(crate) fn may_exist(&self, kind: &'static str, name: &str) -> bool {
        self.hidden.contains(kind) || self.inventory.broken.contains(&(kind, name.to_owned()))
    }

    /// Whether the fleet's values are not known, although they may be there.
    pub(crate) fn fleet_is_unknown(&self) -> bool {
        self.inventory.fleet.is_none()
            && (self.hidden.contains("Fleet")
                || self.inventory.broken.iter().any(|(kind, _)| *kind == "Fleet"))
    }
}

/// Runs every check. Recipes with errors, and what must not be used at all, leave the inventory.
pub(crate) fn run(
    assembled: &mut Assembled,
    checks: &Checks,
    threads: NonZeroUsize,
    memo: &mut Memo,
) -> Vec<Finding> {
    let mut findings = names::doubles(&assembled.doubles);
    findings.extend(fleet::count(assembled));
    let mut broken = Vec::new();
    {
        let context = context(&assembled.inventory, checks, &assembled.hidden);
        findings.extend(fleet::check(&context));
        findings.extend(names::forms(&context));
        findings.extend(recipes::check(&context));
        for finding in findings.iter().filter(|finding| finding.is_error()) {
            if let Some(subject) = &finding.subject
                && takes_out(finding.code, subject.kind)
            {
                broken.push((subject.kind, subject.name.clone()));
            }
        }
    }
    for (kind, name) in broken {
        let inventory = &mut assembled.inventory;
        match kind {
            "Fleet" => drop(inventory.fleet.take()),
            "Server" => drop(inventory.servers.remove(&name)),
            "Recipe" => drop(inventory.recipes.remove(&name)),
            "Image" => drop(inventory.images.remove(&name)),
            "Secret" => drop(inventory.secrets.remove(&name)),
            _ => drop(inventory.approvals.remove(&name)),
        }
        inventory.broken.insert((kind, name));
    }

    let context = context(&assembled.inventory, checks, &assembled.hidden);
    findings.extend(images::check(&context));
    findings.extend(secrets::check(&context));
    memo.shared.follow(&context.inventory.servers);
    if memo.shared.any(What::Identity) {
        findings.extend(identity::duplicates(&context));
    }
    if memo.shared.any(What::Bmc) {
        findings.extend(bmc::duplicates(&context));
    }
    if memo.shared.any(What::Address) {
        findings.extend(network::duplicates(&context));
    }
    findings.extend(bmc::of_fleet(&context));
    findings.extend(memo.servers(&context, threads));
    findings.extend(vars::fleet_defaults(&context));
    findings.extend(approvals::check(&context));
    findings
}

/// Whether a document with this error must not be used at all.
///
/// A Fleet that names something unknown stays: without it every limit would be the default.
fn takes_out(code: &str, kind: &str) -> bool {
    match code {
        codes::NAME_FORM | codes::FLEET_STATUS_BRANCH => true,
        _ => kind == "Recipe",
    }
}

fn context<'a>(
    inventory: &'a Inventory,
    checks: &'a Checks,
    hidden: &'a BTreeSet<&'static str>,
) -> Context<'a> {
    Context { inventory, checks, hidden }
}
