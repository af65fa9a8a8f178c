// SPDX-License-Identifier: AGPL-3.0-or-later
//! Which plan entries people agreed to. By digest alone: neither the server's name in the approval
//! nor the commit matters.

use std::collections::BTreeMap;

use shoal_schema::Sha256;
use shoal_schema::kinds::ApprovedAction;
use shoal_schema::plan::ApprovalState;

use crate::inventory::Inventory;
use crate::observed::Observed;

/// The approvals of an inventory by action and entry digest.
pub(super) struct Approvals {
    by_entry: BTreeMap<(ApprovedAction, Sha256), Given>,
}

struct Given {
    file: String,
    expired: bool,
}

impl Approvals {
    /// Without a ledger nothing can be agreed to: a digest without one would fit every empty database.
    pub(super) fn of(inventory: &Inventory, observed: &Observed, now: jiff::Timestamp) -> Self {
        let mut by_entry: BTreeMap<(ApprovedAction, Sha256), Given> = BTreeMap::new();
        if observed.ledger.is_none() {
            return Self { by_entry };
        }
        for approval in inventory.approvals.values() {
            let expired = approval.value.spec.expires.is_some_and(|until| until <= now);
            for entry in &approval.value.spec.entries {
                let given = Given { file: approval.file.to_string(), expired };
                let slot = by_entry.entry((entry.action, entry.entry.clone()));
                // One that holds outweighs one that has run out.
                slot.and_modify(|known| {
                    if known.expired && !given.expired {
                        *known = Given { file: given.file.clone(), expired: false };
                    }
                })
                .or_insert(given);
            }
        }
        Self { by_entry }
    }

    /// Whether somebody agreed to this entry.
    pub(super) fn state(&self, action: ApprovedAction, digest: &Sha256) -> ApprovalState {
        match self.by_entry.get(&(action, digest.clone())) {
            None => ApprovalState::Needed,
            Some(given) if given.expired => ApprovalState::Expired { by: given.file.clone() },
            Some(given) => ApprovalState::Approved { by: given.file.clone() },
        }
    }
}
