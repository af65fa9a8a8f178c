// SPDX-License-Identifier: AGPL-3.0-or-later
//! Random lives of a job: whatever happens in whatever order, the promises hold; and once nothing
//! more goes wrong, every job ends.

use proptest::prelude::*;
use shoal_core::job::effect::next;
use shoal_core::job::event::Consequence;
use shoal_core::job::{Budgets, Effect, Event, Job, Next, Outcome, Phase, Power};
use shoal_schema::kinds::{DesiredPower, OnFailure};

use crate::support::jobs::{
    after, cancel, discovered, discovered_another, discovered_no_route, elapsed, failure, granted, in_force,
    queued, refused, reported,
};
use crate::support::{disk, jobs};

/// An event, with attempts relative to the job's own.
#[derive(Clone, Copy, Debug)]
enum Happens {
    Started,
    Resumed,
    /// The effect that the job asks for works.
    Works {
        found_on: bool,
    },
    AnotherMachine,
    NoRoute,
    Fails {
        passing: bool,
    },
    Passes {
        ms: u64,
    },
    Read {
        back: u32,
    },
    Granted {
        back: u32,
        boot: u8,
    },
    Refused {
        back: u32,
        consequence: u8,
    },
    Already {
        back: u32,
    },
    Success {
        back: u32,
    },
    Failure {
        back: u32,
        passing: bool,
    },
    Cancel,
}

fn happens() -> impl Strategy<Value = Happens> {
    let back = prop_oneof![4 => Just(0_u32), 1 => 1..3_u32];
    let boxed = back.boxed();
    prop_oneof![
        2 => Just(Happens::Started),
        1 => Just(Happens::Resumed),
        20 => any::<bool>().prop_map(|found_on| Happens::Works { found_on }),
        1 => Just(Happens::AnotherMachine),
        1 => Just(Happens::NoRoute),
        4 => prop_oneof![4 => Just(true), 1 => Just(false)].prop_map(|passing| Happens::Fails { passing }),
        4 => prop_oneof![0..70_000_u64, 0..8_000_000_u64, Just(u64::MAX)].prop_map(|ms| Happens::Passes { ms }),
        1 => boxed.clone().prop_map(|back| Happens::Read { back }),
        4 => (boxed.clone(), 0..3_u8).prop_map(|(back, boot)| Happens::Granted { back, boot }),
        1 => (boxed.clone(), 0..3_u8).prop_map(|(back, consequence)| Happens::Refused { back, consequence }),
        1 => boxed.clone().prop_map(|back| Happens::Already { back }),
        2 => boxed.clone().prop_map(|back| Happens::Success { back }),
        2 => (boxed, any::<bool>()).prop_map(|(back, passing)| Happens::Failure { back, passing }),
        1 => Just(Happens::Cancel),
    ]
}

fn event(job: &Job, happens: Happens) -> Event {
    let attempt = |back: u32| job.attempt.saturating_sub(back);
    match happens {
        Happens::Started => Event::Started,
        Happens::Resumed => Event::Resumed,
        Happens::Works { found_on } if job.phase == Phase::Discover => {
            discovered(if found_on { Power::On } else { Power::Off })
        }
        Happens::Works { .. } => in_force(),
        Happens::AnotherMachine => discovered_another(),
        Happens::NoRoute => discovered_no_route(),
        Happens::Fails { passing } => Event::NotPerformed(failure(passing)),
        Happens::Passes { ms } => elapsed(ms),
        Happens::Read { back } => Event::MediumRead { attempt: attempt(back) },
        Happens::Granted { back, boot } => {
            Event::Granted(jobs::permit(attempt(back), &format!("boot-{boot}")))
        }
        Happens::Refused { back, consequence } => {
            let consequences = [Consequence::Ignore, Consequence::NextAttempt, Consequence::Fail];
            refused(attempt(back), consequences[usize::from(consequence)])
        }
        Happens::Already { back } => {
            Event::AlreadyInstalled { attempt: attempt(back), disk: disk("D-web-01", "/dev/sda") }
        }
        Happens::Success { back } => reported(attempt(back), None),
        Happens::Failure { back, passing } => reported(attempt(back), Some(failure(passing))),
        Happens::Cancel => cancel(),
    }
}

fn start(keep: bool, power: u8, blank: bool) -> Job {
    let mut job = queued();
    job.on_failure = if keep { OnFailure::Keep } else { OnFailure::Off };
    job.power_wanted = [DesiredPower::On, DesiredPower::Off, DesiredPower::Unmanaged][usize::from(power)];
    job.require_blank = blank;
    job
}

/// What must hold of every step.
fn check(before: &Job, happens: Happens, after: &Job) -> Result<(), TestCaseError> {
    let budgets = Budgets::default();
    let max = budgets.max_attempts;
    prop_assert!(after.attempt >= before.attempt && after.attempt <= max, "attempt {}", after.attempt);
    if before.phase == Phase::Complete {
        prop_assert_eq!(before, after, "after the end nothing happens");
    }
    // The outcome is said once and stays.
    if before.outcome.is_some() {
        prop_assert_eq!(before.outcome, after.outcome);
    }
    prop_assert_eq!(after.outcome.is_some(), after.phase.is_cleaning() || after.phase == Phase::Complete);
    if after.outcome == Some(Outcome::Failed) {
        prop_assert!(after.failure.is_some(), "a failure says why");
    }
    // One permit an attempt, and it never changes hands.
    if let (Some(had), Some(has)) = (&before.permit, &after.permit)
        && before.attempt == after.attempt
    {
        prop_assert_eq!(had, has);
    }
    prop_assert!(after.permit.as_ref().is_none_or(|permit| permit.attempt == after.attempt));
    prop_assert!(after.permit.is_none() || after.written.is_some());
    if before.written.is_some() {
        prop_assert!(after.written.is_some(), "a written disk stays written");
    }
    if after.outcome == Some(Outcome::Succeeded) {
        prop_assert!(after.written.is_some(), "success without a disk");
    }
    let next = next(after, &budgets);
    // While the machine may be writing, its power is nobody's business.
    if after.permit.is_some() && after.outcome.is_none() {
        prop_assert_eq!(after.phase, Phase::AwaitResult);
        prop_assert!(matches!(next, Next::Wait { .. }), "{:?} while a permit runs", next);
        if before.permit.is_some() && before.attempt == after.attempt {
            prop_assert_eq!(before.phase, Phase::AwaitResult);
        }
    }
    if before.phase == Phase::AwaitResult && after.phase != Phase::AwaitResult {
        let ends = matches!(
            happens,
            Happens::Passes { .. }
                | Happens::Success { .. }
                | Happens::Failure { .. }
                | Happens::Refused { consequence: 1, .. }
        );
        prop_assert!(ends, "{:?} ended a running permit", happens);
    }
    match next {
        Next::Perform(Effect::EnsureOn) if after.phase == Phase::CleanPower => {
            prop_assert!(after.outcome == Some(Outcome::Succeeded) || after.written.is_none());
        }
        Next::Wait { ms } => prop_assert!(ms > 0, "a wait of nothing spins"),
        Next::Done => prop_assert_eq!(after.phase, Phase::Complete),
        Next::WaitForPlace => prop_assert_eq!(after.phase, Phase::Queued),
        Next::Perform(_) => {}
    }
    if after.phase == Phase::Complete {
        prop_assert_eq!(next, Next::Done);
    }
    prop_assert!(after.events.len() <= 200);
    Ok(())
}

/// From here on nothing goes wrong but that the machine may stay silent: what the job asks for works,
/// and time passes as long as it says.
fn settle(mut job: Job) -> Result<Job, TestCaseError> {
    for _ in 0..200 {
        let event = match next(&job, &Budgets::default()) {
            Next::Done => return Ok(job),
            Next::WaitForPlace => Event::Started,
            Next::Perform(Effect::Discover) => discovered(Power::On),
            Next::Perform(_) => in_force(),
            Next::Wait { ms } => elapsed(ms),
        };
        job = after(job, event);
    }
    Err(TestCaseError::fail(format!("no end in sight: {:?}, attempt {}", job.phase, job.attempt)))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_the_promises_hold_and_every_job_ends(
        keep: bool, power in 0..3_u8, blank: bool, life in proptest::collection::vec(happens(), 0..120),
    ) {
        let mut job = start(keep, power, blank);
        for happens in life {
            let before = job.clone();
            job = after(job, event(&before, happens));
            check(&before, happens, &job)?;
        }
        let end = settle(job)?;
        prop_assert_eq!(end.phase, Phase::Complete);
    }

    #[test]
    fn a_job_whose_effects_all_fail_ends_too(passing: bool, granted_at in 0..3_u32) {
        let mut job = start(false, 2, false);
        for _ in 0..2000 {
            let event = match next(&job, &Budgets::default()) {
                Next::Done => break,
                Next::WaitForPlace => Event::Started,
                Next::Perform(Effect::Discover) if granted_at > 0 => discovered(Power::On),
                Next::Perform(_) if job.attempt <= granted_at && !job.phase.is_cleaning() => in_force(),
                Next::Perform(_) => Event::NotPerformed(failure(passing)),
                Next::Wait { .. } if job.phase == Phase::AwaitPermit => granted(job.attempt),
                Next::Wait { ms } => elapsed(ms),
            };
            job = after(job, event);
        }
        prop_assert_eq!(job.phase, Phase::Complete);
        prop_assert_eq!(job.outcome, Some(Outcome::Failed));
    }
}
