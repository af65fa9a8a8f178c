// SPDX-License-Identifier: AGPL-3.0-or-later
//! Which plan entries people agreed to. By digest alone: neither the server's name in the approval
//! nor the commit matters.

use std::collections::HashMap;
use std::sync::Arc;

use shoal_schema::Sha256;
use shoal_schema::kinds::{Approval, ApprovedAction};
use shoal_schema::plan::ApprovalState;

use crate::inventory::{Inventory, Located};
use crate::observed::Observed;

/// The approvals of an inventory by action and entry digest.
#[derive(Default)]
pub(super) struct Approvals {
    by_entry: HashMap<(ApprovedAction, Sha256), Given>,
    /// What it was made from: each document, and whether it had run out.
    made_from: Vec<(Arc<Located<Approval>>, bool)>,
}

struct Given {
    file: Arc<str>,
    expired: bool,
}

impl Approvals {
    /// Takes over an inventory. Whether anything is agreed to that was not, or no longer. Without a ledger
    /// nothing can be agreed to: a digest without one would fit every empty database.
    pub(super) fn follow(
        &mut self,
        inventory: &Inventory,
        observed: &Observed,
        now: jiff::Timestamp,
    ) -> bool {
        let expired =
            |approval: &Located<Approval>| approval.value.spec.expires.is_some_and(|until| until <= now);
        let count = if observed.ledger.is_some() { inventory.approvals.len() } else { 0 };
        let known = self.made_from.iter();
        if self.made_from.len() == count
            && known
                .zip(inventory.approvals.values())
                .all(|((was, ran_out), is)| Arc::ptr_eq(was, is) && *ran_out == expired(is))
        {
            return false;
        }
        self.by_entry.clear();
        self.made_from.clear();
        for approval in inventory.approvals.values().take(count) {
            let expired = expired(approval);
            self.made_from.push((Arc::clone(approval), expired));
            for entry in &approval.value.spec.entries {
                let given = Given { file: Arc::clone(&approval.file), expired };
                let slot = self.by_entry.entry((entry.action, entry.entry.clone()));
                // One that holds outweighs one that has run out.
                slot.and_modify(|known| {
                    if known.expired && !given.expired {
                        *known = Given { file: Arc::clone(&given.file), expired: false };
                    }
                })
                .or_insert(given);
            }
        }
        true
    }

    /// Whether somebody agreed to this entry.
    pub(super) fn state(&self, action: ApprovedAction, digest: &Sha256) -> ApprovalState {
        match self.by_entry.get(&(action, digest.clone())) {
            None => ApprovalState::Needed,
            Some(given) if given.expired => ApprovalState::Expired { by: given.file.to_string() },
            Some(given) => ApprovalState::Approved { by: given.file.to_string() },
        }
    }
}

/// What one server's judgement asked of the approvals, with the answers.
#[derive(Default)]
pub(super) struct Asked(Vec<(ApprovedAction, Sha256, ApprovalState)>);

impl Asked {
    /// Whether somebody agreed to this entry; remembers that it was asked.
    pub(super) fn state(
        &mut self,
        approvals: &Approvals,
        action: ApprovedAction,
        digest: Sha256,
    ) -> ApprovalState {
        let state = approvals.state(action, &digest);
        self.0.reserve_exact(1);
        self.0.push((action, digest, state.clone()));
        state
    }

    /// Whether the answers would be the same.
    pub(super) fn same(&self, approvals: &Approvals) -> bool {
        self.0.iter().all(|(action, digest, state)| approvals.state(*action, digest) == *state)
    }
}
