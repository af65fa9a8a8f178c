// SPDX-License-Identifier: AGPL-3.0-or-later
//! `shoal registry`: OCI images without a controller.

pub(crate) mod alone;
mod serve;

use clap::Subcommand;

use crate::error::Outcome;
use crate::host::Context;

/// Serve OCI images without a controller
///
/// `shoal run --registry` serves them inside the controller; this does it alone, in the same way and
/// from the same directory.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Serve(serve::Args),
}

impl Args {
    pub(super) fn perform(&self, context: &Context) -> Outcome {
        match &self.command {
            Command::Serve(args) => args.perform(context),
        }
    }
}
