// SPDX-License-Identifier: AGPL-3.0-or-later
//! Which approvals have done their work.

use std::collections::BTreeSet;

use shoal_core::inventory::Located;
use shoal_schema::Sha256;
use shoal_schema::kinds::{Approval, ApprovedAction};
use shoal_schema::plan::Plan;

use super::pick::{adoption_digest, is_install};
use crate::error::CliError;
use crate::host::Context;
use crate::repo::Fleet;

/// The files of approvals that can never count again: every entry of theirs was carried out or is
/// no longer what would happen, or their time is over. `plan` knows of no approvals.
///
/// A file of which one entry still counts stays whole, and so does one with other documents.
pub(in crate::cli) fn consumed(
    context: &Context,
    fleet: &Fleet,
    plan: &Plan,
) -> Result<Vec<String>, CliError> {
    let live = live(fleet, plan)?;
    let now = context.now();
    let dead = |approval: &Located<Approval>| {
        let spec = &approval.value.spec;
        let over = spec.expires.is_some_and(|until| until <= now);
        over || !spec.entries.iter().any(|entry| live.contains(&(entry.action, entry.entry.clone())))
    };
    let mut files: BTreeSet<String> = BTreeSet::new();
    let mut kept: BTreeSet<String> = BTreeSet::new();
    for approval in fleet.inventory.approvals.values() {
        let files = if dead(approval) { &mut files } else { &mut kept };
        files.insert(approval.file.to_string());
    }
    // What could not be read in a file may still count.
    kept.extend(
        fleet
            .inventory
            .problems
            .iter()
            .map(|problem| problem.place.split(':').next().unwrap_or_default().to_owned()),
    );
    Ok(files.difference(&kept).cloned().collect())
}

/// Everything that an approval could still be for.
fn live(fleet: &Fleet, plan: &Plan) -> Result<BTreeSet<(ApprovedAction, Sha256)>, CliError> {
    let mut live = BTreeSet::new();
    for entry in plan.entries.iter().filter(|entry| is_install(entry)) {
        live.insert((ApprovedAction::Install, entry.digest.clone()));
        live.insert((ApprovedAction::Adopt, adoption_digest(fleet, entry)?));
    }
    for digest in plan.guards.iter().filter_map(|guard| guard.digest.clone()) {
        live.insert((ApprovedAction::Release, digest));
    }
    Ok(live)
}
