// SPDX-License-Identifier: AGPL-3.0-or-later
//! `shoal approve`: agree in Git to what a plan would destroy.

use super::approval::{Picked, WriteArgs, all_unapproved, consumed, installs, removals};
use crate::error::Outcome;
use crate::host::Context;

/// Agree, in Git, to what the plan would destroy
///
/// Writes a file below approvals/ that names the digest of each server's plan entry, and commits
/// it. It works once, for exactly these entries: when the machine, its record or Git changes, it
/// counts no more. It may stand in the same pull request as the change itself.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  shoal approve web-01 --reason 'move to debian 13.2, CHG-1234'
  shoal approve --all --expires 12h --branch approve-rack-a
  shoal approve --removals                many servers were taken out of Git on purpose
  shoal approve --prune                   remove approvals that have done their work")]
pub(crate) struct Args {
    /// The servers
    #[arg(value_name = "SERVER", required_unless_present_any = ["all", "removals", "prune"])]
    servers: Vec<String>,
    /// Every server that waits for an approval
    #[arg(long, conflicts_with = "servers")]
    all: bool,
    /// Let the servers go that left Git, although there are so many
    #[arg(long)]
    removals: bool,
    /// Remove approvals that have done their work or whose time is over
    #[arg(long)]
    prune: bool,
    #[command(flatten)]
    write: WriteArgs,
}

impl Args {
    pub(super) fn perform(&self, context: &Context) -> Outcome {
        let (repository, fleet) = self.write.fleet(context)?;
        let plan = fleet.plan(context)?;
        let bare = fleet.plan_without_approvals(context)?;
        let mut picked = Picked::default();
        if self.all {
            picked = picked.and(all_unapproved(context, &plan));
        }
        if !self.servers.is_empty() {
            picked = picked.and(installs(context, &fleet, &plan, &self.servers)?);
        }
        if self.removals {
            picked = picked.and(removals(&bare)?);
        }
        let pruned = if self.prune { consumed(context, &fleet, &bare)? } else { Vec::new() };
        self.write.write(context, &repository, &fleet, picked, pruned)?;
        Ok(0)
    }
}
