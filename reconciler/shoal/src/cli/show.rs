// SPDX-License-Identifier: AGPL-3.0-or-later
//! `shoal show`: a plan that was written to a file.

use std::path::{Path, PathBuf};

use shoal_schema::plan::{PLAN_FORMAT, Plan, id_of_document};

use crate::error::{CliError, Outcome};
use crate::host::{Context, read_text};
use crate::output::{PlanFormat, render_plan};

/// No plan of 100,000 servers comes near.
const MAX_PLAN: u64 = 256 << 20;

/// Show a plan that was written with 'shoal plan --out'
///
/// Checks that the plan is what its id says. Whether it is still true, 'shoal apply' finds out.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  shoal show plan.json
  shoal show plan.json --format markdown")]
pub(crate) struct Args {
    /// The plan's file; - for standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// How the plan is shown
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t)]
    format: PlanFormat,
    /// The same as --format json
    #[arg(long, conflicts_with = "format")]
    json: bool,
}

impl Args {
    pub(super) fn perform(&self, context: &Context) -> Outcome {
        let plan = read_plan(&self.file)?;
        render_plan(context, &plan, if self.json { PlanFormat::Json } else { self.format })?;
        Ok(0)
    }
}

/// Reads a plan and checks it against its id.
pub(super) fn read_plan(path: &Path) -> Result<Plan, CliError> {
    let shown = path.display();
    let text = read_text(path, MAX_PLAN)?;
    let no_plan = |error| {
        CliError::user("plan.unreadable", format!("{shown} is not a plan"))
            .because(error)
            .hint("'shoal plan --out FILE' writes one")
    };
    let document: serde_json::Map<String, serde_json::Value> =
        serde_json::from_str(&text).map_err(no_plan)?;
    let version = document.get("formatVersion").and_then(serde_json::Value::as_str).unwrap_or_default();
    if !Plan::is_format_known(version) {
        let known = PLAN_FORMAT.split('.').next().unwrap_or_default();
        let message = format!("{shown} has the plan format `{version}`; this version reads {known}.x");
        return Err(CliError::user("plan.format", message).hint("make the plan again with this version"));
    }
    let plan: Plan = serde_json::from_str(&text).map_err(no_plan)?;
    if id_of_document(document).ok().as_ref() != Some(&plan.id) {
        return Err(CliError::user(
            "plan.damaged",
            format!("{shown} is not what its id says: it was changed"),
        )
        .hint("make the plan again; a plan file is not to be edited"));
    }
    Ok(plan)
}
