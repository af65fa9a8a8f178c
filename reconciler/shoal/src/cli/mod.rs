// SPDX-License-Identifier: AGPL-3.0-or-later
//! The command line: one file per command.

mod accept;
mod adopt;
mod apply;
mod approval;
mod approve;
mod backup;
mod bmc;
mod completions;
mod explain;
mod image;
mod init;
mod jobs;
mod pause;
mod plan;
mod reconcile;
mod registry;
mod restore;
mod retry;
mod run;
mod schema;
mod secret;
mod show;
mod status;
mod takeover;
mod validate;

use clap::{Parser, Subcommand};

use crate::VERSION;
use crate::error::Outcome;
use crate::host::{Colour, Context};

/// What follows the list of commands.
const AFTER: &str = "\
Start here:
  shoal init fleet && cd fleet     an inventory to start from
  shoal validate                   every error, with its line
  shoal plan                       what would happen to which machine, and why
  shoal approve web-01             agree to what a plan would destroy
  shoal status                     what the controller is doing

Data goes to standard output, talk to standard error. Exit codes:
  0   done, or nothing to do       5   somebody else is at work there
  1   error                        6   done in part
  2   the plan has changes         7   the inventory is not valid
  3   unapproved or held           8   a commit is not verified
  4   no longer as planned
  69  a BMC, controller or network does not answer
  70  a defect of Shoal's          78  wrong settings of a controller";

/// Servers from Git: installed, running, and as the repository says.
#[derive(Parser)]
#[command(
    name = "shoal",
    version = VERSION,
    propagate_version = true,
    after_help = AFTER,
    max_term_width = 100,
    disable_help_subcommand = true,
    subcommand_required = true,
    arg_required_else_help = true
)]
pub struct Cli {
    /// When to use colour: auto, always, never
    #[arg(
        long,
        global = true,
        value_enum,
        value_name = "WHEN",
        default_value_t = Colour::Auto,
        hide_possible_values = true
    )]
    pub(crate) color: Colour,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Every command.
#[derive(Subcommand)]
pub(crate) enum Command {
    Run(Box<run::Args>),
    Init(init::Args),
    Validate(validate::Args),
    Schema(schema::Args),
    Secret(secret::Args),
    Plan(plan::Args),
    Show(show::Args),
    Approve(approve::Args),
    Adopt(adopt::Args),
    Apply(apply::Args),
    Status(status::Args),
    Explain(explain::Args),
    Jobs(jobs::Args),
    Reconcile(reconcile::Args),
    Retry(retry::Args),
    Pause(pause::Args),
    Accept(accept::Args),
    Takeover(takeover::Args),
    Backup(Box<backup::Args>),
    Restore(restore::Args),
    Bmc(bmc::Args),
    Image(image::Args),
    Registry(registry::Args),
    Completions(completions::Args),
}

impl Command {
    pub(crate) fn perform(&self, context: &Context) -> Outcome {
        match self {
            Self::Run(args) => args.perform(context),
            Self::Init(args) => args.perform(context),
            Self::Validate(args) => args.perform(context),
            Self::Schema(args) => args.perform(context),
            Self::Secret(args) => args.perform(context),
            Self::Plan(args) => args.perform(context),
            Self::Show(args) => args.perform(context),
            Self::Approve(args) => args.perform(context),
            Self::Adopt(args) => args.perform(context),
            Self::Apply(args) => args.perform(context),
            Self::Status(args) => args.perform(context),
            Self::Explain(args) => args.perform(context),
            Self::Jobs(args) => args.perform(context),
            Self::Reconcile(args) => args.perform(context),
            Self::Retry(args) => args.perform(context),
            Self::Pause(args) => args.perform(context),
            Self::Accept(args) => args.perform(context),
            Self::Takeover(args) => args.perform(context),
            Self::Backup(args) => args.perform(context),
            Self::Restore(args) => args.perform(context),
            Self::Bmc(args) => args.perform(context),
            Self::Image(args) => args.perform(context),
            Self::Registry(args) => args.perform(context),
            Self::Completions(args) => args.perform(context),
        }
    }
}
