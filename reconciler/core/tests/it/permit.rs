// SPDX-License-Identifier: AGPL-3.0-or-later
//! May this machine write? Every verdict, and what holds whatever is asked.

use proptest::prelude::*;
use shoal_core::job::event::Consequence;
use shoal_core::job::{Event, Job, PermitRecord, Phase};
use shoal_core::permit::{FETCH_AGE_LIMIT_MS, PermitContext, PermitVerdict, decide};
use shoal_schema::disk::{DiskFacts, DiskSelector, required_bytes};
use shoal_schema::network::Mac;
use shoal_schema::size::ByteSize;
use shoal_schema::step::Step;
use shoal_schema::wire::permit::{DiskState, PermitRequest};
use shoal_schema::wire::stamp::Stamp;
use shoal_schema::wire::task::Identity;
use shoal_schema::{JobId, LedgerId, Sha256};

use crate::support::jobs::{after, after_all, discovered, elapsed, failure, in_force, in_phase, reported};
use crate::support::{at, disk};

fn context() -> PermitContext<'static> {
    PermitContext {
        fetch_age_ms: 0,
        paused: false,
        superseded: None,
        unreadable: false,
        observe_only: false,
        now: at(100),
    }
}

fn request() -> PermitRequest {
    PermitRequest {
        attempt: 1,
        epoch: 3,
        boot_id: "boot-1".to_owned(),
        identity: Identity { serial: Some("S-web-01".to_owned()), ..Identity::default() },
        disk: Some(DiskState {
            facts: disk("D-web-01", "/dev/sda"),
            blank: false,
            contents: vec!["gpt: 3 partitions".to_owned()],
            stamp: None,
        }),
        matching_disks: 1,
        disks: vec![disk("D-web-01", "/dev/sda"), disk("D-data", "/dev/sdb")],
        dispatcher_version: "0.0.0-test".to_owned(),
    }
}

fn stamp(job: &Job) -> Stamp {
    Stamp {
        job_id: JobId::from_bytes([9; 16]),
        entry_digest: Sha256::of(b"another"),
        desired_digest: Sha256::of(b"another"),
        ledger: job.ledger.clone(),
        record: job.record - 1,
        server: "web-01".to_owned(),
        granted_at: at(-100),
    }
}

/// `grant`, `repeat`, `wait`, `already`, or `code step consequence`.
fn said(verdict: &PermitVerdict) -> String {
    match verdict {
        PermitVerdict::Grant(_) => "grant".to_owned(),
        PermitVerdict::Repeat(_) => "repeat".to_owned(),
        PermitVerdict::Wait { .. } => "wait".to_owned(),
        PermitVerdict::AlreadyInstalled(_) => "already".to_owned(),
        PermitVerdict::Refuse(refusal) => {
            format!("{} {} {:?}", refusal.code, refusal.step, refusal.consequence)
        }
    }
}

struct Case {
    job: Job,
    request: PermitRequest,
    context: PermitContext<'static>,
}

fn case(phase: Phase) -> Case {
    Case { job: in_phase(phase), request: request(), context: context() }
}

type Row = (&'static str, fn(&mut Case), &'static str);

fn assert_rows(phase: Phase, rows: &[Row]) {
    for (what, change, expected) in rows {
        let mut case = case(phase);
        change(&mut case);
        assert_eq!(said(&decide(&case.job, &case.request, &case.context)), *expected, "{what}");
    }
}

fn disk_of(case: &mut Case) -> &mut DiskState {
    case.request.disk.as_mut().expect("a disk")
}

#[test]
fn the_first_question_of_an_attempt() {
    assert_rows(
        Phase::AwaitPermit,
        &[
            ("the right one", |_| {}, "grant"),
            ("an earlier attempt", |c| c.request.attempt = 0, "stale_attempt workflow.permit Ignore"),
            ("a later attempt", |c| c.request.attempt = 2, "stale_attempt workflow.permit Ignore"),
            ("an earlier epoch", |c| c.request.epoch = 2, "stale_attempt workflow.permit Ignore"),
            ("a later epoch", |c| c.request.epoch = 4, "stale_attempt workflow.permit Ignore"),
            (
                "another machine",
                |c| c.request.identity.serial = Some("S-other".into()),
                "wrong_machine workflow.identity Fail",
            ),
            (
                "a machine that says nothing of itself",
                |c| c.request.identity = Identity::default(),
                "identity_unproven workflow.identity Fail",
            ),
            (
                "a machine with a placeholder",
                |c| c.request.identity.serial = Some("To be filled by O.E.M.".into()),
                "identity_unproven workflow.identity Fail",
            ),
            (
                "a machine without the wanted address",
                |c| {
                    c.job.identity.macs = vec![Mac::parse("02:00:00:00:00:01").unwrap()];
                    c.request.identity.macs = vec![Mac::parse("02:00:00:00:00:02").unwrap()];
                },
                "wrong_machine workflow.identity Fail",
            ),
            (
                "no disk fits",
                |c| {
                    c.request.disk = None;
                    c.request.matching_disks = 0;
                },
                "disk_not_found workflow.disk Fail",
            ),
            (
                "several fit, none chosen",
                |c| {
                    c.request.disk = None;
                    c.request.matching_disks = 2;
                },
                "disk_ambiguous workflow.disk Fail",
            ),
            (
                "several fit, one chosen",
                |c| c.request.matching_disks = 2,
                "disk_ambiguous workflow.disk Fail",
            ),
            (
                "several fit by our own count",
                |c| {
                    c.job.install.disk = DiskSelector {
                        min_size: Some(ByteSize::parse("100G").unwrap()),
                        ..DiskSelector::default()
                    };
                },
                "disk_ambiguous workflow.disk Fail",
            ),
            ("an older machine lists no disks", |c| c.request.disks.clear(), "grant"),
            (
                "the chosen one does not fit",
                |c| disk_of(c).facts.path = "/dev/sdb".into(),
                "disk_mismatch workflow.disk Fail",
            ),
            (
                "too small for the image",
                |c| c.job.install.min_disk = Some(ByteSize::parse("1T").unwrap()),
                "disk_too_small workflow.disk Fail",
            ),
            (
                "just large enough for the image",
                |c| c.job.install.min_disk = Some(ByteSize::from_bytes(disk_of(c).facts.size_bytes)),
                "grant",
            ),
            (
                "too small for the layout",
                |c| disk_of(c).facts.size_bytes = required_bytes(&c.job.install.layout) - 1,
                "disk_too_small workflow.disk Fail",
            ),
            (
                "just large enough for the layout",
                |c| disk_of(c).facts.size_bytes = required_bytes(&c.job.install.layout),
                "grant",
            ),
            (
                "too small, and full of data that nobody agreed to lose",
                |c| {
                    c.job.require_blank = true;
                    disk_of(c).facts.size_bytes = 1 << 20;
                },
                "disk_too_small workflow.disk Fail",
            ),
            (
                "the disk that the plan names",
                |c| c.job.expected_disk = Some(disk("D-web-01", "/dev/sdc")),
                "grant",
            ),
            (
                "another disk under that kernel name",
                |c| c.job.expected_disk = Some(disk("D-planned", "/dev/sda")),
                "disk_changed workflow.disk Fail",
            ),
            (
                "another disk than an earlier attempt wrote",
                |c| c.job.written = Some(disk("D-first", "/dev/sda")),
                "disk_changed workflow.disk Fail",
            ),
            (
                "a nameless disk of the same size as before",
                |c| {
                    let bare = DiskFacts { serial: None, ..disk("", "/dev/sda") };
                    c.job.written = Some(bare.clone());
                    disk_of(c).facts = bare;
                },
                "grant",
            ),
            (
                "a nameless disk of another size than before",
                |c| {
                    let bare = DiskFacts { serial: None, ..disk("", "/dev/sda") };
                    c.job.written = Some(DiskFacts { size_bytes: 1, ..bare.clone() });
                    disk_of(c).facts = bare;
                },
                "disk_changed workflow.disk Fail",
            ),
            (
                "the very entry is on the disk",
                |c| {
                    let stamp = Stamp { entry_digest: c.job.entry_digest.clone(), ..stamp(&c.job) };
                    disk_of(c).stamp = Some(stamp);
                },
                "already",
            ),
            (
                "the very entry of another ledger",
                |c| {
                    let ledger = LedgerId::from_bytes([8; 16]);
                    let stamp = Stamp { entry_digest: c.job.entry_digest.clone(), ledger, ..stamp(&c.job) };
                    disk_of(c).stamp = Some(stamp);
                },
                "grant",
            ),
            (
                "an older install",
                |c| {
                    let stamp = stamp(&c.job);
                    disk_of(c).stamp = Some(stamp);
                },
                "grant",
            ),
            (
                "an install newer than our record",
                |c| {
                    let stamp = Stamp { record: c.job.record + 1, ..stamp(&c.job) };
                    disk_of(c).stamp = Some(stamp);
                },
                "stamp_newer workflow.permit Fail",
            ),
            (
                "an install with our number by another job: a copy of our database runs",
                |c| {
                    let stamp = Stamp { record: c.job.record, ..stamp(&c.job) };
                    disk_of(c).stamp = Some(stamp);
                },
                "stamp_newer workflow.permit Fail",
            ),
            (
                "a higher number of another ledger says nothing about ours",
                |c| {
                    let ledger = LedgerId::from_bytes([8; 16]);
                    let stamp = Stamp { record: c.job.record + 9, ledger, ..stamp(&c.job) };
                    disk_of(c).stamp = Some(stamp);
                },
                "grant",
            ),
            (
                "our own, of an attempt that did not end well",
                |c| {
                    let stamp = Stamp { record: c.job.record, job_id: c.job.id.clone(), ..stamp(&c.job) };
                    disk_of(c).stamp = Some(stamp);
                },
                "grant",
            ),
            ("blank only, and it is not", |c| c.job.require_blank = true, "not_blank workflow.disk Fail"),
            (
                "blank only, and it is",
                |c| {
                    c.job.require_blank = true;
                    disk_of(c).blank = true;
                },
                "grant",
            ),
            ("cancelled", |c| c.job.cancel_requested = true, "cancelled workflow.permit Fail"),
            (
                "Git wants something else",
                |c| c.context.superseded = Some("it wants debian 13.2"),
                "superseded workflow.permit Fail",
            ),
            ("paused", |c| c.context.paused = true, "wait"),
            ("its file cannot be read", |c| c.context.unreadable = true, "wait"),
            ("a fetch just old enough", |c| c.context.fetch_age_ms = FETCH_AGE_LIMIT_MS, "grant"),
            ("a fetch too old", |c| c.context.fetch_age_ms = FETCH_AGE_LIMIT_MS + 1, "wait"),
            ("never fetched", |c| c.context.fetch_age_ms = u64::MAX, "wait"),
            ("only observing", |c| c.context.observe_only = true, "wait"),
            (
                "only observing decides nothing at all",
                |c| {
                    c.context.observe_only = true;
                    c.request.identity.serial = Some("S-other".into());
                },
                "wait",
            ),
        ],
    );
}

#[test]
fn a_fetch_counts_for_fifteen_minutes() {
    assert_eq!(FETCH_AGE_LIMIT_MS, 900_000);
}

#[test]
fn questions_while_a_permit_runs() {
    assert_rows(
        Phase::AwaitResult,
        &[
            ("the same boot again", |_| {}, "repeat"),
            ("the same boot, paused meanwhile", |c| c.context.paused = true, "repeat"),
            ("the same boot, cancelled meanwhile", |c| c.job.cancel_requested = true, "repeat"),
            ("the same boot, its file unreadable meanwhile", |c| c.context.unreadable = true, "repeat"),
            ("the same boot, a stale fetch", |c| c.context.fetch_age_ms = u64::MAX, "repeat"),
            ("the same boot, Git changed its mind", |c| c.context.superseded = Some("x"), "repeat"),
            (
                "the same boot, another disk",
                |c| disk_of(c).facts.serial = Some("D-data".into()),
                "disk_changed workflow.disk Ignore",
            ),
            ("the same boot, no disk", |c| c.request.disk = None, "disk_changed workflow.disk Ignore"),
            (
                "another boot of the machine",
                |c| c.request.boot_id = "boot-2".into(),
                "another_boot workflow.permit NextAttempt",
            ),
            (
                "another machine with the token stops nobody",
                |c| c.request.identity.serial = Some("S-other".into()),
                "wrong_machine workflow.identity Ignore",
            ),
            (
                "a machine that proves nothing stops nobody",
                |c| c.request.identity = Identity::default(),
                "identity_unproven workflow.identity Ignore",
            ),
            ("a stale medium", |c| c.request.attempt = 0, "stale_attempt workflow.permit Ignore"),
            ("only observing", |c| c.context.observe_only = true, "wait"),
        ],
    );
}

#[test]
fn nobody_is_granted_anything_outside_the_phases_that_wait_for_the_machine() {
    for phase in Phase::ALL {
        let mut case = case(phase);
        case.request.attempt = case.job.attempt;
        let said = said(&decide(&case.job, &case.request, &case.context));
        let expected = match phase {
            // The machine may be quicker than the answer to our power-on.
            Phase::PowerOn | Phase::AwaitPermit => "grant",
            Phase::AwaitResult => "repeat",
            _ => "not_waiting workflow.permit Ignore",
        };
        assert_eq!(said, expected, "{phase:?}");
    }
}

#[test]
fn a_grant_names_attempt_boot_and_disk() {
    let PermitVerdict::Grant(record) = decide(&in_phase(Phase::AwaitPermit), &request(), &context()) else {
        panic!("a grant")
    };
    let expected = PermitRecord {
        attempt: 1,
        boot_id: "boot-1".into(),
        disk: disk("D-web-01", "/dev/sda"),
        granted_at: at(100),
    };
    assert_eq!(record, expected);
}

#[test]
fn a_refusal_says_what_was_wanted_and_what_was_seen() {
    let mut case = case(Phase::AwaitPermit);
    case.job.expected_disk = Some(disk("D-planned", "/dev/sda"));
    let PermitVerdict::Refuse(refusal) = decide(&case.job, &case.request, &case.context) else {
        panic!("a refusal")
    };
    assert!(
        refusal.message.contains("D-planned") && refusal.message.contains("D-web-01"),
        "{}",
        refusal.message
    );
    assert_eq!(refusal.step, Step::WorkflowDisk);
}

/// A job at its second attempt, the first of which had a permit.
fn second_attempt() -> Job {
    let job = after(in_phase(Phase::AwaitResult), reported(1, Some(failure(true))));
    let job = after_all(job, [elapsed(60_000), discovered(shoal_core::job::Power::On)]);
    after_all(job, (0..6).map(|_| in_force()))
}

#[test]
fn a_second_attempt_has_a_permit_of_its_own_for_the_same_disk_only() {
    let job = second_attempt();
    let request = PermitRequest { attempt: 2, boot_id: "boot-2".into(), ..request() };
    assert_eq!(said(&decide(&job, &request, &context())), "grant");
    let mut other = request.clone();
    other.disk.as_mut().unwrap().facts = disk("D-new", "/dev/sda");
    other.disks = vec![disk("D-new", "/dev/sda")];
    assert_eq!(said(&decide(&job, &other, &context())), "disk_changed workflow.disk Fail");
}

#[test]
fn a_disk_that_was_to_be_blank_may_hold_what_this_very_job_wrote_and_nothing_else() {
    let job = Job { require_blank: true, ..second_attempt() };
    let request = PermitRequest { attempt: 2, boot_id: "boot-2".into(), ..request() };
    assert_eq!(said(&decide(&job, &request, &context())), "grant");
    // A disk that nothing tells from another one may be another one.
    let mut nameless = job.clone();
    let written = nameless.written.as_mut().unwrap();
    (written.serial, written.wwn) = (None, None);
    let mut same_size = request.clone();
    for disk in std::iter::once(&mut same_size.disk.as_mut().unwrap().facts).chain(&mut same_size.disks) {
        (disk.serial, disk.wwn) = (None, None);
    }
    nameless.install.disk = DiskSelector { path: Some("/dev/sda".into()), ..DiskSelector::default() };
    assert_eq!(said(&decide(&nameless, &same_size, &context())), "not_blank workflow.disk Fail");
}

#[derive(Clone, Copy, Debug)]
enum Asked {
    Permit { attempt: u32, boot: u8, machine: u8, disk: u8, blank: bool },
    Other { event: u8 },
}

fn asked() -> impl Strategy<Value = Asked> {
    prop_oneof![
        3 => (0..4_u32, 0..3_u8, 0..3_u8, 0..3_u8, any::<bool>()).prop_map(
            |(attempt, boot, machine, disk, blank)| Asked::Permit { attempt, boot, machine, disk, blank }
        ),
        4 => (0..6_u8).prop_map(|event| Asked::Other { event }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn there_is_one_grant_an_attempt_and_it_stays_with_one_boot_machine_and_disk(
        life in proptest::collection::vec(asked(), 1..80), blank: bool,
    ) {
        let mut job = in_phase(Phase::PowerOn);
        job.require_blank = blank;
        let mut grants: Vec<PermitRecord> = Vec::new();
        for asked in life {
            match asked {
                Asked::Permit { attempt, boot, machine, disk: which, blank: is_blank } => {
                    let serial = ["S-web-01", "s-web-01", "S-other"][usize::from(machine)];
                    let facts = disk(["D-web-01", "D-web-01", "D-data"][usize::from(which)], "/dev/sda");
                    let request = PermitRequest {
                        attempt,
                        boot_id: format!("boot-{boot}"),
                        identity: Identity { serial: Some(serial.into()), ..Identity::default() },
                        disk: Some(DiskState { facts: facts.clone(), blank: is_blank, contents: vec![], stamp: None }),
                        disks: vec![facts.clone()],
                        ..request()
                    };
                    match decide(&job, &request, &context()) {
                        PermitVerdict::Grant(record) => {
                            prop_assert!(grants.iter().all(|had| had.attempt != record.attempt), "a second one");
                            prop_assert_eq!(record.attempt, job.attempt);
                            prop_assert!(machine < 2, "another machine");
                            // Or it holds what an earlier attempt of this very job wrote.
                            prop_assert!(is_blank || !blank || grants.iter().any(|had| had.disk.same_disk(&facts)));
                            prop_assert!(grants.iter().all(|had| had.disk.same_disk(&facts)), "another disk");
                            grants.push(record.clone());
                            job = after(job, Event::Granted(record));
                        }
                        PermitVerdict::Repeat(record) => {
                            prop_assert_eq!(grants.last(), Some(&record));
                            prop_assert_eq!(&record.boot_id, &request.boot_id);
                            prop_assert!(record.disk.same_disk(&facts) && machine < 2);
                        }
                        PermitVerdict::Refuse(refusal) => {
                            let running = job.permit.is_some();
                            let ends = refusal.consequence != Consequence::Ignore;
                            prop_assert!(!(running && ends) || refusal.code == "another_boot", "{}", refusal.code);
                            job = after(job, Event::Refused {
                                attempt,
                                code: refusal.code.into(),
                                message: refusal.message,
                                step: refusal.step,
                                consequence: refusal.consequence,
                            });
                        }
                        PermitVerdict::Wait { .. } | PermitVerdict::AlreadyInstalled(_) => {}
                    }
                }
                Asked::Other { event } => {
                    let attempt = job.attempt;
                    job = after(job, match event {
                        0 => reported(attempt, Some(failure(true))),
                        1 => elapsed(8_000_000),
                        2 => discovered(shoal_core::job::Power::On),
                        _ => in_force(),
                    });
                }
            }
        }
        prop_assert!(grants.len() <= 3);
    }
}
