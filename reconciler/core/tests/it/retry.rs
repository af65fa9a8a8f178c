// SPDX-License-Identifier: AGPL-3.0-or-later
//! When a new job may go on with the approval of a failed one.

use shoal_core::job::{Job, Phase};
use shoal_core::record;
use shoal_core::retry::{Why, may_inherit};
use shoal_schema::plan::Entry;
use shoal_schema::status::RecordState;

use crate::support::jobs::{after, cancel, discovered_another, in_phase, queued, reported};
use crate::support::world::{Change, World};

/// A version bump that was approved, started and cancelled before anything was written, and the
/// plan's entry after that.
fn failed() -> (Job, World) {
    let mut world = World::one_installed();
    world.version("web-01", "13.2");
    world.approve("web-01");
    let entry = world.entry("web-01").unwrap();
    let desired = world.desired("web-01");
    let record = world.record("web-01");
    *record = record::job_started(record, &desired);
    let job = Job {
        record: record.number,
        entry_digest: entry.digest,
        install: desired.install.unwrap(),
        ..queued()
    };
    let job = after(after(job, shoal_core::job::Event::Started), discovered_another());
    assert_eq!(job.phase, Phase::Complete);
    (job, world)
}

fn entry(world: &World) -> Entry {
    world.entry("web-01").expect("an entry")
}

#[test]
fn a_job_that_failed_before_any_permit_hands_its_approval_on() {
    let (job, world) = failed();
    let entry = entry(&world);
    assert_ne!(entry.digest, job.entry_digest, "the old approval itself is inert");
    may_inherit(&job, &entry).unwrap();
}

#[test]
fn a_cancelled_job_hands_its_approval_on_too() {
    let (job, world) = failed();
    let cancelled = after(Job { phase: Phase::Queued, outcome: None, ..job }, cancel());
    may_inherit(&cancelled, &entry(&world)).unwrap();
}

#[test]
fn a_permit_ends_what_was_agreed_to() {
    let (job, world) = failed();
    let written = Job { written: Some(crate::support::disk("D", "/dev/sda")), ..job };
    assert!(matches!(may_inherit(&written, &entry(&world)), Err(Why::Written { .. })));
}

#[test]
fn a_job_that_runs_or_succeeded_hands_nothing_on() {
    let (job, world) = failed();
    let entry = entry(&world);
    let running = Job { phase: Phase::Discover, outcome: None, ..job.clone() };
    assert!(matches!(may_inherit(&running, &entry), Err(Why::Active { .. })));
    let done = after(in_phase(Phase::AwaitResult), reported(1, None));
    let done = Job { phase: Phase::Complete, written: None, permit: None, ..done };
    assert!(matches!(may_inherit(&done, &entry), Err(Why::Succeeded { .. })));
}

#[test]
fn a_job_without_an_approval_has_none_to_hand_on() {
    let (job, world) = failed();
    let blank = Job { approved_by: None, require_blank: true, ..job };
    assert!(matches!(may_inherit(&blank, &entry(&world)), Err(Why::NoApproval { .. })));
}

#[test]
fn whatever_git_changes_needs_agreement_anew() {
    let changes: [(&str, Change); 4] = [
        ("version", |world| world.version("web-01", "13.1-other")),
        ("disk", |world| {
            world.edit("web-01", |spec| spec.disk = Some(crate::support::world::by_serial("D9")));
        }),
        ("reinstall", |world| world.edit("web-01", |spec| spec.reinstall = 9)),
        ("layout", |world| world.recipe(|recipe| recipe.layout.truncate(1))),
    ];
    for (what, change) in changes {
        let (job, mut world) = failed();
        let mut image = world.inventory.images["debian"].value.clone();
        image.spec.versions.insert("13.1-other".into(), crate::support::world::image_version("13.1-other"));
        world
            .inventory
            .images
            .insert("debian".into(), crate::support::world::located("images/debian.yaml", image));
        change(&mut world);
        assert!(matches!(may_inherit(&job, &entry(&world)), Err(Why::OtherContent { .. })), "{what}");
    }
}

#[test]
fn what_applies_at_the_next_install_only_needs_no_agreement_anew() {
    let (job, mut world) = failed();
    world.edit("web-01", |spec| {
        spec.vars.insert("motd".into(), "hi".into());
    });
    may_inherit(&job, &entry(&world)).unwrap();
}

#[test]
fn another_machine_or_name_needs_agreement_anew() {
    let (job, mut world) = failed();
    world.edit("web-01", |spec| spec.serial = Some("S-swapped".into()));
    assert!(matches!(may_inherit(&job, &entry(&world)), Err(Why::OtherMachine { .. })));
    let (job, mut world) = failed();
    world.rename("web-01", "web-02");
    let renamed = world.entry("web-02").unwrap();
    assert!(matches!(may_inherit(&job, &renamed), Err(Why::OtherServer { .. })));
}

#[test]
fn a_record_that_moved_on_needs_agreement_anew() {
    let (job, mut world) = failed();
    let record = world.record("web-01");
    *record = record::restored(record, false);
    assert_eq!(record.state, RecordState::Restored);
    assert!(matches!(may_inherit(&job, &entry(&world)), Err(Why::RecordMoved { .. })));
}

#[test]
fn another_database_needs_agreement_anew() {
    let (job, mut world) = failed();
    world.observed.ledger = Some(shoal_schema::LedgerId::from_bytes([8; 16]));
    assert!(matches!(may_inherit(&job, &entry(&world)), Err(Why::OtherLedger { .. })));
}

#[test]
fn an_adoption_takes_over_no_approval_to_install() {
    let (job, mut world) = failed();
    world.approve_adoption("web-01");
    assert!(matches!(may_inherit(&job, &entry(&world)), Err(Why::NotAnInstall { .. })));
}
