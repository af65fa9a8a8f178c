// SPDX-License-Identifier: AGPL-3.0-or-later
//! `docs/reference/cli.md`.

use clap::{Command, CommandFactory as _};
use clap_markdown::MarkdownOptions;

use crate::cli::Cli;

/// The command line's reference.
pub fn cli_markdown() -> String {
    let options = MarkdownOptions::new()
        .title("Command line".to_owned())
        .show_footer(false)
        .show_table_of_contents(true);
    let text = clap_markdown::help_markdown_command_custom(&fenced(Cli::command()), &options);
    // Made from the code: whoever wants to change it must find it there.
    let note = "<!-- made from the command line itself by `just gen`; do not edit -->\n\n";
    let mut out = format!("{note}{}", text.trim_end());
    out.push('\n');
    out
}

/// Examples and exit codes are laid out for a terminal: Markdown must leave them alone.
fn fenced(command: Command) -> Command {
    let help = command.get_after_help().map(|help| format!("```text\n{help}\n```"));
    let command = command.mut_subcommands(fenced);
    match help {
        Some(help) => command.after_help(help),
        None => command,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_that_is_not_hidden_is_in_the_reference() {
        let text = cli_markdown();
        for command in Cli::command().get_subcommands().filter(|command| !command.is_hide_set()) {
            assert!(text.contains(&format!("## `shoal {}`", command.get_name())), "{}", command.get_name());
        }
    }

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
