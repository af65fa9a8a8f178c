// SPDX-License-Identifier: AGPL-3.0-or-later
//! `shoal secret`: keys and values that only the listed people and the controller can read.

mod edit;
mod editor;
mod keygen;
mod keys;
mod new;
mod place;
mod verify;

pub(crate) use self::keys::KeyArgs;

use clap::Subcommand;

use crate::error::Outcome;
use crate::host::Context;

/// Keys, and values that are encrypted in Git
///
/// A Secret is a file below secrets/, encrypted with age for the recipients that shoal.yaml lists.
/// Private keys come from a file, the environment or standard input, never from an argument.
#[derive(clap::Args)]
#[command(
    arg_required_else_help = true,
    after_help = "\
Examples:
  shoal secret keygen --out ~/.config/shoal/age.key
  shoal secret new bmc/rack-a
  printf 'username: root\\npassword: %s\\n' \"$PW\" | shoal secret new bmc/rack-a --from -
  shoal secret edit bmc/rack-a --key-file ~/.config/shoal/age.key
  shoal secret verify"
)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: SecretCommand,
}

#[derive(Subcommand)]
enum SecretCommand {
    Keygen(keygen::Args),
    New(new::Args),
    Edit(edit::Args),
    Verify(verify::Args),
}

impl Args {
    pub(super) fn perform(&self, context: &Context) -> Outcome {
        match &self.command {
            SecretCommand::Keygen(args) => args.perform(context),
            SecretCommand::New(args) => args.perform(context),
            SecretCommand::Edit(args) => args.perform(context),
            SecretCommand::Verify(args) => args.perform(context),
        }
    }
}
