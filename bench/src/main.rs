// SPDX-License-Identifier: AGPL-3.0-or-later
//! Benchmarks beside what people use today: real programs, one machine, one run.
//!
//! A crate of its own, built as it is released: a client that is not optimised would measure itself. Of the product it
//! knows what is needed to make a controller's state; what is measured is the program.

mod at_work;
mod client;
mod content;
mod crowd;
mod emulator;
mod fleet;
mod fleet_bench;
mod iso;
mod job;
mod peers;
mod process;
mod ran;
mod registry;
mod report;
mod scrape;
mod sweep;
mod webhooks;

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
    Fleet(fleet_bench::Args),
    Iso(iso::Args),
    Webhooks(webhooks::Args),
    Jobs(crowd::Args),
    Registry(registry::Args),
    Sweep(sweep::Args),
    Job(job::Args),
}

fn main() -> ExitCode {
    let result = match Cli::parse().what {
        What::Fleet(args) => fleet_bench::main(&args),
        What::Iso(args) => iso::main(&args),
        What::Webhooks(args) => webhooks::main(&args),
        What::Jobs(args) => crowd::main(&args),
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
