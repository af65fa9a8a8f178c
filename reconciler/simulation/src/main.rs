// SPDX-License-Identifier: AGPL-3.0-or-later
//! Runs seeds, and tells the story of one that fails.

use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use clap::Parser;
use shoal_simulation::run;
use shoal_simulation::scenario::Scenario;

/// Runs the controller in simulated worlds, one per seed.
#[derive(Parser)]
struct Args {
    /// How many seeds.
    #[arg(long, default_value_t = 100)]
    seeds: u64,
    /// The first one.
    #[arg(long, default_value_t = 0)]
    first: u64,
    /// Tell the whole story of the first seed.
    #[arg(long)]
    story: bool,
}

#[expect(clippy::print_stdout, reason = "this is what it is for")]
fn main() -> ExitCode {
    let args = Args::parse();
    if args.story {
        let filter = tracing_subscriber::EnvFilter::from_default_env();
        tracing_subscriber::fmt().with_env_filter(filter).without_time().init();
        let scenario = Scenario::draw(args.first);
        let outcome = run(&scenario, true);
        for line in &outcome.story {
            println!("{line}");
        }
        println!("{} events, {} writes, {:?}", outcome.events, outcome.writes, outcome.passed);
        println!("{:?}", outcome.violation);
        return ExitCode::SUCCESS;
    }
    let next = AtomicU64::new(args.first);
    let failed = Mutex::new(Vec::new());
    let counts = Mutex::new(Vec::new());
    let began = std::time::Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, Into::into) {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= args.first + args.seeds {
                        return;
                    }
                    let outcome = run(&Scenario::draw(seed), false);
                    counts.lock().expect("nobody panics").push((
                        outcome.events,
                        outcome.writes,
                        outcome.passed,
                    ));
                    if let Some(why) = outcome.violation {
                        println!("seed {seed}: {why}");
                        failed.lock().expect("nobody panics").push(seed);
                    }
                }
            });
        }
    });
    let mut counts = counts.into_inner().expect("nobody panics");
    counts.sort_unstable();
    let writes: u64 = counts.iter().map(|(_, writes, _)| writes).sum();
    let passed: std::time::Duration = counts.iter().map(|(_, _, passed)| *passed).sum();
    println!("{:.1} hours each", passed.as_secs_f64() / 3600.0 / counts.len() as f64);
    println!(
        "{} seeds in {:?}, median {} events, {writes} writes, {} failed",
        counts.len(),
        began.elapsed(),
        counts.get(counts.len() / 2).map_or(0, |(events, _, _)| *events),
        failed.lock().expect("nobody panics").len()
    );
    ExitCode::SUCCESS
}
