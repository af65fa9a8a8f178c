// SPDX-License-Identifier: AGPL-3.0-or-later
//! `shoal pause`: hold everything.

use shoal_schema::api::{Done, PauseRequest};

use super::reconcile::said;
use crate::client::ConnectArgs;
use crate::error::Outcome;
use crate::host::Context;

/// Start no job and grant no permit until told otherwise
///
/// A machine that has its permit finishes. For single servers, put 'suspend' into their file.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  shoal pause --all
  shoal pause --off")]
#[group(required = true, multiple = false, args = ["all", "off"])]
pub(crate) struct Args {
    /// Hold the whole fleet
    #[arg(long)]
    all: bool,
    /// Go on
    #[arg(long)]
    off: bool,
    /// Print the answer as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connect: ConnectArgs,
}

impl Args {
    pub(super) fn perform(&self, context: &Context) -> Outcome {
        let client = self.connect.client(context)?;
        let done: Done =
            client.post(context, "/api/v1/pause", &PauseRequest { paused: self.all && !self.off })?;
        said(context, &done, self.json)
    }
}
