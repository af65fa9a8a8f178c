// SPDX-License-Identifier: AGPL-3.0-or-later
//! `shoal bmc`: what Shoal makes of a BMC.

mod check;
mod endpoint;
mod inspect;
mod session;

use clap::Subcommand;

use crate::error::Outcome;
use crate::host::Context;

/// Look at a BMC
#[derive(clap::Args)]
#[command(arg_required_else_help = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: BmcCommand,
}

#[derive(Subcommand)]
enum BmcCommand {
    Check(Box<check::Check>),
    Inspect(Box<inspect::Inspect>),
}

impl Args {
    pub(super) fn perform(&self, context: &Context) -> Outcome {
        match &self.command {
            BmcCommand::Check(check) => check.perform(context),
            BmcCommand::Inspect(inspect) => inspect.perform(context),
        }
    }
}
