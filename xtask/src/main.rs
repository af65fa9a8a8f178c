// SPDX-License-Identifier: AGPL-3.0-or-later
//! The tasks behind the Justfile, one module each.

mod generate;

use std::path::Path;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "xtask", about = "The tasks behind the Justfile")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Gen(generate::Args),
}

fn main() -> anyhow::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask stands in the workspace");
    match Cli::parse().command {
        Command::Gen(args) => args.perform(root),
    }
}
