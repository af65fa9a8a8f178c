// SPDX-License-Identifier: AGPL-3.0-or-later
//! How media come to a machine: one slot, none, and one that refuses.

use proptest::prelude::*;
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

/// One whole attempt, at the end of which the machine never asked for a permit.
fn silent_attempt(job: Job, reads: bool) -> Job {
    let budgets = Budgets::default();
    let mut job = after(job, discovered(Power::Off));
    while job.phase != Phase::AwaitPermit {
        job = after(job, in_force());
    }
    if reads {
        let attempt = job.attempt;
        job = after(job, Event::MediumRead { attempt });
    }
    let job = after(job, Event::Elapsed { ms: budgets.boot_ms });
    let pause = budgets.attempt_pause(job.attempt);
    if job.phase == Phase::Backoff { after(job, Event::Elapsed { ms: pause }) } else { job }
}

#[test]
fn a_boot_that_never_reads_its_medium_is_followed_by_one_from_another_target() {
    let job = after(queued(), Event::Started);
    assert_eq!(job.unread_boots, 0);
    let job = silent_attempt(job, false);
    assert_eq!((job.phase, job.attempt, job.unread_boots), (Phase::Discover, 2, 1));
    // What reads its medium and stays silent was started rightly.
    let job = silent_attempt(job, true);
    assert_eq!((job.attempt, job.unread_boots), (3, 1));
}

#[test]
fn a_boot_for_which_nobody_served_the_medium_is_followed_by_one_from_the_same_target() {
    let budgets = Budgets::default();
    let job = silent_attempt(after(queued(), Event::Started), false);
    assert_eq!((job.attempt, job.unread_boots), (2, 1));
    for phase in [Phase::PowerOn, Phase::AwaitPermit] {
        let mut job = job.clone();
        job.phase = phase;
        let mut job = after(job, Event::Resumed);
        job.phase = Phase::AwaitPermit;
        let job = after(job, Event::Elapsed { ms: budgets.boot_ms });
        assert_eq!((job.phase, job.attempt, job.unread_boots), (Phase::Backoff, 3, 1), "{phase:?}");
        assert!(!job.was_away, "the next attempt is judged by itself");
    }
    // A machine that was off meanwhile boots later.
    let mut job = after(Job { phase: Phase::Override, ..job }, Event::Resumed);
    job.phase = Phase::AwaitPermit;
    assert_eq!(after(job, Event::Elapsed { ms: budgets.boot_ms }).unread_boots, 2);
}

#[test]
fn a_job_that_an_older_version_kept_has_tried_no_target_in_vain() {
    let mut kept = serde_json::to_value(queued()).unwrap();
    kept.as_object_mut().unwrap().remove("unread_boots");
    let job: Job = serde_json::from_value(kept).unwrap();
    assert_eq!(job.unread_boots, 0);
}

proptest! {
    #[test]
    fn only_boots_that_read_nothing_count_and_within_an_attempt_the_target_stays(
        reads in proptest::collection::vec(any::<bool>(), 1..4),
    ) {
        let mut job = after(queued(), Event::Started);
        let mut unread = 0;
        for reads in reads {
            if job.phase != Phase::Discover {
                break;
            }
            let before = job.clone();
            // A failure on the way is tried again and changes no target.
            let tried = after(job.clone(), Event::NotPerformed(failure(true)));
            prop_assert_eq!(tried.unread_boots, before.unread_boots);
            job = silent_attempt(job, reads);
            unread += u32::from(!reads);
            prop_assert_eq!(job.unread_boots, unread);
        }
    }
}
