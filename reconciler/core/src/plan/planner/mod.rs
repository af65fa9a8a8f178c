// SPDX-License-Identifier: AGPL-3.0-or-later
//! Plans made one after another: what a server was judged by is kept, and who is judged by the same again
//! keeps the entry.
//!
//! Guarantees: whatever was planned before, a plan is the one that [`super::make`] makes from the same
//! request; entries that did not change are shared with the plan before, and where nothing changed so is
//! the plan.
//! Assumptions: a document or a status behind the same [`Arc`] is the same.

mod by_all;
mod by_changes;
mod kept;
mod shown;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use shoal_schema::LedgerId;
use shoal_schema::kinds::FleetSpec;
use shoal_schema::plan::{Entry, EntrySeal, Guard, Hold, Plan, PlanSummary};

use super::approvals::Approvals;
use super::conflicts::Conflict;
use super::followed::Followed;
use super::judge::PlannedCommit;
use super::removed::Moves;
use super::{PlanError, PlanRequest, Rest, conflicts, guards, put_together};
use crate::desired::fleet_spec;
use crate::inventory::Inventory;
use crate::observed::Observed;
use crate::references::Documents;
use kept::{Kept, same};
use shown::holds_of_all;

/// Makes plans one after another.
#[derive(Default)]
pub struct Planner {
    servers: BTreeMap<String, Kept>,
    /// Whose judgement hangs on the time.
    timed: BTreeSet<String>,
    common: Option<Common>,
    approvals: Approvals,
    documents: Documents,
    followed: Followed,
    last: Option<Last>,
}

/// The plan before.
struct Last {
    plan: Arc<Plan>,
    seals: Vec<EntrySeal>,
    as_wanted: u32,
    /// What held every entry alike, where nothing but each server by itself made the plan what it is.
    plain: Option<Vec<Hold>>,
}

/// What every server is judged by.
#[derive(PartialEq)]
struct Common {
    ledger: Option<LedgerId>,
    commit: PlannedCommit,
}

/// What is to be known of the fleet as a whole before servers are looked at.
struct Around<'a> {
    fleet: FleetSpec,
    commit: PlannedCommit,
    others_changed: bool,
    approvals_changed: bool,
    moves: Moves,
    guards: Vec<Guard>,
    conflicts: BTreeMap<&'a str, Conflict>,
    /// What holds every entry alike.
    whole: Vec<Hold>,
}

impl Planner {
    /// Makes the plan.
    pub fn make(&mut self, request: &PlanRequest<'_>) -> Result<Arc<Plan>, PlanError> {
        // After an error, or a panic that somebody caught, some servers were looked at with what is new, and some were
        // not: all of it is forgotten then.
        let mut planner = std::mem::take(self);
        let plan = planner.follow(request)?;
        *self = planner;
        Ok(plan)
    }

    /// New name → old name, where a server that is new in Git is a machine that a live record knows under
    /// a name that is gone from Git. Where several servers claim that machine it is nobody's.
    ///
    /// Whoever carries out a plan moves these records first, with [`crate::record::renamed`] and
    /// [`crate::record::left_behind`], unless a guard, a pause or an active job holds the entry.
    pub fn renames(&mut self, inventory: &Inventory, observed: &Observed) -> BTreeMap<String, String> {
        let mut planner = std::mem::take(self);
        planner.followed.see(inventory, observed);
        let renames = Moves::of(inventory, observed, &planner.followed.left).renames;
        *self = planner;
        renames
    }

    fn follow(&mut self, request: &PlanRequest<'_>) -> Result<Arc<Plan>, PlanError> {
        let (inventory, observed) = (request.inventory, request.observed);
        let commit = match request.commit {
            None => PlannedCommit::None,
            commit if commit == observed.commit.as_deref() => PlannedCommit::InForce,
            Some(_) => PlannedCommit::Another,
        };
        let common = Common { ledger: observed.ledger.clone(), commit };
        if self.common.as_ref() != Some(&common) || !same(self.documents.fleet(), inventory.fleet.as_ref()) {
            self.servers.clear();
            self.common = Some(common);
            self.last = self.last.take().map(|last| Last { plain: None, ..last });
        }
        let fleet = fleet_spec(inventory);
        let others_changed = self.documents.follow(inventory);
        let approvals_changed = self.approvals.follow(inventory, observed, request.now);
        self.followed.see(inventory, observed);
        let moves = Moves::of(inventory, observed, &self.followed.left);
        let guards = guards::judge(inventory, &fleet, observed, &moves.gone, &self.approvals)?;
        let whole = holds_of_all(&guards, observed.paused);
        let shared = self.followed.claims.any_shared();
        let conflicts = if shared { conflicts::conflicts(inventory) } else { BTreeMap::new() };
        let around =
            Around { fleet, commit, others_changed, approvals_changed, moves, guards, conflicts, whole };
        let plain = around.is_plain(inventory) && !self.followed.any_strays();
        let changed = self.followed.take_changed();
        if plain && let Some(plan) = self.by_changes(request, &around, changed)? {
            return Ok(plan);
        }
        self.by_all(request, around, plain)
    }

    fn finish(
        &mut self,
        request: &PlanRequest<'_>,
        entries: Vec<Arc<Entry>>,
        seals: Vec<EntrySeal>,
        summary: PlanSummary,
        rest: Rest,
        plain: Option<Vec<Hold>>,
    ) -> Result<Arc<Plan>, PlanError> {
        let as_wanted = rest.as_wanted;
        let before = self.last.as_ref().map(|last| &last.plan);
        let plan = put_together(request, before, entries, &seals, summary, rest)?;
        self.last = Some(Last { plan: Arc::clone(&plan), seals, as_wanted, plain });
        Ok(plan)
    }
}

impl Around<'_> {
    /// Whether each server is planned by itself: nobody is broken, moved, gone, or in another one's way.
    fn is_plain(&self, inventory: &Inventory) -> bool {
        let Inventory { problems, broken, last_good, unreadable, .. } = inventory;
        let readable = problems.is_empty() && broken.is_empty() && last_good.is_empty() && !unreadable;
        readable && self.guards.is_empty() && self.moves.is_none() && self.conflicts.is_empty()
    }
}
