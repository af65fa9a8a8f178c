// SPDX-License-Identifier: AGPL-3.0-or-later
//! Many seeds at once.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use shoal_core::job::Phase;
use shoal_simulation::scenario::Scenario;
use shoal_simulation::{EVENTS, Outcome, run};

use crate::story::tell_the_least;

/// How often an event met a job in a phase.
type Cells = BTreeMap<(String, Phase), u64>;

/// What came of many seeds.
#[derive(Default)]
struct Sum {
    seeds: u64,
    events: Vec<u64>,
    servers: Vec<usize>,
    writes: u64,
    passed: Duration,
    cells: Cells,
    failed: Vec<u64>,
}

impl Sum {
    fn add(&mut self, scenario: &Scenario, outcome: Outcome) {
        self.seeds += 1;
        self.events.push(outcome.events);
        self.servers.push(scenario.servers);
        self.writes += outcome.writes;
        self.passed += outcome.passed;
        for (cell, count) in outcome.cells {
            *self.cells.entry(cell).or_default() += count;
        }
        if outcome.violation.is_some() {
            self.failed.push(scenario.seed);
        }
    }
}

/// Runs seeds on every processor, each until `each` says that it is enough.
pub(crate) fn seeds(first: u64, count: u64, each: impl Fn(&Scenario, Outcome) -> bool + Sync) {
    let (next, enough) = (AtomicU64::new(first), AtomicBool::new(false));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, Into::into) {
            scope.spawn(|| {
                while !enough.load(Ordering::Relaxed) {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= first + count {
                        return;
                    }
                    let scenario = Scenario::draw(seed);
                    let outcome = run(&scenario, false);
                    if !each(&scenario, outcome) {
                        enough.store(true, Ordering::Relaxed);
                    }
                }
            });
        }
    });
}

/// How far it is, every ten seconds, for whoever waits.
struct Progress {
    began: Instant,
    told: u64,
}

impl Progress {
    #[expect(clippy::print_stderr, reason = "this is what it is for")]
    fn of(&mut self, sum: &Sum, count: u64) {
        let tens = self.began.elapsed().as_secs() / 10;
        if tens > self.told {
            self.told = tens;
            eprintln!("{} of {count} seeds, {} failed", sum.seeds, sum.failed.len());
        }
    }
}

/// Runs seeds, and tells the least of the first that fails. With `table`: every event has to meet every phase.
#[expect(clippy::print_stdout, reason = "this is what it is for")]
pub(crate) fn run_all(first: u64, count: u64, table: bool) -> bool {
    let began = Instant::now();
    let sum = Mutex::new((Sum::default(), Progress { began, told: 0 }));
    seeds(first, count, |scenario, outcome| {
        if let Some(why) = &outcome.violation {
            println!("seed {}: {why}", scenario.seed);
        }
        let mut held = sum.lock().unwrap_or_else(PoisonError::into_inner);
        let (sum, progress) = &mut *held;
        sum.add(scenario, outcome);
        progress.of(sum, count);
        // Ten tell as much as a thousand.
        sum.failed.len() < 10
    });
    let (mut sum, _) = sum.into_inner().unwrap_or_else(PoisonError::into_inner);
    sum.events.sort_unstable();
    sum.servers.sort_unstable();
    let median = |all: &[u64]| all.get(all.len() / 2).copied().unwrap_or_default();
    println!(
        "{} seeds in {:.1} s: {} failed; {} events each in the median, {} servers or more, {:.1} hours of their time, {} disks written",
        sum.seeds,
        began.elapsed().as_secs_f64(),
        sum.failed.len(),
        median(&sum.events),
        sum.servers.first().copied().unwrap_or_default(),
        sum.passed.as_secs_f64() / 3600.0 / sum.seeds.max(1) as f64,
        sum.writes,
    );
    let empty = if table { show(&sum.cells) } else { 0 };
    if let Some(seed) = sum.failed.iter().min() {
        tell_the_least(*seed);
    }
    sum.failed.is_empty() && empty == 0
}

/// Shows the table; how many of its cells are empty.
#[expect(clippy::print_stdout, reason = "this is what it is for")]
fn show(cells: &Cells) -> usize {
    let mut empty = 0;
    let heads = Phase::ALL.map(|phase| format!("{phase:?}").replace("Complete", "NoJob"));
    println!("{:<18}{}", "", heads.map(|head| format!("{head:>14}")).join(""));
    for event in EVENTS {
        let counts =
            Phase::ALL.map(|phase| cells.get(&((*event).to_owned(), phase)).copied().unwrap_or_default());
        empty += counts.iter().filter(|count| **count == 0).count();
        println!("{event:<18}{}", counts.map(|count| format!("{count:>14}")).join(""));
    }
    if empty > 0 {
        println!("{empty} cells are empty: more seeds, or an event that is drawn too seldom");
    }
    empty
}
