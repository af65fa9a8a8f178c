// SPDX-License-Identifier: AGPL-3.0-or-later
//! Plans from a clone alone: the inventory at a commit, compared with what the status branch says.

use shoal_core::by_name::ByName;
use shoal_core::desired::fleet_spec;
use shoal_core::inventory::Inventory;
use shoal_core::observed::Observed;
use shoal_core::plan::{PlanRequest, lint, make};
use shoal_git::CommitId;
use shoal_schema::plan::Plan;

use super::{Repository, StatusFrom};
use crate::VERSION;
use crate::error::CliError;
use crate::host::Context;

/// A fleet as it is wanted and as it is known.
pub(crate) struct Fleet {
    /// As wanted.
    pub(crate) inventory: Inventory,
    /// As known.
    pub(crate) observed: Observed,
    /// The commit; nothing where a plain directory was read.
    pub(crate) commit: Option<CommitId>,
    /// Where the status was read.
    pub(crate) status_from: String,
}

/// A plan, and what it was made from.
pub(crate) struct Planned {
    pub(crate) plan: Plan,
    pub(crate) fleet: Fleet,
}

impl Fleet {
    /// Reads a repository at a commit, and its status.
    pub(crate) fn read(
        context: &Context,
        repository: &Repository,
        commit: Option<CommitId>,
        status: &StatusFrom,
    ) -> Result<Self, CliError> {
        let inventory = repository.load(context, commit)?.inventory;
        let branch = fleet_spec(&inventory).status.branch;
        let known = status.read(context, repository, &branch)?;
        Ok(Self { inventory, observed: known.observed, commit, status_from: known.from })
    }

    /// The plan. One that breaks a rule of its own is never shown.
    pub(crate) fn plan(&self, context: &Context) -> Result<Plan, CliError> {
        plan_of(context, &self.inventory, &self.observed, self.commit)
    }

    /// The plan as if nobody had agreed to anything.
    pub(crate) fn plan_without_approvals(&self, context: &Context) -> Result<Plan, CliError> {
        let mut inventory = self.inventory.clone();
        inventory.approvals = ByName::default();
        plan_of(context, &inventory, &self.observed, self.commit)
    }

    /// The plan of another commit beside the same status.
    pub(crate) fn plan_of_base(
        &self,
        context: &Context,
        repository: &Repository,
        base: CommitId,
    ) -> Result<Plan, CliError> {
        let inventory = repository.load(context, Some(base))?.inventory;
        plan_of(context, &inventory, &self.observed, Some(base))
    }
}

/// The plan of a repository at a commit.
pub(crate) fn plan_at(
    context: &Context,
    repository: &Repository,
    commit: Option<CommitId>,
    status: &StatusFrom,
) -> Result<Planned, CliError> {
    let fleet = Fleet::read(context, repository, commit, status)?;
    let plan = fleet.plan(context)?;
    Ok(Planned { plan, fleet })
}

fn plan_of(
    context: &Context,
    inventory: &Inventory,
    observed: &Observed,
    commit: Option<CommitId>,
) -> Result<Plan, CliError> {
    let _progress = context.progress("planning");
    let commit = commit.map(|commit| commit.to_string());
    let plan = make(&PlanRequest {
        inventory,
        observed,
        commit: commit.as_deref(),
        tool: VERSION,
        now: context.now(),
    })
    .map_err(|error| CliError::internal("plan.failed", "no plan could be made").because(error))?;
    let lints = lint::rules(&plan);
    if lints.is_empty() {
        return Ok(plan);
    }
    let failed = CliError::internal("plan.lint", "the plan breaks a rule of its own; it is not shown");
    Err(lints.iter().fold(failed, |failed, lint| failed.detail(lint.to_string())))
}
