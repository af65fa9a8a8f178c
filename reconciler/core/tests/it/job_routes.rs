// SPDX-License-Identifier: AGPL-3.0-or-later
//! How media come to a machine: one slot, none, and one that refuses.

use shoal_core::job::effect::next;
use shoal_core::job::{Budgets, Effect, Event, Failure, Job, Next, Phase, Power, Report, Route, Rung};

use crate::support::jobs::{after, after_all, discovered, failure, in_force, queued};

/// A job that was started and found this way for its media.
fn routed(route: Route) -> Job {
    let job = after(queued(), Event::Started);
    let Event::Performed(Report::Discovered { power, identity, warnings, .. }) = discovered(Power::Off)
    else {
        unreachable!("it is a discovery")
    };
    let route = Some(Box::new(route));
    after(job, Event::Performed(Report::Discovered { route, power, identity, warnings }))
}

fn single(slot: &str, spares: &[&str]) -> Route {
    Route {
        rung: Rung::Single,
        boot_slot: Some(slot.to_owned()),
        task_slot: None,
        spare_slots: spares.iter().map(|spare| (*spare).to_owned()).collect(),
    }
}

#[test]
fn one_slot_takes_one_medium() {
    let job = routed(single("cd", &[]));
    let job = after_all(job, [in_force(), in_force(), in_force()]);
    assert_eq!(job.phase, Phase::Override);
}

#[test]
fn without_a_slot_nothing_is_inserted_and_the_override_names_the_medium() {
    let job =
        routed(Route { rung: Rung::UefiHttp, boot_slot: None, task_slot: None, spare_slots: Vec::new() });
    let job = after_all(job, [in_force(), in_force()]);
    assert_eq!(
        (job.phase, next(&job, &Budgets::default())),
        (Phase::Override, Next::Perform(Effect::SetOverride))
    );
}

#[test]
fn a_route_that_an_older_version_kept_is_understood() {
    let kept = r#"{"rung": "single", "boot_slot": "cd", "task_slot": null}"#;
    let route: Route = serde_json::from_str(kept).unwrap();
    assert_eq!(route, single("cd", &[]));
}

#[test]
fn a_slot_that_refuses_the_image_is_followed_by_the_next_one_which_is_emptied_first() {
    let refused = |code: &str| Event::NotPerformed(Failure { code: code.to_owned(), ..failure(false) });
    let inserting = |route| after_all(routed(route), [in_force(), in_force()]);
    let job = after(inserting(single("upload", &["cd"])), refused("refused"));
    assert_eq!((job.phase, job.attempt), (Phase::Eject, 1));
    assert_eq!(job.route, Some(single("cd", &[])));
    // Without another slot the attempt is over, and so it is for a reason that is known.
    assert_eq!(after(after(job, in_force()), refused("refused")).route, Some(single("cd", &[])));
    let job = after(inserting(single("cd", &["other"])), refused("licence-missing"));
    assert_ne!(job.phase, Phase::Eject);
}
