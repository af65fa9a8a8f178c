// SPDX-License-Identifier: AGPL-3.0-or-later
//! What holds a fleet as a whole: an inventory that shrank more than people delete on purpose.

use serde::Serialize;
use shoal_schema::kinds::{ApprovedAction, FleetSpec};
use shoal_schema::plan::{ApprovalState, Guard};
use shoal_schema::status::RecordState;
use shoal_schema::{LedgerId, Sha256};

use super::PlanError;
use super::approvals::Approvals;
use crate::inventory::Inventory;
use crate::observed::Observed;

/// What an approval of a shrunken inventory agrees to: these servers, with these records.
#[derive(Serialize)]
struct RemovalKey<'a> {
    ledger: Option<&'a LedgerId>,
    removed: Vec<(&'a str, u64)>,
}

/// The guards that hold now.
pub(super) fn judge(
    inventory: &Inventory,
    fleet: &FleetSpec,
    observed: &Observed,
    gone: &[String],
    approvals: &Approvals,
) -> Result<Vec<Guard>, PlanError> {
    let mut guards = Vec::new();
    // Where nothing is missing, nobody need be counted.
    if inventory.fleet.is_some() && gone.is_empty() {
        return Ok(guards);
    }
    let known =
        observed.servers.values().filter(|status| status.record.state != RecordState::Released).count();
    if inventory.fleet.is_none() && known > 0 {
        guards.push(Guard {
            code: "fleet-missing".to_owned(),
            message: "shoal.yaml is missing or has no Fleet, so no limit is known".to_owned(),
            hint: "put shoal.yaml back; the last good inventory stays in force".to_owned(),
            digest: None,
        });
    }
    // One server may always leave; more than one only within the share that the fleet allows.
    let allowed = (known * usize::from(fleet.limits.removed_share_percent) / 100).max(1);
    let empty = inventory.servers.is_empty() && !gone.is_empty();
    if gone.len() > allowed || empty {
        let key = RemovalKey {
            ledger: observed.ledger.as_ref(),
            removed: gone.iter().map(|name| (name.as_str(), observed.servers[name].record.number)).collect(),
        };
        let digest = Sha256::of_value(&key)
            .map_err(|source| PlanError::Digest { subject: "the removed servers".to_owned(), source })?;
        let approved =
            matches!(approvals.state(ApprovedAction::Release, &digest), ApprovalState::Approved { .. });
        if !approved {
            guards.push(Guard {
                code: if empty { "inventory-empty" } else { "inventory-shrunk" }.to_owned(),
                message: format!("{} of {known} servers left Git in one go; {allowed} may", gone.len()),
                hint: "put them back, or 'shoal approve --removals' if that was meant".to_owned(),
                digest: Some(digest),
            });
        }
    }
    Ok(guards)
}
