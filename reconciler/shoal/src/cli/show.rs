// SPDX-License-Identifier: AGPL-3.0-or-later
//! `shoal show`: a plan that was written to a file.

use std::path::{Path, PathBuf};

use shoal_schema::plan::Plan;
use shoal_schema::plan_file::{self, PlanFileError};

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
    plan_file::read(&text).map_err(|error| match error {
        PlanFileError::NotJson { .. } | PlanFileError::NoFormat | PlanFileError::NotAPlan { .. } => {
            CliError::user("plan.unreadable", format!("{shown} is not a plan"))
                .because(error)
                .hint("'shoal plan --out FILE' writes one")
        }
        PlanFileError::Format { found, known } => {
            let message = format!("{shown} has the plan format `{found}`; this version reads {known}.x");
            CliError::user("plan.format", message)
                .hint("make the plan again, or use the version of shoal that made it")
        }
        PlanFileError::Damaged => {
            let message = format!("{shown} is not what its id says: it was changed");
            CliError::user("plan.damaged", message)
                .hint("make the plan again; a plan file is not to be edited")
        }
    })
}
