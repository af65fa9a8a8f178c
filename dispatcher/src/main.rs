// SPDX-License-Identifier: AGPL-3.0-or-later
//! `shoal-dispatcher`: the program in the maintenance OS. The work is in the library; here are the process's own
//! affairs: flags, environment, log, exit code.

mod cli;

use std::process::ExitCode;

use clap::Parser as _;
use shoal_dispatcher::cause::chain;
use shoal_dispatcher::console::log_to_stderr;
use shoal_dispatcher::exit::Exit;
use shoal_dispatcher::linux::{LinuxHost, Paths};
use shoal_dispatcher::progress::follow;
use shoal_dispatcher::report::{Ended, report};
use shoal_dispatcher::run::run;
use shoal_dispatcher::run_log::RunLog;
use shoal_dispatcher::settings::Settings;

use crate::cli::{Cli, Command, ProgressArgs, RunArgs, WebhookArgs};

/// Exit code for flags that are not known, as clap has it.
const USAGE: u8 = 2;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            log_to_stderr("[dispatcher] ", cli.run.log_level);
            tracing::error!(%error, "no runtime");
            return ExitCode::from(Exit::Panic.code());
        }
    };
    let code = match cli.command {
        None => runtime.block_on(dispatch(&cli.run)),
        Some(Command::Webhook(args)) => runtime.block_on(webhook(&args)).code(),
        Some(Command::Progress(args)) => {
            runtime.block_on(progress(&args));
            // Whatever became of it: an install never fails for want of progress.
            Exit::HandedOff.code()
        }
    };
    ExitCode::from(code)
}

async fn dispatch(args: &RunArgs) -> u8 {
    log_to_stderr("[dispatcher] ", args.log_level);
    let settings = match args.settings(|key| std::env::var(key).ok()) {
        Ok(settings) => settings,
        Err(problem) => {
            tracing::error!(%problem, "flags");
            return USAGE;
        }
    };
    let host = LinuxHost::new(args.paths());
    if settings.start && !host.is_root() {
        tracing::error!("root is needed to mount the medium and to start the target");
        return Exit::NotRoot.code();
    }
    let (paths, again) = (args.paths(), settings.clone());
    let running = tokio::spawn(async move { run(&host, &settings).await.exit });
    let exit = match running.await {
        Ok(exit) => exit,
        Err(error) => broke(paths, again, &error).await,
    };
    tracing::info!(code = exit.code(), meaning = exit.meaning(), "done");
    exit.code()
}

/// The dispatcher itself broke. If it had read a task, the controller is told all the same.
async fn broke(paths: Paths, settings: Settings, error: &tokio::task::JoinError) -> Exit {
    tracing::error!(%error, "the dispatcher broke");
    let ended = Ended::Failed {
        unit: "shoal-dispatcher.service".to_owned(),
        code: Some("panic".to_owned()),
        message: Some("the dispatcher itself broke; its console has the details".to_owned()),
    };
    let mut log = RunLog::default();
    if let Err(error) = report(&LinuxHost::new(paths), &settings, &ended, &mut log).await {
        tracing::error!(error = chain(&error), "not reported");
    }
    Exit::Panic
}

async fn webhook(args: &WebhookArgs) -> Exit {
    log_to_stderr("[webhook] ", tracing::Level::INFO);
    let host = LinuxHost::new(args.paths());
    let mut log = RunLog::default();
    match report(&host, &args.settings(), &args.ended(), &mut log).await {
        Ok(told) => told.exit,
        Err(error) => {
            tracing::error!(error = chain(&error), "not reported");
            error.exit()
        }
    }
}

async fn progress(args: &ProgressArgs) {
    log_to_stderr("[progress] ", tracing::Level::INFO);
    let host = LinuxHost::new(args.paths());
    if let Err(error) = follow(&host, &args.policy(), &mut RunLog::default()).await {
        tracing::warn!(error = chain(&error), "no progress is told");
    }
}
