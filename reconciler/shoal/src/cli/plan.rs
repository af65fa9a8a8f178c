// SPDX-License-Identifier: AGPL-3.0-or-later
//! `shoal plan`: what would be done to which machine, from a clone alone.

use std::path::PathBuf;

use shoal_core::plan::{against_base, exit_code};
use shoal_schema::plan::Plan;

use crate::error::{CliError, Outcome};
use crate::host::{Context, write_whole};
use crate::output::{PlanFormat, render_plan};
use crate::repo::{GitAccess, Planned, Repository, StatusArgs, plan_at};

/// Show what would be done to which machine, and why
///
/// Compares the inventory at a revision with what the controller last published on the status
/// branch. Needs no BMC, no key and no controller: a clone is enough, so that a pull request's CI
/// can plan. A plain directory that is no git repository is read as it is.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  shoal plan
  shoal plan --rev my-branch --base origin/main     only what the branch changes
  shoal plan --out plan.json && shoal apply plan.json
  shoal plan --repo https://git.example.org/fleet.git --format markdown

Exit codes: 0 nothing to do, 2 changes, 3 destructive changes unapproved or the fleet is held,
7 the inventory is not valid, 1 error.")]
pub(crate) struct Args {
    /// Directory or address of the inventory's repository
    #[arg(long, value_name = "DIR|URL", default_value = ".")]
    repo: String,
    /// Plan this revision: a branch, a tag, a commit; HEAD without it
    #[arg(long, value_name = "REV")]
    rev: Option<String>,
    /// Show only what changes since the plan's revision left this one
    #[arg(long, value_name = "REV")]
    base: Option<String>,
    /// Write the plan to FILE as well, to be shown or applied later
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// How the plan is shown
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t)]
    format: PlanFormat,
    /// The same as --format json
    #[arg(long, conflicts_with = "format")]
    json: bool,
    #[command(flatten)]
    status: StatusArgs,
    #[command(flatten)]
    access: GitAccess,
}

impl Args {
    pub(super) fn perform(&self, context: &Context) -> Outcome {
        let repository = Repository::open(context, &self.repo, &self.access)?;
        let commit = repository.commit(self.rev.as_deref())?;
        if let (None, Some(commit)) = (&self.rev, commit)
            && repository.differs_from(commit)?
        {
            let commit = commit.short();
            context.warn(&format!("the work tree has changes that are not committed; this plans {commit}"));
        }
        let planned = plan_at(context, &repository, commit, &self.status.choice())?;
        let mut plan = self.narrowed(context, &repository, &planned)?.unwrap_or(planned.plan);
        plan.created_at = Some(context.now());
        if let Some(path) = &self.out {
            let mut text = serde_json::to_string_pretty(&plan).map_err(|error| {
                CliError::internal("json", "cannot write the plan as JSON").because(error)
            })?;
            text.push('\n');
            write_whole(path, text.as_bytes())?;
        }
        render_plan(context, &plan, if self.json { PlanFormat::Json } else { self.format })?;
        context.say(&format!("made from {}", planned.fleet.status_from));
        Ok(exit_code(&plan))
    }

    /// Only what changed since the branch left the base: what others did on the base meanwhile is
    /// not the branch's doing.
    fn narrowed(
        &self,
        context: &Context,
        repository: &Repository,
        planned: &Planned,
    ) -> Result<Option<Plan>, CliError> {
        let Some(rev) = &self.base else { return Ok(None) };
        let (Some(base), Some(commit), Some(reader)) =
            (repository.commit(Some(rev))?, planned.fleet.commit, repository.reader()?)
        else {
            return Ok(None);
        };
        let fork = reader.merge_base(commit, base)?.ok_or_else(|| {
            CliError::user("plan.unrelated", format!("{rev} and what is planned have no commit in common"))
                .hint("a shallow clone lacks history: git fetch --unshallow")
        })?;
        let base = planned.fleet.plan_of_base(context, repository, fork)?;
        against_base(&planned.plan, &base)
            .map(Some)
            .map_err(|error| CliError::internal("plan.failed", "the plans cannot be compared").because(error))
    }
}
