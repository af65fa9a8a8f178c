// SPDX-License-Identifier: AGPL-3.0-or-later
//! `shoal adopt`: record machines as they are.

use super::approval::{WriteArgs, adoptions};
use crate::error::Outcome;
use crate::host::Context;

/// Record machines as they are, instead of installing them
///
/// For servers that run already: what Git says is taken for what is installed, unverified, and
/// nothing is touched. Like an approval it is a commit, for exactly the entry that the plan shows.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  shoal adopt web-01 web-02 --reason 'installed by hand in 2024'")]
pub(crate) struct Args {
    /// The servers
    #[arg(value_name = "SERVER", required = true)]
    servers: Vec<String>,
    #[command(flatten)]
    write: WriteArgs,
}

impl Args {
    pub(super) fn perform(&self, context: &Context) -> Outcome {
        let (repository, fleet) = self.write.fleet(context)?;
        let plan = fleet.plan_without_approvals(context)?;
        let picked = adoptions(&fleet, &plan, &self.servers)?;
        self.write.write(context, &repository, &fleet, picked, Vec::new())?;
        Ok(0)
    }
}
