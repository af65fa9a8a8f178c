// SPDX-License-Identifier: AGPL-3.0-or-later
//! One event meets a job. Pure; every phase says what every event means there.

use shoal_schema::api::Level;
use shoal_schema::step::Step;
use shoal_schema::wire::task::IdentityVerdict;

use super::event::{Consequence, Event, Failure, Report};
use super::{Budgets, Job, Phase};
use crate::mistake::Mistake;

/// The job after the event.
#[must_use]
pub fn step(mut job: Job, event: Event, budgets: &Budgets, now: jiff::Timestamp) -> Job {
    if job.phase == Phase::Complete {
        return job;
    }
    let before = job.clone();
    match event {
        Event::Started => started(&mut job, now),
        Event::Resumed => {
            job.note(now, Level::Info, None, "the controller came back; looking before going on");
            job.was_away |= waits_for_machine(job.phase);
            if Mistake::ResetAfterACrash.is_made() && job.phase == Phase::AwaitResult {
                job.enter(Phase::Discover);
            }
        }
        Event::Performed(report) => performed(&mut job, report, budgets, now),
        Event::NotPerformed(failure) => not_performed(&mut job, &failure, budgets, now),
        Event::Elapsed { ms } => elapsed(&mut job, ms, budgets, now),
        Event::MediumRead { attempt } => medium_read(&mut job, attempt, now),
        Event::Granted(permit) => granted(&mut job, permit, now),
        Event::Refused { attempt, code, message, step, consequence } => {
            let failure = Failure {
                step: Some(step),
                unit: None,
                code,
                message,
                hint: None,
                log_tail: None,
                passing: consequence == Consequence::NextAttempt,
            };
            refused(&mut job, attempt, consequence, &failure, budgets, now);
        }
        Event::AlreadyInstalled { attempt, disk } => {
            if attempt == job.attempt && waits_for_machine(job.phase) && job.permit.is_none() {
                job.note(now, Level::Info, None, "the disk holds this very install already: done");
                job.written = Some(disk);
                job.succeed(now);
            }
        }
        Event::Reported { attempt, failure } => reported(&mut job, attempt, failure, budgets, now),
        Event::FoundOff => found_off(&mut job, budgets, now),
        Event::CancelRequested { by } => cancel(&mut job, &by, now),
    }
    // What meant nothing leaves no trace, so that it need not be kept either.
    if job != before {
        job.updated_at = now;
    }
    job
}

/// The machine may speak in these phases. It may be quicker than the journal of our power-on.
pub fn waits_for_machine(phase: Phase) -> bool {
    matches!(phase, Phase::PowerOn | Phase::AwaitPermit | Phase::AwaitResult)
}

fn started(job: &mut Job, now: jiff::Timestamp) {
    if job.phase == Phase::Queued {
        job.note(now, Level::Info, None, "started");
        job.enter(Phase::Discover);
    }
}

fn performed(job: &mut Job, report: Report, budgets: &Budgets, now: jiff::Timestamp) {
    let label = job.phase.label();
    if let Report::Discovered { route, power, identity, warnings } = report {
        if job.phase == Phase::Discover {
            discovered(job, route, power, &identity, warnings, budgets, now);
        }
        return;
    }
    match job.phase {
        Phase::PowerOff => {
            job.touched = true;
            done(job, now, label);
            job.enter(Phase::Eject);
        }
        Phase::Eject => {
            done(job, now, label);
            let has_slot = job.route.as_ref().is_some_and(|route| route.boot_slot.is_some());
            job.enter(if has_slot { Phase::InsertBoot } else { Phase::Override });
        }
        Phase::InsertBoot => {
            done(job, now, label);
            let second = job.route.as_ref().is_some_and(|route| route.task_slot.is_some());
            job.enter(if second { Phase::InsertTask } else { Phase::Override });
        }
        Phase::InsertTask => {
            done(job, now, label);
            job.enter(Phase::Override);
        }
        Phase::Override => {
            done(job, now, label);
            job.enter(Phase::PowerOn);
        }
        Phase::PowerOn => {
            done(job, now, label);
            job.enter(Phase::AwaitPermit);
        }
        Phase::CleanOff | Phase::CleanEject | Phase::CleanOverride | Phase::CleanPower => {
            done(job, now, label);
            job.cleaned(now);
        }
        // No effect belongs to these; a late answer of an abandoned one changes nothing.
        Phase::Queued
        | Phase::Discover
        | Phase::AwaitPermit
        | Phase::AwaitResult
        | Phase::Backoff
        | Phase::Complete => {}
    }
}

fn done(job: &mut Job, now: jiff::Timestamp, label: &str) {
    let step = job.phase.step();
    job.note(now, Level::Info, Some(step), format!("{label}: done"));
}

fn discovered(
    job: &mut Job,
    route: Option<Box<super::Route>>,
    power: super::Power,
    identity: &shoal_schema::wire::task::Identity,
    warnings: Vec<String>,
    budgets: &Budgets,
    now: jiff::Timestamp,
) {
    for warning in warnings {
        job.note(now, Level::Warning, Some(Step::RedfishDiscover), warning);
    }
    match job.identity.judge(identity) {
        IdentityVerdict::Same => {}
        IdentityVerdict::Unproven => {
            let message = "the BMC names neither serial nor UUID; the machine itself has to prove who it is";
            job.note(now, Level::Warning, Some(Step::RedfishDiscover), message);
        }
        IdentityVerdict::Contradiction { what, wanted, seen } => {
            let failure = Failure {
                step: Some(Step::ValidationServer),
                unit: None,
                code: "wrong_machine".to_owned(),
                message: format!("the BMC says {what} {seen}, Git says {wanted}; that machine is left alone"),
                hint: Some("correct 'bmc.address' or the serial in the server's file".to_owned()),
                log_tail: None,
                passing: false,
            };
            job.abandon(&failure, now);
            return;
        }
    }
    let Some(route) = route else {
        let failure = Failure {
            step: Some(Step::RedfishDiscover),
            unit: None,
            code: "no_route".to_owned(),
            message: "the BMC offers no virtual media slot that can be used".to_owned(),
            hint: Some("'shoal bmc inspect' shows the slots; a licence may be missing".to_owned()),
            log_tail: None,
            passing: false,
        };
        job.attempt_failed(&failure, budgets, now);
        return;
    };
    job.power_found.get_or_insert(power);
    let rung = route.rung.label();
    let way = match &route.boot_slot {
        Some(slot) => format!("media go in by way of {rung}, boot slot {slot}"),
        None => format!("no slot for media: the firmware fetches the medium itself ({rung})"),
    };
    job.note(now, Level::Info, Some(Step::RedfishDiscover), way);
    job.route = Some(*route);
    job.enter(Phase::PowerOff);
}

/// A slot that refuses our image for no reason that is known may be for uploads or for the console
/// only: the next one is tried (Ironic `redfish/boot.py`).
fn another_slot(job: &mut Job, failure: &Failure, now: jiff::Timestamp) -> bool {
    let phase = job.phase;
    let Some(route) = job.route.as_mut().filter(|route| {
        failure.code == "refused"
            && matches!(phase, Phase::InsertBoot | Phase::InsertTask)
            && !route.spare_slots.is_empty()
    }) else {
        return false;
    };
    let next = route.spare_slots.remove(0);
    let slot = if phase == Phase::InsertBoot { &mut route.boot_slot } else { &mut route.task_slot };
    let refuses = slot.replace(next.clone()).unwrap_or_default();
    let words = format!("{refuses} refuses the image, {next} is tried instead: {}", failure.message);
    job.note(now, Level::Warning, Some(phase.step()), words);
    // It is emptied first, like every slot of ours.
    job.enter(Phase::Eject);
    true
}

fn not_performed(job: &mut Job, failure: &Failure, budgets: &Budgets, now: jiff::Timestamp) {
    if another_slot(job, failure, now) {
        return;
    }
    match job.phase {
        Phase::Discover
        | Phase::PowerOff
        | Phase::Eject
        | Phase::InsertBoot
        | Phase::InsertTask
        | Phase::Override
        | Phase::PowerOn => {
            if failure.passing && job.prepare_ms < budgets.prepare_ms {
                pause(job, failure, budgets, now);
            } else {
                job.attempt_failed(failure, budgets, now);
            }
        }
        Phase::CleanOff | Phase::CleanEject | Phase::CleanOverride | Phase::CleanPower => {
            if failure.passing && job.phase_ms < budgets.cleanup_ms {
                pause(job, failure, budgets, now);
            } else {
                job.cleanup_failed(failure, now);
            }
        }
        Phase::Queued | Phase::AwaitPermit | Phase::AwaitResult | Phase::Backoff | Phase::Complete => {}
    }
}

fn pause(job: &mut Job, failure: &Failure, budgets: &Budgets, now: jiff::Timestamp) {
    job.tries += 1;
    let pause = budgets.effect_pause(job.tries);
    job.not_before_ms = job.phase_ms + pause;
    let step = failure.step.unwrap_or(job.phase.step());
    let message =
        format!("{}: {}; next try in {} s", job.phase.label(), failure.message, pause.div_ceil(1000));
    job.note(now, Level::Warning, Some(step), message);
}

fn elapsed(job: &mut Job, ms: u64, budgets: &Budgets, now: jiff::Timestamp) {
    job.phase_ms = job.phase_ms.saturating_add(ms);
    // A job that waits for its place for a day is not stuck.
    if job.phase != Phase::Queued {
        job.total_ms = job.total_ms.saturating_add(ms);
    }
    if job.phase.is_preparing() {
        job.prepare_ms = job.prepare_ms.saturating_add(ms);
    }
    let unfinished = job.phase.is_preparing() || job.phase == Phase::Backoff;
    match job.phase {
        _ if unfinished && job.total_ms >= budgets.stuck_ms => {
            let message = "the job as a whole took longer than a job may take";
            let failure = Failure { passing: false, ..passing(job.phase.step(), "stuck", message) };
            job.fail(&failure, now);
        }
        Phase::AwaitPermit if job.phase_ms >= budgets.boot_ms => {
            let (code, message) = if job.medium_read {
                ("no_permit_request", "the machine read its medium and never asked for a permit")
            } else if job.was_away {
                // That says nothing of the target, and another one may start nothing.
                (
                    "no_boot",
                    "the machine did not read its boot medium while the controller was away, nor afterwards",
                )
            } else {
                // Some BMCs list a target that starts nothing (sushy on Supermicro's `Cd` and `UsbCd`):
                // the next attempt takes another one.
                job.unread_boots += 1;
                ("no_boot", "the machine never read its boot medium")
            };
            let failure = passing(Step::WorkflowDispatcher, code, message);
            job.attempt_failed(&failure, budgets, now);
        }
        Phase::AwaitResult if job.phase_ms >= budgets.result_ms => {
            let message = "the machine had its permit and reported nothing within its budget";
            let failure = passing(Step::WebhookWait, "no_webhook", message);
            job.attempt_failed(&failure, budgets, now);
        }
        Phase::Backoff if job.phase_ms >= budgets.attempt_pause(job.attempt) => {
            job.note(now, Level::Info, None, format!("attempt {}", job.attempt));
            job.enter(Phase::Discover);
        }
        _ => {}
    }
}

fn passing(step: Step, code: &str, message: &str) -> Failure {
    Failure {
        step: Some(step),
        unit: None,
        code: code.to_owned(),
        message: message.to_owned(),
        hint: None,
        log_tail: None,
        passing: true,
    }
}

fn medium_read(job: &mut Job, attempt: u32, now: jiff::Timestamp) {
    // Before power-on it is the BMC looking at what was inserted, which proves no boot.
    if attempt == job.attempt && waits_for_machine(job.phase) && !job.medium_read {
        job.medium_read = true;
        job.note(now, Level::Info, None, "the machine reads its boot medium");
    }
}

fn granted(job: &mut Job, permit: super::PermitRecord, now: jiff::Timestamp) {
    if permit.attempt != job.attempt || !waits_for_machine(job.phase) || job.permit.is_some() {
        return;
    }
    job.note(
        now,
        Level::Info,
        Some(Step::WorkflowPermit),
        format!("permit granted to boot {} for {}", permit.boot_id, permit.disk.describe()),
    );
    job.written = Some(permit.disk.clone());
    job.permit = Some(permit);
    // Also where the answer to our power-on is still under way: the machine is on, and from here on
    // nothing that a BMC answers may end its attempt.
    job.enter(Phase::AwaitResult);
}

fn refused(
    job: &mut Job,
    attempt: u32,
    consequence: Consequence,
    failure: &Failure,
    budgets: &Budgets,
    now: jiff::Timestamp,
) {
    let step = failure.step;
    job.note(now, Level::Warning, step, format!("permit refused ({}): {}", failure.code, failure.message));
    if attempt != job.attempt || !waits_for_machine(job.phase) {
        return;
    }
    match consequence {
        Consequence::Ignore => {}
        // The machine with the permit may be writing: whoever else asks does not end that.
        Consequence::Fail if job.permit.is_some() => {}
        Consequence::NextAttempt => job.attempt_failed(failure, budgets, now),
        Consequence::Fail => job.fail(failure, now),
    }
}

fn reported(job: &mut Job, attempt: u32, failure: Option<Failure>, budgets: &Budgets, now: jiff::Timestamp) {
    if attempt != job.attempt || !waits_for_machine(job.phase) {
        job.note(now, Level::Warning, None, format!("a report of attempt {attempt} came late; ignored"));
        return;
    }
    match failure {
        None if job.permit.is_some() => {
            job.note(now, Level::Info, None, "the machine reports success");
            job.succeed(now);
        }
        None => {
            // Success without a permit cannot be: nothing was allowed to be written.
            let message = "the machine reports success without ever having had a permit";
            let failure = Failure { passing: false, ..passing(Step::WorkflowPermit, "no_permit", message) };
            job.fail(&failure, now);
        }
        Some(failure) => job.attempt_failed(&failure, budgets, now),
    }
}

/// Whoever is off writes nothing any more, and will never report. Before the permit the budget of the boot
/// is as short.
fn found_off(job: &mut Job, budgets: &Budgets, now: jiff::Timestamp) {
    if job.phase == Phase::AwaitResult {
        let message = "the machine had its permit, went off and stayed off without a report";
        let hint = "look for what took its power; what it wrote is made whole by the next attempt";
        let failure = passing(Step::WebhookWait, "went_off", message);
        job.attempt_failed(&Failure { hint: Some(hint.to_owned()), ..failure }, budgets, now);
    }
}

fn cancel(job: &mut Job, by: &str, now: jiff::Timestamp) {
    if job.cancel_requested || job.phase.is_cleaning() {
        return;
    }
    job.cancel_requested = true;
    if job.permit.is_some() {
        job.note(
            now,
            Level::Warning,
            None,
            format!("{by}: the machine has its permit; it finishes, then is held"),
        );
        return;
    }
    let failure = Failure {
        step: Some(job.phase.step()),
        unit: None,
        code: "cancelled".to_owned(),
        message: format!("cancelled before anything was written in this attempt: {by}"),
        hint: Some("'shoal retry SERVER' lets it go on".to_owned()),
        log_tail: None,
        passing: false,
    };
    job.fail(&failure, now);
}
