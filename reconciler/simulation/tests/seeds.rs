// SPDX-License-Identifier: AGPL-3.0-or-later
//! A few seeds, and that a seed tells the same story every time. Thousands run by themselves, optimised.

use std::collections::BTreeSet;
use std::time::Duration;

use shoal_core::job::Phase;
use shoal_simulation::scenario::{Planned, Scenario};
use shoal_simulation::{EVENTS, Event, run};

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

fn world(seed: u64, events: &[(u64, Option<Phase>, Event)]) -> Scenario {
    let planned = |(at, phase, event): &(u64, Option<Phase>, Event)| {
        Planned::new(Duration::from_secs(*at), *phase, event.clone())
    };
    let events = events.iter().map(planned).collect();
    Scenario { seed, servers: 5, blank_only: true, foreign: 0, events }
}

#[test]
fn a_job_is_taken_up_although_the_disk_is_full_when_the_controller_comes_back() {
    for seed in 0..8 {
        let full = Event::DiskFull(Duration::from_secs(1200));
        let scenario = world(seed, &[(60, None, full), (100, None, Event::Crash)]);
        assert_eq!(run(&scenario, false).violation, None, "seed {seed}");
    }
}

#[test]
fn what_the_controller_of_a_copy_installs_is_not_broken_off_by_the_other_one() {
    for seed in 0..8 {
        let second = (30, Some(Phase::PowerOff), Event::SecondController(true));
        let scenario = world(seed, &[(0, None, Event::Version(0)), second, (900, None, Event::Takeover)]);
        assert_eq!(run(&scenario, false).violation, None, "seed {seed}");
    }
}

#[test]
fn every_kind_of_event_is_drawn_and_stands_in_the_list_that_the_table_shows() {
    let scenarios = (0..2_000).map(Scenario::draw);
    let drawn: BTreeSet<String> =
        scenarios.flat_map(|scenario| scenario.events).map(|planned| planned.event.name()).collect();
    assert_eq!(drawn, EVENTS.iter().map(|name| (*name).to_owned()).collect());
}

#[test]
fn a_machine_that_comes_behind_the_bmc_while_a_job_is_under_way_gets_nothing() {
    for seed in 0..8 {
        // Where nothing names the disk and the other machine is blank, its serial alone tells.
        let swap = (seed * 40, Some(Phase::PowerOn), Event::Swap(0, 6));
        let scenario = world(seed, &[swap, (3600, None, Event::Approve(0))]);
        assert_eq!(run(&scenario, false).violation, None, "seed {seed}");
    }
}
