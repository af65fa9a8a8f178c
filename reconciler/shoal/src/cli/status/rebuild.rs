// SPDX-License-Identifier: AGPL-3.0-or-later
//! `shoal status rebuild`: the status branch as the database says.

use shoal_schema::api::Done;

use crate::cli::reconcile::said;
use crate::client::ConnectArgs;
use crate::error::Outcome;
use crate::host::Context;

/// Write the status branch anew from the database
///
/// The database is the truth, the branch shows it. What somebody changed or removed there is put right, files of
/// servers that nobody knows go, and a branch that is gone is made again. It takes one commit on top of what stands
/// there, and none where nothing differs; nothing is pushed by force. What stands beside summary.json and servers/ is
/// left alone.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  shoal status rebuild")]
pub(super) struct Args {
    /// Print the answer as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connect: ConnectArgs,
}

impl Args {
    pub(super) fn perform(&self, context: &Context) -> Outcome {
        let client = self.connect.client(context)?;
        let done: Done = client.post(context, "/api/v1/status/rebuild", &serde_json::json!({}))?;
        said(context, &done, self.json)
    }
}
