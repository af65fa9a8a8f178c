// SPDX-License-Identifier: AGPL-3.0-or-later
//! One seed, told.

use shoal_simulation::run;
use shoal_simulation::scenario::Scenario;
use shoal_simulation::shrink::shrink;

/// Tells what happens in a seed, and whether all was as it must be.
#[expect(clippy::print_stdout, reason = "this is what it is for")]
pub(crate) fn tell(seed: u64, only: Option<&[usize]>) -> bool {
    let filter = tracing_subscriber::EnvFilter::from_default_env();
    // What cannot be told any more was told before.
    drop(tracing_subscriber::fmt().with_env_filter(filter).without_time().try_init());
    let whole = Scenario::draw(seed);
    let scenario = only.map_or_else(|| whole.clone(), |places| whole.only(places));
    let outcome = run(&scenario, true);
    for line in &outcome.story {
        println!("{line}");
    }
    println!("{} events, {} writes, {:?}", outcome.events, outcome.writes, outcome.passed);
    if let Some(why) = &outcome.violation {
        println!("broken: {why}");
    }
    outcome.violation.is_none()
}

/// The events of a failing seed that it takes to fail; how the rest is told.
#[expect(clippy::print_stdout, reason = "this is what it is for")]
pub(crate) fn tell_the_least(seed: u64) {
    let whole = Scenario::draw(seed);
    let fails = |places: &[usize]| run(&whole.only(places), false).violation.is_some();
    let places = shrink(whole.events.len(), fails);
    println!("seed {seed} takes {} of its {} events:", places.len(), whole.events.len());
    tell(seed, Some(&places));
    let places: Vec<String> = places.iter().map(ToString::to_string).collect();
    println!("again: ./run sim --story {seed} --only '{}'", places.join(","));
}
