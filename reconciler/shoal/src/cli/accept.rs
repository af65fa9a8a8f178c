// SPDX-License-Identifier: AGPL-3.0-or-later
//! `shoal accept`: a branch that was rewritten on purpose.

use shoal_schema::api::{AcceptRequest, Done};

use super::reconcile::said;
use crate::client::ConnectArgs;
use crate::error::{CliError, Outcome};
use crate::host::Context;

/// Take a rewritten branch that the controller refused
///
/// Only by the refused commit's own id, as 'shoal status' shows it: a name could mean another
/// commit by the time it arrives.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  shoal status                            shows the refused commit
  shoal accept 0123456789ab")]
pub(crate) struct Args {
    /// The refused commit, at least 7 digits of its id
    #[arg(value_name = "REV")]
    revision: String,
    /// Print the answer as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connect: ConnectArgs,
}

impl Args {
    pub(super) fn perform(&self, context: &Context) -> Outcome {
        let revision = self.revision.to_ascii_lowercase();
        let is_id = (7..=40).contains(&revision.len()) && revision.bytes().all(|b| b.is_ascii_hexdigit());
        if !is_id {
            return Err(CliError::user("accept.revision", format!("{} is no commit's id", self.revision))
                .hint("name the refused commit by 7 to 40 digits of its id; 'shoal status' shows it"));
        }
        let client = self.connect.client(context)?;
        let done: Done = client.post(context, "/api/v1/accept", &AcceptRequest { revision })?;
        said(context, &done, self.json)
    }
}
