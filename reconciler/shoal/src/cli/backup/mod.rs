// SPDX-License-Identifier: AGPL-3.0-or-later
//! `shoal backup`: the database in one file, and a look at such a file.

mod contents;
mod database;
mod take;
mod tee;
mod verify;

use clap::Subcommand;

use crate::error::Outcome;
use crate::host::Context;

pub(super) use contents::{human, unusable};
pub(super) use database::{DatabaseArgs, not_opened};
pub(super) use verify::open;

/// Back up the database of a controller, which works on meanwhile
///
/// The file is one moment of the database: which machine has what, jobs, which approvals are used. It is read back
/// and checked before it gets its name. A copy of the database file made while a controller runs is no backup.
///
/// Not in it, and to be kept elsewhere: /etc/shoal (settings, accounts), the age key, STORAGE_ROOT/keys (signing
/// secret, certificate) and the registry's images (a copy of their directory). Without the keys a restored controller
/// draws new ones and goes on; without the age key no Secret can be read.
#[derive(clap::Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "\
Examples:
  shoal backup                                     a file here, named by fleet and date
  shoal backup /var/backups/shoal                  the same in a directory
  shoal backup - | ssh vault 'cat > shoal.backup'  to standard output
  shoal backup verify shoal-prod-20260301T120000Z.backup
  shoal backup --config /etc/shoal/shoal.env       no controller runs here
  shoal restore shoal-prod-20260301T120000Z.backup"
)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Option<BackupCommand>,
    #[command(flatten)]
    take: take::TakeArgs,
}

#[derive(Subcommand)]
enum BackupCommand {
    Verify(verify::Args),
}

impl Args {
    pub(super) fn perform(&self, context: &Context) -> Outcome {
        match &self.command {
            Some(BackupCommand::Verify(args)) => args.perform(context),
            None => self.take.perform(context),
        }
    }
}
