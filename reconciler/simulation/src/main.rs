// SPDX-License-Identifier: AGPL-3.0-or-later
//! Runs seeds, and tells the story of one.

use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use clap::Parser;
use shoal_simulation::scenario::Scenario;
use shoal_simulation::{Outcome, run};

/// Runs the controller in simulated worlds, one per seed, and judges each after every step.
///
/// Exits with 1 where a world was not as it must be; its seed gives the same run every time.
#[derive(Parser)]
#[command(name = "shoal-simulation")]
struct Args {
    /// How many seeds
    #[arg(default_value_t = 100)]
    seeds: u64,
    /// The first one
    #[arg(long, default_value_t = 0)]
    first: u64,
    /// Tell the whole story of one seed; RUST_LOG adds what the controller says
    #[arg(long, value_name = "SEED", conflicts_with_all = ["seeds", "first"])]
    story: Option<u64>,
}

fn main() -> ExitCode {
    let args = Args::parse();
    match args.story {
        Some(seed) => story(seed),
        None => many(args.first, args.seeds),
    }
}

#[expect(clippy::print_stdout, reason = "this is what it is for")]
fn story(seed: u64) -> ExitCode {
    let filter = tracing_subscriber::EnvFilter::from_default_env();
    tracing_subscriber::fmt().with_env_filter(filter).without_time().init();
    let outcome = run(&Scenario::draw(seed), true);
    for line in &outcome.story {
        println!("{line}");
    }
    println!("{} events, {} writes, {:?}", outcome.events, outcome.writes, outcome.passed);
    match outcome.violation {
        None => ExitCode::SUCCESS,
        Some(why) => {
            println!("broken: {why}");
            ExitCode::FAILURE
        }
    }
}

#[expect(clippy::print_stdout, reason = "this is what it is for")]
fn many(first: u64, seeds: u64) -> ExitCode {
    let next = AtomicU64::new(first);
    let outcomes: Mutex<Vec<Outcome>> = Mutex::default();
    let began = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, Into::into) {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= first + seeds {
                        return;
                    }
                    let outcome = run(&Scenario::draw(seed), false);
                    if let Some(why) = &outcome.violation {
                        println!("seed {seed} ('--story {seed}' tells it): {why}");
                    }
                    outcomes.lock().unwrap_or_else(PoisonError::into_inner).push(outcome);
                }
            });
        }
    });
    let outcomes = outcomes.into_inner().unwrap_or_else(PoisonError::into_inner);
    let mut events: Vec<u64> = outcomes.iter().map(|outcome| outcome.events).collect();
    events.sort_unstable();
    let writes: u64 = outcomes.iter().map(|outcome| outcome.writes).sum();
    let passed: Duration = outcomes.iter().map(|outcome| outcome.passed).sum();
    let failed = outcomes.iter().filter(|outcome| outcome.violation.is_some()).count();
    println!(
        "{} seeds in {:.1} s: {failed} failed; {} events each in the median, {:.1} hours of their time, {writes} disks written",
        outcomes.len(),
        began.elapsed().as_secs_f64(),
        events.get(events.len() / 2).copied().unwrap_or_default(),
        passed.as_secs_f64() / 3600.0 / outcomes.len().max(1) as f64,
    );
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
