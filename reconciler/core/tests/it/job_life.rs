// SPDX-License-Identifier: AGPL-3.0-or-later
//! The rules of a job's life, one by one.

use shoal_core::job::effect::next;
use shoal_core::job::event::Consequence;
use shoal_core::job::step::step;
use shoal_core::job::{Budgets, Effect, Event, Failure, Job, Medium, Next, Outcome, Phase, Power, Report};
use shoal_schema::api::Level;
use shoal_schema::kinds::{DesiredPower, OnFailure};
use shoal_schema::step::Step;
use shoal_schema::wire::task::Identity;

use crate::support::at;
use crate::support::jobs::{
    after, after_all, cancel, cleaning_after_failure, discovered, discovered_another, elapsed, failure,
    granted, in_force, in_phase, permit, queued, refused, reported,
};

const MINUTE: u64 = 60_000;

fn asks(job: &Job) -> Next {
    next(job, &Budgets::default())
}

fn code(job: &Job) -> &str {
    job.failure.as_ref().map_or("", |failure| failure.code.as_str())
}

/// From the first phase of cleanup to the end, with everything working; what was asked for on the way.
fn clean(mut job: Job) -> (Job, Vec<Effect>) {
    let mut effects = Vec::new();
    while let Next::Perform(effect) = asks(&job) {
        assert!(job.phase.is_cleaning(), "{:?}", job.phase);
        effects.push(effect);
        job = after(job, in_force());
    }
    assert_eq!(job.phase, Phase::Complete);
    (job, effects)
}

fn failed_after_permit(change: impl FnOnce(&mut Job)) -> Job {
    let mut job = in_phase(Phase::AwaitResult);
    change(&mut job);
    after(job, reported(1, Some(failure(false))))
}

// === what is asked for, phase by phase ===

#[test]
fn each_phase_asks_for_its_own_effect_and_for_nothing_else() {
    let graceful = Budgets::default().graceful_off_ms;
    let expected = [
        (Phase::Queued, Next::WaitForPlace),
        (Phase::Discover, Next::Perform(Effect::Discover)),
        (Phase::PowerOff, Next::Perform(Effect::EnsureOff { graceful_ms: graceful })),
        (Phase::Eject, Next::Perform(Effect::EjectAll)),
        (Phase::InsertBoot, Next::Perform(Effect::Insert(Medium::Boot))),
        (Phase::InsertTask, Next::Perform(Effect::Insert(Medium::Task))),
        (Phase::Override, Next::Perform(Effect::SetOverride)),
        (Phase::PowerOn, Next::Perform(Effect::EnsureOn)),
        (Phase::AwaitPermit, Next::Wait { ms: 15 * MINUTE }),
        (Phase::AwaitResult, Next::Wait { ms: 120 * MINUTE }),
        (Phase::Backoff, Next::Wait { ms: 30_000 }),
        (Phase::CleanOff, Next::Perform(Effect::EnsureOff { graceful_ms: 0 })),
        (Phase::CleanEject, Next::Perform(Effect::EjectAll)),
        (Phase::CleanOverride, Next::Perform(Effect::ClearOverride)),
        (Phase::CleanPower, Next::Perform(Effect::EnsureOn)),
        (Phase::Complete, Next::Done),
    ];
    assert_eq!(expected.len(), Phase::ALL.len());
    for (phase, next) in expected {
        assert_eq!(asks(&in_phase(phase)), next, "{phase:?}");
    }
}

#[test]
fn what_was_found_running_is_asked_to_shut_down_in_whichever_attempt_it_is_first_switched_off() {
    let budgets = Budgets::default();
    let graceful = Next::Perform(Effect::EnsureOff { graceful_ms: budgets.graceful_off_ms });
    // The first attempt never got as far as the power: a BMC that did not answer for twenty minutes.
    let job = after(in_phase(Phase::Discover), elapsed(budgets.prepare_ms));
    let job = after(job, Event::NotPerformed(failure(true)));
    assert_eq!((job.phase, job.attempt), (Phase::Backoff, 2));
    let job = after_all(job, [elapsed(MINUTE), discovered(Power::On)]);
    assert_eq!((job.phase, asks(&job)), (Phase::PowerOff, graceful));
    // Once it was off, what runs is the maintenance OS.
    let job = after(in_phase(Phase::AwaitPermit), reported(1, Some(failure(true))));
    let job = after_all(job, [elapsed(MINUTE), discovered(Power::On)]);
    assert_eq!(asks(&job), Next::Perform(Effect::EnsureOff { graceful_ms: 0 }));
}

#[test]
fn a_machine_that_was_found_off_has_nothing_to_shut_down() {
    let job = after_all(queued(), [Event::Started, discovered(Power::Off)]);
    assert_eq!(asks(&job), Next::Perform(Effect::EnsureOff { graceful_ms: 0 }));
}

// === budgets ===

#[test]
fn an_effect_is_tried_again_after_pauses_that_double_up_to_a_minute() {
    let mut job = in_phase(Phase::InsertBoot);
    let mut pauses = Vec::new();
    for _ in 0..6 {
        job = after(job, Event::NotPerformed(failure(true)));
        let Next::Wait { ms } = asks(&job) else { panic!("a pause, not {:?}", asks(&job)) };
        pauses.push(ms);
        let early = after(job.clone(), elapsed(ms - 1));
        assert_eq!(asks(&early), Next::Wait { ms: 1 });
        job = after(job, elapsed(ms));
        assert_eq!(asks(&job), Next::Perform(Effect::Insert(Medium::Boot)));
    }
    assert_eq!(pauses, [5000, 10_000, 20_000, 40_000, 60_000, 60_000]);
}

#[test]
fn preparing_has_one_budget_over_its_phases_and_ends_the_attempt_not_the_job() {
    let budgets = Budgets::default();
    let mut job = in_phase(Phase::PowerOff);
    job = after(job, elapsed(budgets.prepare_ms - 1));
    job = after_all(job, [in_force(), Event::NotPerformed(failure(true))]);
    assert_eq!((job.phase, job.attempt), (Phase::Eject, 1), "a millisecond is left");
    job = after_all(job, [elapsed(1), Event::NotPerformed(failure(true))]);
    assert_eq!((job.phase, job.attempt), (Phase::Backoff, 2));
    assert_eq!(job.prepare_ms, 0, "the next attempt has a budget of its own");
}

#[test]
fn a_machine_that_never_asks_for_its_permit_costs_an_attempt_and_the_reason_says_how_far_it_came() {
    for (read, expected) in [(false, "no_boot"), (true, "no_permit_request")] {
        let mut job = in_phase(Phase::AwaitPermit);
        if read {
            job = after(job, Event::MediumRead { attempt: 1 });
        }
        job = after(job, elapsed(15 * MINUTE - 1));
        assert_eq!(job.phase, Phase::AwaitPermit);
        job = after(job, elapsed(1));
        assert_eq!((job.phase, job.attempt, code(&job)), (Phase::Backoff, 2, expected));
    }
}

#[test]
fn a_machine_with_its_permit_has_its_whole_budget() {
    let job = after(in_phase(Phase::AwaitResult), elapsed(120 * MINUTE - 1));
    assert_eq!(job.phase, Phase::AwaitResult);
    let job = after(job, elapsed(1));
    assert_eq!((job.phase, job.attempt, code(&job)), (Phase::Backoff, 2, "no_webhook"));
    assert_eq!(job.failure.unwrap().step, Step::WebhookWait);
}

#[test]
fn the_third_attempt_waits_four_times_as_long_as_the_second_and_there_is_no_fourth() {
    let mut job = in_phase(Phase::AwaitPermit);
    let mut pauses = Vec::new();
    loop {
        let attempt = job.attempt;
        job = after(job, reported(attempt, Some(failure(true))));
        if job.phase != Phase::Backoff {
            break;
        }
        let Next::Wait { ms } = asks(&job) else { panic!("a pause") };
        pauses.push(ms);
        job = after_all(job, [elapsed(ms), discovered(Power::On)]);
        job = after_all(job, (0..6).map(|_| in_force()));
        assert_eq!(job.phase, Phase::AwaitPermit);
    }
    assert_eq!(pauses, [30_000, 120_000]);
    assert_eq!((job.phase, job.attempt, job.outcome), (Phase::CleanOff, 3, Some(Outcome::Failed)));
}

#[test]
fn a_job_past_its_whole_budget_gets_no_further_attempt() {
    let budgets = Budgets::default();
    let mut job = in_phase(Phase::AwaitPermit);
    job.total_ms = budgets.stuck_ms - 1;
    assert_eq!(after(job.clone(), reported(1, Some(failure(true)))).phase, Phase::Backoff);
    job.total_ms = budgets.stuck_ms;
    assert_eq!(after(job, reported(1, Some(failure(true)))).phase, Phase::CleanOff);
}

#[test]
fn a_job_past_its_whole_budget_ends_wherever_no_permit_runs() {
    let budgets = Budgets::default();
    for phase in [Phase::Discover, Phase::PowerOff, Phase::InsertTask, Phase::PowerOn, Phase::Backoff] {
        let mut job = in_phase(phase);
        job.total_ms = budgets.stuck_ms - 1;
        let job = after(job, elapsed(1));
        assert_eq!((job.outcome, code(&job)), (Some(Outcome::Failed), "stuck"), "{phase:?}");
    }
    let mut job = in_phase(Phase::AwaitResult);
    job.total_ms = budgets.stuck_ms;
    assert_eq!(after(job, elapsed(1)).phase, Phase::AwaitResult);
}

#[test]
fn waiting_for_a_place_counts_against_no_budget() {
    let job = after_all(queued(), [elapsed(48 * 60 * MINUTE), Event::Started, discovered(Power::On)]);
    let job = after(after_all(job, (0..6).map(|_| in_force())), reported(1, Some(failure(true))));
    assert_eq!(job.phase, Phase::Backoff, "the second attempt is still there to be had");
}

#[test]
fn each_part_of_cleanup_has_its_budget_and_the_others_are_still_tried() {
    let budgets = Budgets::default();
    let job = after(in_phase(Phase::CleanOff), elapsed(budgets.cleanup_ms - 1));
    let job = after(job, Event::NotPerformed(failure(true)));
    assert_eq!(job.phase, Phase::CleanOff);
    let job = after_all(job, [elapsed(1), Event::NotPerformed(failure(true))]);
    assert_eq!((job.phase, job.cleanup_left), (Phase::CleanEject, Some(Step::CleanupReset)));
}

#[test]
fn the_clock_on_the_wall_ends_no_budget() {
    let budgets = Budgets::default();
    for now in [at(-1_000_000_000), at(1_000_000_000)] {
        for phase in Phase::ALL {
            let job = step(in_phase(phase), elapsed(1), &budgets, now);
            assert_eq!(job.phase, phase);
        }
    }
}

#[test]
fn a_faster_world_divides_every_budget_and_no_count() {
    let fast = Budgets::default().divided(1000);
    assert_eq!((fast.boot_ms, fast.max_attempts), (900, 3));
    assert!(Budgets::default().divided(u64::MAX).effect_backoff_ms >= 1);
    assert_eq!(Budgets::default().divided(0), Budgets::default());
}

// === cancel ===

#[test]
fn a_cancel_before_anything_was_touched_leaves_the_machine_alone() {
    for phase in [Phase::Queued, Phase::Discover] {
        let job = after(in_phase(phase), cancel());
        assert_eq!(
            (job.phase, job.outcome, code(&job)),
            (Phase::Complete, Some(Outcome::Failed), "cancelled")
        );
        assert!(!job.touched && job.cleanup_left.is_none());
    }
}

#[test]
fn a_cancel_while_the_machine_shuts_down_lets_it_finish_and_switches_it_on_again() {
    let job = after(in_phase(Phase::PowerOff), cancel());
    let graceful = Budgets::default().graceful_off_ms;
    assert_eq!(asks(&job), Next::Perform(Effect::EnsureOff { graceful_ms: graceful }));
    let (_, effects) = clean(job);
    assert_eq!(effects.last(), Some(&Effect::EnsureOn));
}

#[test]
fn a_failed_shutdown_is_cleaned_up_after_for_the_machine_may_have_been_asked() {
    let job = after(in_phase(Phase::PowerOff), Event::NotPerformed(failure(false)));
    assert_eq!(job.phase, Phase::CleanOff);
    assert_eq!(clean(job).1.last(), Some(&Effect::EnsureOn));
}

#[test]
fn a_cancel_before_the_permit_brings_power_back_as_it_was_found() {
    for (found, last) in [(Power::On, Effect::EnsureOn), (Power::Off, Effect::ClearOverride)] {
        let job = after_all(queued(), [Event::Started, discovered(found)]);
        let job = after(after_all(job, (0..6).map(|_| in_force())), cancel());
        assert_eq!(job.phase, Phase::CleanOff);
        let (job, effects) = clean(job);
        assert_eq!((effects.last(), job.outcome), (Some(&last), Some(Outcome::Failed)));
    }
}

#[test]
fn a_cancel_after_the_permit_lets_the_machine_finish() {
    let job = after(in_phase(Phase::AwaitResult), cancel());
    assert_eq!((job.phase, job.cancel_requested, job.outcome), (Phase::AwaitResult, true, None));
    let done = after(job.clone(), reported(1, None));
    assert_eq!(done.outcome, Some(Outcome::Succeeded));
    // Where it fails there is no further attempt.
    let failed = after(job, reported(1, Some(failure(true))));
    assert_eq!((failed.phase, failed.outcome), (Phase::CleanOff, Some(Outcome::Failed)));
}

#[test]
fn a_cancel_between_a_written_attempt_and_the_next_leaves_the_machine_off() {
    let job = after(in_phase(Phase::AwaitResult), reported(1, Some(failure(true))));
    let (job, effects) = clean(after(job, cancel()));
    assert_eq!(code(&job), "cancelled");
    assert!(!effects.contains(&Effect::EnsureOn));
}

// === how it ends ===

#[test]
fn a_failure_after_a_permit_leaves_the_machine_off_whatever_power_says() {
    for power in [DesiredPower::On, DesiredPower::Unmanaged, DesiredPower::Off] {
        let job = failed_after_permit(|job| job.power_wanted = power);
        let (_, effects) = clean(job);
        assert_eq!(
            effects,
            [Effect::EnsureOff { graceful_ms: 0 }, Effect::EjectAll, Effect::ClearOverride],
            "{power:?}"
        );
    }
}

#[test]
fn a_failure_in_a_later_attempt_still_counts_the_disk_as_written() {
    let mut job = after(in_phase(Phase::AwaitResult), reported(1, Some(failure(true))));
    job = after_all(job, [elapsed(MINUTE), discovered(Power::On)]);
    job = after_all(job, (0..6).map(|_| in_force()));
    assert_eq!((job.phase, job.permit.is_some()), (Phase::AwaitPermit, false));
    let (job, effects) = clean(after(job, cancel()));
    assert!(!effects.contains(&Effect::EnsureOn) && job.written.is_some());
}

#[test]
fn a_machine_that_is_kept_for_a_look_is_not_switched_off_but_its_media_are_taken_out() {
    let job = failed_after_permit(|job| job.on_failure = OnFailure::Keep);
    let (job, effects) = clean(job);
    assert_eq!(effects, [Effect::EjectAll, Effect::ClearOverride]);
    let why = job.why_failed();
    assert!(why.starts_with("left in the maintenance OS for a look: "), "{why}");
    let (job, _) = clean(failed_after_permit(|_| {}));
    assert!(!job.why_failed().contains("for a look"), "{}", job.why_failed());
}

#[test]
fn nothing_is_kept_for_a_look_where_nothing_was_written() {
    let mut job = in_phase(Phase::AwaitPermit);
    job.on_failure = OnFailure::Keep;
    let (_, effects) = clean(after(job, reported(1, Some(failure(false)))));
    assert_eq!(effects.first(), Some(&Effect::EnsureOff { graceful_ms: 0 }));
    assert_eq!(effects.last(), Some(&Effect::EnsureOn));
}

#[test]
fn success_ends_on_unless_git_wants_it_off() {
    for (power, on) in [(DesiredPower::On, true), (DesiredPower::Unmanaged, true), (DesiredPower::Off, false)]
    {
        let mut job = in_phase(Phase::AwaitResult);
        job.power_wanted = power;
        job.on_failure = OnFailure::Keep;
        let (job, effects) = clean(after(job, reported(1, None)));
        assert_eq!(effects.contains(&Effect::EnsureOn), on, "{power:?}");
        assert_eq!((job.status(), job.failure), ("complete", None));
    }
}

#[test]
fn a_cleanup_that_fails_hides_no_outcome() {
    for (start, outcome) in
        [(in_phase(Phase::CleanOff), Outcome::Succeeded), (failed_after_permit(|_| {}), Outcome::Failed)]
    {
        let before = start.failure.clone();
        let mut job = start;
        while job.phase != Phase::Complete {
            job = after(job, Event::NotPerformed(failure(false)));
        }
        assert_eq!((job.outcome, job.failure.clone()), (Some(outcome), before));
        assert_eq!(job.cleanup_left, Some(Step::CleanupUnmount), "media that are left outweigh power");
        assert!(
            job.events
                .iter()
                .any(|e| e.level == Level::Warning && e.message.contains("left to the reconciler"))
        );
    }
}

#[test]
fn a_machine_is_never_switched_on_with_media_or_an_override_left() {
    for stuck in [Phase::CleanEject, Phase::CleanOverride] {
        let mut job = cleaning_after_failure(Phase::CleanOff);
        while job.phase != Phase::Complete {
            assert_ne!(asks(&job), Next::Perform(Effect::EnsureOn), "with {stuck:?} undone");
            let event = if job.phase == stuck { Event::NotPerformed(failure(false)) } else { in_force() };
            job = after(job, event);
        }
        assert_eq!(job.cleanup_left, Some(Step::CleanupUnmount));
    }
    // A power-off that was not seen to work is no reason to leave an emptied machine off.
    let job = after(cleaning_after_failure(Phase::CleanOff), Event::NotPerformed(failure(false)));
    let (job, effects) = clean(job);
    assert_eq!((effects.last(), job.cleanup_left), (Some(&Effect::EnsureOn), Some(Step::CleanupReset)));
}

#[test]
fn another_machine_behind_the_bmc_is_not_touched_not_even_to_clean_up() {
    let job = after(in_phase(Phase::AwaitPermit), reported(1, Some(failure(true))));
    let job = after_all(job, [elapsed(MINUTE), discovered_another()]);
    assert_eq!(
        (job.phase, job.outcome, code(&job)),
        (Phase::Complete, Some(Outcome::Failed), "wrong_machine")
    );
    assert_eq!(job.cleanup_left, Some(Step::CleanupUnmount), "our media are still in the other one");
    let job = after(in_phase(Phase::Discover), discovered_another());
    assert_eq!((job.phase, job.cleanup_left), (Phase::Complete, None));
}

#[test]
fn a_bmc_that_names_no_machine_is_no_contradiction_and_is_warned_of() {
    let Event::Performed(Report::Discovered { route, power, warnings, .. }) = discovered(Power::On) else {
        unreachable!("it is a discovery")
    };
    let silent = Report::Discovered { route, power, identity: Identity::default(), warnings };
    let job = after(in_phase(Phase::Discover), Event::Performed(silent));
    assert_eq!(job.phase, Phase::PowerOff);
    assert!(job.events.iter().any(|e| e.level == Level::Warning && e.message.contains("prove")));
}

// === permits and reports ===

#[test]
fn a_permit_may_be_faster_than_the_answer_to_our_power_on() {
    let job = after(in_phase(Phase::PowerOn), granted(1));
    assert_eq!(job.phase, Phase::AwaitResult);
    assert!(job.permit.is_some() && job.written.is_some());
    // The late answer, good or bad, ends nothing: the machine is writing.
    for late in [in_force(), Event::NotPerformed(failure(true)), Event::NotPerformed(failure(false))] {
        let job = after_all(job.clone(), [elapsed(30 * MINUTE), late]);
        assert_eq!((job.phase, job.attempt), (Phase::AwaitResult, 1));
    }
}

#[test]
fn a_result_may_be_faster_than_the_answer_to_our_power_on() {
    let job = after_all(in_phase(Phase::PowerOn), [granted(1), reported(1, None)]);
    assert_eq!(job.outcome, Some(Outcome::Succeeded));
}

#[test]
fn a_second_grant_for_the_same_attempt_changes_nothing() {
    let job = in_phase(Phase::AwaitResult);
    let again = after(job.clone(), Event::Granted(permit(1, "boot-2")));
    assert_eq!(again.permit, job.permit);
}

#[test]
fn another_boot_of_the_machine_leads_to_the_next_attempt_with_a_permit_of_its_own() {
    let job = after(in_phase(Phase::AwaitResult), refused(1, Consequence::NextAttempt));
    assert_eq!((job.phase, job.attempt, job.permit.clone()), (Phase::Backoff, 2, None));
    assert!(job.written.is_some(), "the disk stays written");
}

#[test]
fn whoever_else_asks_does_not_end_the_attempt_of_the_machine_that_writes() {
    let job = after(in_phase(Phase::AwaitResult), refused(1, Consequence::Fail));
    assert_eq!((job.phase, job.outcome), (Phase::AwaitResult, None));
    assert!(job.events.iter().any(|e| e.level == Level::Warning && e.message.contains("refused")));
}

#[test]
fn success_without_a_permit_is_refused() {
    for phase in [Phase::PowerOn, Phase::AwaitPermit] {
        let job = after(in_phase(phase), reported(1, None));
        assert_eq!((job.outcome, code(&job)), (Some(Outcome::Failed), "no_permit"));
    }
}

#[test]
fn a_disk_that_holds_this_very_install_ends_the_job_as_done() {
    let disk = crate::support::disk("D-web-01", "/dev/sda");
    let job = after(in_phase(Phase::AwaitPermit), Event::AlreadyInstalled { attempt: 1, disk: disk.clone() });
    assert_eq!((job.outcome, job.written), (Some(Outcome::Succeeded), Some(disk)));
}

#[test]
fn what_an_earlier_attempt_says_is_ignored() {
    let mut job = after(in_phase(Phase::AwaitPermit), reported(1, Some(failure(true))));
    job = after_all(job, [elapsed(MINUTE), discovered(Power::On)]);
    job = after_all(job, (0..6).map(|_| in_force()));
    let disk = crate::support::disk("D-web-01", "/dev/sda");
    for stale in [
        granted(1),
        reported(1, None),
        reported(1, Some(failure(false))),
        refused(1, Consequence::Fail),
        Event::MediumRead { attempt: 1 },
        Event::AlreadyInstalled { attempt: 1, disk },
    ] {
        let after = after(job.clone(), stale);
        assert_eq!((after.phase, after.attempt, after.outcome), (Phase::AwaitPermit, 2, None));
        assert!(after.permit.is_none() && !after.medium_read && after.written.is_none());
    }
}

#[test]
fn a_medium_that_is_read_before_power_on_proves_no_boot() {
    for phase in [Phase::InsertBoot, Phase::InsertTask, Phase::Override] {
        assert!(!after(in_phase(phase), Event::MediumRead { attempt: 1 }).medium_read, "{phase:?}");
    }
    assert!(after(in_phase(Phase::PowerOn), Event::MediumRead { attempt: 1 }).medium_read);
}

#[test]
fn what_means_nothing_leaves_no_trace() {
    for (phase, event) in [
        (Phase::Discover, Event::Started),
        (Phase::InsertBoot, Event::MediumRead { attempt: 1 }),
        (Phase::AwaitPermit, in_force()),
        (Phase::AwaitResult, granted(1)),
    ] {
        let job = in_phase(phase);
        assert_eq!(step(job.clone(), event, &Budgets::default(), at(999)), job, "{phase:?}");
    }
    assert_eq!(step(queued(), Event::Started, &Budgets::default(), at(999)).updated_at, at(999));
}

// === what people see ===

#[test]
fn an_error_names_step_unit_job_and_what_to_do() {
    let told = Failure {
        step: Some(Step::WorkflowPartition),
        unit: Some("partition.service".to_owned()),
        message: "the disk does not answer".to_owned(),
        ..failure(false)
    };
    let job = after(in_phase(Phase::AwaitResult), reported(1, Some(told)));
    let view = job.view();
    assert_eq!((view.status.as_str(), view.failed_step), ("failed", Some(Step::WorkflowPartition)));
    let error = view.error.unwrap();
    assert_eq!(error.hint, Step::WorkflowPartition.hint());
    assert_eq!((error.unit.as_deref(), error.job), (Some("partition.service"), Some(job.id.clone())));
    assert_eq!(job.summary().outcome.as_deref(), Some("failed"));
}

#[test]
fn an_earlier_attempts_error_is_gone_after_success() {
    let mut job = after(in_phase(Phase::AwaitPermit), reported(1, Some(failure(true))));
    assert!(job.view().error.is_none(), "it has not failed yet");
    job = after_all(job, [elapsed(MINUTE), discovered(Power::On)]);
    job = after_all(job, (0..6).map(|_| in_force()));
    job = after_all(job, [granted(2), reported(2, None)]);
    assert_eq!((job.outcome, job.failure), (Some(Outcome::Succeeded), None));
}

#[test]
fn status_words_follow_the_contract() {
    let words = Phase::ALL.map(|phase| in_phase(phase).status());
    assert_eq!(words[0], "queued");
    assert!(words[1..11].iter().all(|word| *word == "provisioning"), "{words:?}");
    assert!(words[11..15].iter().all(|word| *word == "succeeded"), "{words:?}");
    assert_eq!(words[15], "complete");
    assert_eq!(cleaning_after_failure(Phase::CleanEject).status(), "failed");
}

#[test]
fn a_job_remembers_its_last_deliveries_and_events_and_no_more() {
    let mut job = queued();
    for number in 0..40 {
        assert!(job.remember_delivery(&format!("d{number}")));
        assert!(!job.remember_delivery(&format!("d{number}")), "it was known");
    }
    assert_eq!((job.deliveries.len(), job.deliveries.front().map(String::as_str)), (32, Some("d8")));
    for number in 0..300 {
        job.note(at(number), Level::Info, None, "x");
    }
    assert_eq!(job.events.len(), 200);
}

#[test]
fn a_job_reads_back_as_it_was_written() {
    for phase in Phase::ALL {
        let job = in_phase(phase);
        let text = serde_json::to_string(&job).unwrap();
        assert_eq!(serde_json::from_str::<Job>(&text).unwrap(), job);
    }
}
