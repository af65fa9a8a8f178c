// SPDX-License-Identifier: AGPL-3.0-or-later
//! A job, brought into every phase by the events that lead there.

use std::collections::VecDeque;

use shoal_core::job::event::Consequence;
use shoal_core::job::step::step;
use shoal_core::job::{Budgets, Event, Failure, Job, PermitRecord, Phase, Power, Report, Route, Rung};
use shoal_schema::kinds::{DesiredPower, OnFailure};
use shoal_schema::step::Step;
use shoal_schema::wire::task::Identity;
use shoal_schema::{JobId, LedgerId, Sha256};

use super::world::World;
use super::{at, disk};

/// A job that waits for its place.
pub(crate) fn queued() -> Job {
    let desired = World::one().desired("web-01");
    Job {
        id: JobId::from_bytes([1; 16]),
        server: "web-01".to_owned(),
        machine: desired.machine.clone(),
        ledger: LedgerId::from_bytes([7; 16]),
        epoch: 3,
        record: 5,
        entry_digest: Sha256::of(b"entry"),
        approved_by: Some("approvals/a.yaml".to_owned()),
        expected_disk: None,
        require_blank: false,
        identity: desired.identity.clone(),
        bmc: desired.bmc.clone(),
        install: desired.install.expect("something to install"),
        maintenance_iso: Sha256::of(b"iso"),
        on_failure: OnFailure::Off,
        power_wanted: DesiredPower::Unmanaged,
        created_at: at(0),
        updated_at: at(0),
        phase: Phase::Queued,
        phase_ms: 0,
        prepare_ms: 0,
        total_ms: 0,
        attempt: 1,
        tries: 0,
        not_before_ms: 0,
        route: None,
        power_found: None,
        touched: false,
        medium_read: false,
        unread_boots: 0,
        was_away: false,
        permit: None,
        written: None,
        cancel_requested: false,
        outcome: None,
        failure: None,
        cleanup_left: None,
        events: VecDeque::new(),
        deliveries: VecDeque::new(),
    }
}

/// One event, with the default budgets.
pub(crate) fn after(job: Job, event: Event) -> Job {
    step(job, event, &Budgets::default(), at(60))
}

/// Several events.
pub(crate) fn after_all(job: Job, events: impl IntoIterator<Item = Event>) -> Job {
    events.into_iter().fold(job, after)
}

/// The BMC of the right machine, with two CD slots.
pub(crate) fn discovered(power: Power) -> Event {
    Event::Performed(Report::Discovered {
        route: Some(Box::new(Route {
            rung: Rung::TwoCd,
            boot_slot: Some("/redfish/v1/Managers/1/VirtualMedia/1".to_owned()),
            task_slot: Some("/redfish/v1/Managers/1/VirtualMedia/2".to_owned()),
            spare_slots: Vec::new(),
        })),
        power,
        identity: Identity { serial: Some("S-web-01".to_owned()), ..Identity::default() },
        warnings: Vec::new(),
    })
}

/// The BMC of another machine.
pub(crate) fn discovered_another() -> Event {
    Event::Performed(Report::Discovered {
        route: None,
        power: Power::On,
        identity: Identity { serial: Some("S-other".to_owned()), ..Identity::default() },
        warnings: Vec::new(),
    })
}

/// The right machine, without a slot.
pub(crate) fn discovered_no_route() -> Event {
    Event::Performed(Report::Discovered {
        route: None,
        power: Power::On,
        identity: Identity::default(),
        warnings: Vec::new(),
    })
}

pub(crate) fn in_force() -> Event {
    Event::Performed(Report::InForce)
}

pub(crate) fn failure(passing: bool) -> Failure {
    Failure {
        step: None,
        unit: None,
        code: "timeout".to_owned(),
        message: "no answer".to_owned(),
        hint: None,
        log_tail: None,
        passing,
    }
}

pub(crate) fn granted(attempt: u32) -> Event {
    Event::Granted(permit(attempt, "boot-1"))
}

pub(crate) fn permit(attempt: u32, boot_id: &str) -> PermitRecord {
    PermitRecord {
        attempt,
        boot_id: boot_id.to_owned(),
        disk: disk("D-web-01", "/dev/sda"),
        granted_at: at(60),
    }
}

pub(crate) fn refused(attempt: u32, consequence: Consequence) -> Event {
    Event::Refused {
        attempt,
        code: "refused".to_owned(),
        message: "no".to_owned(),
        step: Step::WorkflowPermit,
        consequence,
    }
}

pub(crate) fn reported(attempt: u32, failure: Option<Failure>) -> Event {
    Event::Reported { attempt, failure }
}

pub(crate) fn elapsed(ms: u64) -> Event {
    Event::Elapsed { ms }
}

pub(crate) fn cancel() -> Event {
    Event::CancelRequested { by: "ada".to_owned() }
}

/// A first attempt in a phase of its way to success; the machine was found running.
pub(crate) fn in_phase(phase: Phase) -> Job {
    let job = queued();
    let way = [
        (Phase::Queued, Event::Started),
        (Phase::Discover, discovered(Power::On)),
        (Phase::PowerOff, in_force()),
        (Phase::Eject, in_force()),
        (Phase::InsertBoot, in_force()),
        (Phase::InsertTask, in_force()),
        (Phase::Override, in_force()),
        (Phase::PowerOn, in_force()),
        (Phase::AwaitPermit, granted(1)),
        (Phase::AwaitResult, reported(1, None)),
        (Phase::CleanOff, in_force()),
        (Phase::CleanEject, in_force()),
        (Phase::CleanOverride, in_force()),
        (Phase::CleanPower, in_force()),
    ];
    if phase == Phase::Backoff {
        let job = after(in_phase(Phase::AwaitPermit), reported(1, Some(failure(true))));
        assert_eq!(job.phase, Phase::Backoff);
        return job;
    }
    let mut job = job;
    for (at, event) in way {
        if job.phase == phase {
            break;
        }
        assert_eq!(job.phase, at, "the way to success leads through every phase");
        job = after(job, event);
    }
    assert_eq!(job.phase, phase);
    job
}

/// A job in a phase of its cleanup after a failure before any permit; the machine was found running.
pub(crate) fn cleaning_after_failure(phase: Phase) -> Job {
    let mut job = after(in_phase(Phase::AwaitPermit), cancel());
    while job.phase != phase {
        assert!(job.phase.is_cleaning(), "{phase:?} is a phase of cleanup");
        job = after(job, in_force());
    }
    job
}
