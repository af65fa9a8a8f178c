// SPDX-License-Identifier: AGPL-3.0-or-later
//! Tasks of the repository, behind the Justfile. Each has a module of its own.

mod demo;
mod generate;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "xtask", about = "Tasks of the repository")]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    Demo(demo::Args),
    DemoVm(demo::vm::Args),
    Gen(generate::Args),
}

fn main() -> ExitCode {
    // One provider for the process. A second call cannot happen: this is the first statement.
    let _ = rustls::crypto::ring::default_provider().install_default();
    match Cli::parse().task {
        Task::Demo(args) => demo::main(args),
        Task::DemoVm(args) => demo::vm::main(args),
        Task::Gen(args) => generate::main(&args),
    }
}
