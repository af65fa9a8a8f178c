// SPDX-License-Identifier: AGPL-3.0-or-later
//! `shoal completions`: what a shell needs to complete our commands.

use clap::CommandFactory as _;
use clap_complete::Shell;

use super::Cli;
use crate::error::Outcome;
use crate::host::Context;

/// Print completions for a shell
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  shoal completions bash > /etc/bash_completion.d/shoal
  shoal completions zsh > ~/.zfunc/_shoal
  shoal completions fish > ~/.config/fish/completions/shoal.fish")]
pub(crate) struct Args {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

impl Args {
    pub(super) fn perform(&self, context: &Context) -> Outcome {
        let mut out = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "shoal", &mut out);
        context.data(&String::from_utf8_lossy(&out))?;
        Ok(0)
    }
}
