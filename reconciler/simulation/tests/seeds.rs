// SPDX-License-Identifier: AGPL-3.0-or-later
//! A few seeds, and that a seed tells the same story every time. Thousands run by themselves, optimised.

use std::collections::BTreeSet;

use shoal_simulation::scenario::Scenario;
use shoal_simulation::{EVENTS, run};

#[test]
fn a_seed_tells_the_same_story_every_time() {
    let seed = 11;
    let [first, second] = [(), ()].map(|()| run(&Scenario::draw(seed), true));
    for (number, (a, b)) in first.story.iter().zip(&second.story).enumerate() {
        assert_eq!(a, b, "seed {seed}, line {number}");
    }
    assert_eq!(first.story.len(), second.story.len());
    assert!(first.writes > 0, "nothing was installed in it");
}

#[test]
fn in_a_few_worlds_everything_is_as_it_must_be() {
    for seed in 0..6 {
        let outcome = run(&Scenario::draw(seed), false);
        assert_eq!(outcome.violation, None, "seed {seed}");
    }
}

#[test]
fn every_kind_of_event_is_drawn_and_stands_in_the_list_that_the_table_shows() {
    let scenarios = (0..2_000).map(Scenario::draw);
    let drawn: BTreeSet<String> =
        scenarios.flat_map(|scenario| scenario.events).map(|planned| planned.event.name()).collect();
    assert_eq!(drawn, EVENTS.iter().map(|name| (*name).to_owned()).collect());
}
