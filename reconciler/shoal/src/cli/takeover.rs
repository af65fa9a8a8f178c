// SPDX-License-Identifier: AGPL-3.0-or-later
//! `shoal takeover`: the other controller is gone.

use shoal_schema::api::Done;

use super::reconcile::said;
use crate::client::ConnectArgs;
use crate::error::Outcome;
use crate::host::Context;

/// Take over from another controller whose status the branch shows
///
/// A controller that finds another one's status only observes. This makes it the one that acts:
/// every record needs new agreement, and every approval in Git is void. Stop the other one first.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Print the answer as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connect: ConnectArgs,
}

impl Args {
    pub(super) fn perform(&self, context: &Context) -> Outcome {
        let client = self.connect.client(context)?;
        let done: Done = client.post(context, "/api/v1/takeover", &serde_json::json!({}))?;
        said(context, &done, self.json)
    }
}
