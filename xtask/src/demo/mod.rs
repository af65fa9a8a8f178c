// SPDX-License-Identifier: AGPL-3.0-or-later
//! The demo: eight emulated servers, a controller, a push; and a verdict from facts.
//!
//! # Expected flow
//!
//! a place: one directory → [`machines`] start → [`repository`] made for them → the controller is started →
//! the [`story`] is told and [`watch`]ed → [`collect`] evidence → [`verdict`].
//!
//! # Guarantees
//!
//! * The product is what is released: the `shoal` binary, driven by its command line, Git and HTTP.
//! * Everything listens on loopback, and lives in one temporary directory.
//! * Whatever happens (an error, a panic, Ctrl-C), the controller is ended and the directory removed,
//!   unless it was asked to be kept.
//!
//! # What it does not do
//!
//! It pulls no image and starts no kernel: the machines are simulated behind the BMC's wire.

mod cast;
mod collect;
mod collect_git;
mod edit;
mod ending;
mod evidence;
mod machines;
mod repository;
mod screen;
mod secrets;
mod story;
mod verdict;
pub(crate) mod vm;
mod watch;

#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context as _, bail};
use tokio::signal::unix::{SignalKind, signal};

use evidence::Evidence;
use screen::Screen;
use shoal_testbed_site::Place;
use verdict::{Fact, judge};

/// Eight emulated servers, a controller, a push: watch it work
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Leave the pauses for readers out
    #[arg(long)]
    fast: bool,
    /// Keep everything in this new directory, to look at afterwards
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
    /// No colour; NO_COLOR does the same
    #[arg(long, alias = "no-color")]
    no_colour: bool,
}

/// How quickly the story is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pace {
    /// With pauses, so that people can read.
    Readable,
    /// Without.
    Fast,
}

/// Runs the demo; 0 where every fact holds.
pub(crate) fn main(args: Args) -> ExitCode {
    let screen = Screen::new(args.no_colour);
    let pace = if args.fast { Pace::Fast } else { Pace::Readable };
    let outcome = Place::new("shoal-demo-", args.keep).and_then(|place| tell(&screen, &place, pace));
    screen.clear();
    match outcome {
        Ok((_, facts)) => {
            let broken = facts.iter().filter(|fact| !fact.holds).count();
            if broken == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => {
            screen.failure(&error);
            ExitCode::FAILURE
        }
    }
}

/// Tells the story in a place and judges it.
fn tell(screen: &Screen, place: &Place, pace: Pace) -> anyhow::Result<(Evidence, Vec<Fact>)> {
    let began = Instant::now();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(4)
        .enable_all()
        .build()
        .context("start the runtime")?;
    let told = runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate()).context("listen for SIGTERM")?;
        let mut hangup = signal(SignalKind::hangup()).context("listen for SIGHUP")?;
        tokio::select! {
            told = story::tell(screen, place, pace) => Ok(told),
            _ = tokio::signal::ctrl_c() => bail!("interrupted"),
            _ = terminate.recv() => bail!("terminated"),
            _ = hangup.recv() => bail!("the terminal is gone"),
        }
    });
    let evidence = match told? {
        Ok(evidence) => evidence,
        Err(error) => {
            screen.log_tail(&place.controller_log());
            return Err(error);
        }
    };
    evidence.write(&place.root().join("evidence.json"))?;
    let facts = judge(&evidence);
    screen.verdict(&facts, began.elapsed());
    if facts.iter().any(|fact| !fact.holds) {
        screen.log_tail(&place.controller_log());
    }
    screen.whereabouts(place);
    Ok((evidence, facts))
}
