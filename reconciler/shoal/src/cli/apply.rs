// SPDX-License-Identifier: AGPL-3.0-or-later
//! `shoal apply`: exactly this plan, or nothing.

use std::path::Path;

use shoal_schema::api::{ApplyOutcome, ApplyRequest};

use super::show::read_plan;
use crate::client::ConnectArgs;
use crate::error::{CliError, Outcome, exit};
use crate::host::Context;
use crate::output::Table;

/// Carry out exactly this plan, or nothing
///
/// Pins what was looked at and triggers it: when a machine or Git changed since, it is refused. A
/// plan works once. Approvals count as always; applying agrees to nothing.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  shoal apply plan.json
  shoal apply 0123456789ab                the plan now, if that is its id
  shoal apply plan.json --partial         go on with what is still true

Exit codes: 0 all of it goes on, 4 no longer as planned, or applied before, 5 a job is active,
6 some of it is held or stale, 69 no answer, 1 error.")]
pub(crate) struct Args {
    /// File with a plan, or the id of the plan now (at least 6 digits)
    #[arg(value_name = "FILE|ID")]
    plan: String,
    /// Go on with what is still true
    #[arg(long)]
    partial: bool,
    /// Print what came of it as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connect: ConnectArgs,
}

impl Args {
    pub(super) fn perform(&self, context: &Context) -> Outcome {
        let request = self.request()?;
        let client = self.connect.client(context)?;
        let outcome: ApplyOutcome = client.post(context, "/api/v1/apply", &request)?;
        if self.json {
            context.json(&outcome)?;
        } else {
            let mut table = Table::new(&["server", "state", "why"]);
            for entry in &outcome.entries {
                table.row([&*entry.server, &entry.state, &entry.message]);
            }
            if outcome.entries.is_empty() {
                context.say("the plan has nothing to do");
            } else {
                context.data(&table.render())?;
            }
        }
        Ok(if outcome.partial { exit::PARTIAL } else { 0 })
    }

    fn request(&self) -> Result<ApplyRequest, CliError> {
        let path = Path::new(&self.plan);
        if path == Path::new("-") || path.exists() {
            let plan = Some(Box::new(read_plan(path)?));
            return Ok(ApplyRequest { plan, id: None, partial: self.partial });
        }
        let id = self.plan.strip_prefix("sha256:").unwrap_or(&self.plan);
        let is_id =
            (6..=64).contains(&id.len()) && id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if !is_id {
            return Err(CliError::user("plan.missing", format!("{} is no file and no plan's id", self.plan))
                .hint("'shoal plan --out plan.json' writes a plan; an id has 6 to 64 hex digits"));
        }
        Ok(ApplyRequest { plan: None, id: Some(id.to_owned()), partial: self.partial })
    }
}
