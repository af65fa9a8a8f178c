// SPDX-License-Identifier: AGPL-3.0-or-later
//! A plan in the format that was asked for.

use clap::ValueEnum;
use shoal_core::plan::{markdown, text};
use shoal_schema::plan::Plan;

use super::clean;
use crate::error::CliError;
use crate::host::Context;

/// How a plan is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum PlanFormat {
    /// For people at a terminal
    #[default]
    Text,
    /// The plan document
    Json,
    /// For a comment on a pull request: verdict first, at most 60,000 bytes
    Markdown,
}

/// Writes a plan to standard output.
pub(crate) fn render_plan(context: &Context, plan: &Plan, format: PlanFormat) -> Result<(), CliError> {
    match format {
        PlanFormat::Json => context.json(plan),
        PlanFormat::Markdown => context.data(&clean(&markdown::render(plan, markdown::DEFAULT_LIMIT))),
        PlanFormat::Text => {
            let text = text::render(plan);
            let text = clean(&text);
            if context.data_colour() { context.data(&painted(&text)) } else { context.data(&text) }
        }
    }
}

/// Colours by how bad a line is: the signs at the start of a line stay, for those without colour.
fn painted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() * 2);
    for line in text.lines() {
        let colour = match line.trim_start() {
            _ if line.starts_with('!') => "\u{1b}[1;31m",
            _ if line.starts_with('~') => "\u{1b}[33m",
            _ if line.starts_with('+') => "\u{1b}[32m",
            rest if rest.starts_with("error:") || rest.starts_with("loses:") => "\u{1b}[31m",
            rest if rest.starts_with("held:") => "\u{1b}[33m",
            rest if rest.starts_with("plan ") => "\u{1b}[1m",
            _ => "",
        };
        out.push_str(colour);
        out.push_str(line);
        out.push_str(if colour.is_empty() { "\n" } else { "\u{1b}[0m\n" });
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colour_changes_no_character() {
        let text = "! web-01  reinstall\n    loses: all\n  nothing here\n\nplan abc: 1 servers\n";
        let painted = painted(text);
        assert!(painted.contains("\u{1b}[1;31m! web-01"));
        let mut plain = painted;
        for code in ["\u{1b}[1;31m", "\u{1b}[31m", "\u{1b}[1m", "\u{1b}[0m"] {
            plain = plain.replace(code, "");
        }
        assert_eq!(plain, text);
    }
}
