// SPDX-License-Identifier: AGPL-3.0-or-later
//! `shoal reconcile`: now, and not at the next poll.

use shoal_schema::api::Done;

use crate::client::ConnectArgs;
use crate::error::Outcome;
use crate::host::Context;
use crate::output::clean;

/// Fetch Git and go on now, instead of at the next poll
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
        let done: Done = client.post(context, "/api/v1/reconcile", &serde_json::json!({}))?;
        said(context, &done, self.json)
    }
}

/// Prints what a controller answers when something is done.
pub(super) fn said(context: &Context, done: &Done, json: bool) -> Outcome {
    if json {
        context.json(done)?;
    } else {
        context.data(&clean(&format!("{}\n", done.message)))?;
    }
    Ok(0)
}
