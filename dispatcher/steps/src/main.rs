// SPDX-License-Identifier: AGPL-3.0-or-later
//! `shoal-steps`: one subcommand for each step of the Linux workflow. The work is in the library; here are flags,
//! log, exit code and `failure.json`.

mod cli;

use std::error::Error;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser as _;
use shoal_dispatcher::console::log_to_stderr;
use shoal_steps::disk::LinuxMachine;
use shoal_steps::failure::{Code, Failure, forget};
use shoal_steps::mounts::SystemMounts;
use shoal_steps::programs::SystemPrograms;
use shoal_steps::progress::Progress;
use shoal_steps::provision::Provision;
use shoal_steps::{bootloader, image, partition, seed};

use crate::cli::{Cli, Step};

/// What a step gives: what it did, for people, or why it failed.
type Outcome = Result<String, (Code, Box<dyn Error>)>;

fn main() -> ExitCode {
    let cli = Cli::parse();
    log_to_stderr(cli.step.prefix(), cli.log_level);
    if let Err(error) = forget(&cli.failure_file) {
        tracing::warn!(%error, "the failure of an earlier run stays");
    }
    let progress = Arc::new(progress_of(&cli));
    progress.begin();
    match run(&cli, &progress) {
        Ok(done) => {
            progress.done();
            tracing::info!(outcome = done, "done");
            ExitCode::SUCCESS
        }
        Err((code, error)) => {
            let failure = Failure::of(cli.step.name(), code, error.as_ref());
            tracing::error!(code = failure.code, hint = failure.hint, "{}", failure.message);
            if let Err(error) = failure.write(&cli.failure_file) {
                tracing::warn!(%error, "the failure could not be written down");
            }
            ExitCode::from(code.exit())
        }
    }
}

fn run(cli: &Cli, progress: &Arc<Progress>) -> Outcome {
    let provision = Provision::read(&cli.provision_dir).map_err(|error| (error.code(), error.into()))?;
    let machine = LinuxMachine::new(cli.paths());
    let (mut programs, mut mounts) = (SystemPrograms, SystemMounts);
    let new_root = cli.new_root.clone();
    match &cli.step {
        Step::Partition => partition::run(&provision, &machine, &mut programs)
            .map(|done| format!("{done:?}"))
            .map_err(|error| (error.code(), error.into())),
        Step::ImageLinux => {
            let mut tools =
                image::Tools { machine: &machine, programs: &mut programs, mounts: &mut mounts, new_root };
            image::run(&provision, &mut tools, progress)
                .map(|done| format!("{done:?}"))
                .map_err(|error| (error.code(), error.into()))
        }
        Step::BootloaderLinux { boot_entry } => {
            let mut tools = bootloader::Tools {
                machine: &machine,
                programs: &mut programs,
                mounts: &mut mounts,
                new_root,
                boot_entry: *boot_entry,
            };
            bootloader::run(&provision, &mut tools)
                .map(|done| format!("{done:?}"))
                .map_err(|error| (error.code(), error.into()))
        }
        Step::ConfigDrive => {
            let mut tools =
                seed::Tools { machine: &machine, programs: &mut programs, mounts: &mut mounts, new_root };
            seed::run(&provision, &mut tools)
                .map(|done| format!("{done:?}"))
                .map_err(|error| (error.code(), error.into()))
        }
    }
}

/// Progress goes to a file, at its end, or to standard output. Nothing fails for want of it.
fn progress_of(cli: &Cli) -> Progress {
    let out: Box<dyn Write + Send> = match &cli.progress {
        None => Box::new(io::stdout()),
        Some(path) => match OpenOptions::new().append(true).create(true).open(path) {
            Ok(file) => Box::new(file),
            Err(error) => {
                tracing::warn!(%error, path = %path.display(), "no progress is told");
                Box::new(io::sink())
            }
        },
    };
    Progress::new(cli.step.name(), out)
}
