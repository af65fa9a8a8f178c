// SPDX-License-Identifier: AGPL-3.0-or-later
//! Benchmarks beside what people use today: real programs, one machine, one run.
//!
//! A crate of its own with few dependencies, so that its release build is quick: a client that is not
//! optimised would measure itself.

mod client;
mod content;
mod emulator;
mod fleet;
mod job;
mod peers;
mod process;
mod registry;
mod report;
mod sweep;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "shoal-bench", about = "Benchmarks beside what people use today")]
struct Cli {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    Registry(registry::Args),
    Sweep(sweep::Args),
    Job(job::Args),
}

fn main() -> ExitCode {
    let result = match Cli::parse().what {
        What::Registry(args) => registry::main(&args),
        What::Sweep(args) => sweep::main(&args),
        What::Job(args) => job::main(&args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report::say(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}
