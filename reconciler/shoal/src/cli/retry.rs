// SPDX-License-Identifier: AGPL-3.0-or-later
//! `shoal retry`: somebody looked; go on.

use shoal_schema::api::Done;

use super::reconcile::said;
use crate::client::{ConnectArgs, segment};
use crate::error::Outcome;
use crate::host::Context;

/// Forget a server's failure and let it go on
///
/// For servers that are stalled after a failed job or a refused BMC account. Where a job failed
/// before anything was written, its approval still counts; where something was written, a new one
/// is needed.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  shoal explain web-01                    why it stands
  shoal retry web-01")]
pub(crate) struct Args {
    /// The server
    #[arg(value_name = "SERVER")]
    server: String,
    /// Print the answer as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connect: ConnectArgs,
}

impl Args {
    pub(super) fn perform(&self, context: &Context) -> Outcome {
        let client = self.connect.client(context)?;
        let path = format!("/api/v1/servers/{}/retry", segment(&self.server));
        let done: Done = client.post(context, &path, &serde_json::json!({}))?;
        said(context, &done, self.json)
    }
}
