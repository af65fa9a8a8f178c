// SPDX-License-Identifier: AGPL-3.0-or-later
//! How a record moves, and that its number never goes back.

use proptest::prelude::*;
use shoal_core::job::{Job, Outcome, Phase};
use shoal_core::known_disk::expected_disk;
use shoal_core::observed::unknown_record;
use shoal_core::record;
use shoal_schema::status::{Record, RecordState};
use shoal_schema::wire::task::Identity;

use crate::support::disk;
use crate::support::jobs::{after, cancel, in_phase, queued, reported};
use crate::support::world::{World, by_path, by_serial};

fn known() -> (World, Record) {
    let mut world = World::one_installed();
    let record = world.record("web-01").clone();
    (world, record)
}

#[test]
fn a_job_that_starts_uses_up_what_was_agreed_to_and_nothing_else() {
    let (world, before) = known();
    let after = record::job_started(&before, &world.desired("web-01"));
    assert_eq!(after, Record { number: before.number + 1, ..before });
}

#[test]
fn nothing_of_the_old_machine_stands_in_the_record_of_the_new_one() {
    let (mut world, before) = known();
    world.record("web-01").protected = true;
    world.edit("web-01", |spec| spec.serial = Some("S-swapped".into()));
    let desired = world.desired("web-01");
    let started = record::job_started(&world.record("web-01").clone(), &desired);
    assert_eq!((started.number, started.state), (before.number + 1, RecordState::Unknown));
    assert_eq!((started.serial.as_deref(), started.protected), (Some("S-swapped"), true));
    assert!(started.installed.is_none() && started.disks.is_empty());
    // So that a job which fails before it writes leaves no machine that looks installed.
    *world.record("web-01") = started;
    assert_eq!(world.entry("web-01").map(|entry| entry.reason), Some(shoal_schema::plan::Reason::NoRecord));
    // Adoption of the new one takes its disks from nobody.
    let adopted = record::adopted(&before, &desired, desired.install.as_ref().unwrap());
    assert!(adopted.disks.is_empty() && adopted.state == RecordState::Adopted);
}

#[test]
fn a_permit_makes_the_record_dirty_and_success_makes_it_installed() {
    let (_, before) = known();
    let disks = [disk("D-web-01", "/dev/sda"), disk("D-2", "/dev/sdb")];
    let dirty = record::permit_granted(&before, &disks);
    assert_eq!((dirty.state, dirty.number, dirty.disks.len()), (RecordState::Dirty, before.number, 2));
    let mut done = after(in_phase(Phase::AwaitResult), reported(1, None));
    done.install.reinstall = 4;
    let installed = record::job_ended(&dirty, &done);
    let what = installed.installed.as_ref().unwrap();
    assert_eq!((installed.state, installed.reinstall), (RecordState::Installed, 4));
    assert_eq!((what.on.as_ref(), what.job.as_ref()), (done.written.as_ref(), Some(&done.id)));
    assert!(!what.boot_observed);
}

#[test]
fn a_failure_after_a_permit_leaves_the_record_dirty_and_one_before_it_leaves_it_alone() {
    let (_, before) = known();
    let failed = after(in_phase(Phase::AwaitPermit), cancel());
    assert_eq!(record::job_ended(&before, &failed), before);
    let failed = Job { outcome: Some(Outcome::Failed), ..in_phase(Phase::AwaitResult) };
    assert_eq!(record::job_ended(&before, &failed).state, RecordState::Dirty);
}

#[test]
fn success_that_no_disk_shows_changes_nothing() {
    let (_, before) = known();
    let odd = Job { outcome: Some(Outcome::Succeeded), ..queued() };
    assert_eq!(record::job_ended(&before, &odd), before);
}

#[test]
fn an_older_copy_is_restored_and_what_was_never_known_stays_unknown() {
    let (_, known) = known();
    for (state, restored) in [
        (RecordState::Unknown, RecordState::Unknown),
        (RecordState::Dirty, RecordState::Restored),
        (RecordState::Installed, RecordState::Restored),
        (RecordState::Adopted, RecordState::Restored),
        (RecordState::Released, RecordState::Released),
        (RecordState::Restored, RecordState::Restored),
    ] {
        let record = Record { state, ..known.clone() };
        let after = record::restored(&record, false);
        assert_eq!((after.state, after.number), (restored, record.number + 1));
    }
}

#[test]
fn what_had_a_job_under_way_in_an_older_copy_counts_as_restored_even_if_it_seemed_never_installed() {
    let (_, known) = known();
    for (state, restored) in [
        (RecordState::Unknown, RecordState::Restored),
        (RecordState::Dirty, RecordState::Restored),
        (RecordState::Released, RecordState::Released),
    ] {
        assert_eq!(record::restored(&Record { state, ..known.clone() }, true).state, restored);
    }
}

#[test]
fn other_disks_move_the_number_and_the_same_ones_do_not() {
    let (_, before) = known();
    assert_eq!(record::disks_seen(&before, &before.disks), before);
    let after = record::disks_seen(&before, &[disk("D-new", "/dev/sda")]);
    assert_eq!((after.number, after.disks[0].serial.as_deref()), (before.number + 1, Some("D-new")));
}

#[test]
fn who_is_another_machine() {
    let (world, known) = known();
    let mut identity = world.desired("web-01").identity;
    assert_eq!(record::machine_change(&known, &identity), None);
    identity.serial = Some("S-x".into());
    let change = record::machine_change(&known, &identity).unwrap();
    assert_eq!((change.field, change.after.as_deref()), ("serial", Some("S-x")));
    // A serial that fits outweighs no UUID that does not.
    let known = Record { uuid: Some("00112233-4455-6677-8899-aabbccddeeff".into()), ..known };
    identity.serial = known.serial.clone();
    identity.uuid = Some("ffeeddcc-4455-6677-8899-aabbccddeeff".into());
    assert_eq!(record::machine_change(&known, &identity).unwrap().field, "uuid");
    assert_eq!(record::machine_change(&unknown_record(), &identity), None, "nothing is known to compare");
    // Known by its UUID alone, and named by a serial alone: nothing proves that it is the same one.
    let by_uuid = Record { uuid: Some("4c4c4544-0042-3510-8052-b4c04f4d3132".into()), ..unknown_record() };
    let by_serial = Identity { serial: Some("S1".into()), ..Identity::default() };
    assert_eq!(record::machine_change(&by_uuid, &by_serial).unwrap().field, "uuid");
}

#[test]
fn the_disk_that_would_be_written_is_known_or_it_is_not() {
    let (mut world, known) = known();
    let expected = |world: &World, record: &Record| {
        let desired = world.desired("web-01");
        expected_disk(record, &desired.identity, desired.install.as_ref().unwrap())
            .map(|disk| disk.serial.clone().unwrap_or_default())
    };
    assert_eq!(expected(&world, &known).as_deref(), Some("D-web-01"));
    assert_eq!(expected(&world, &Record { disks: Vec::new(), ..known.clone() }).as_deref(), Some("D-web-01"));
    let two = Record { disks: vec![disk("A", "/dev/sda"), disk("B", "/dev/sda")], ..known.clone() };
    assert_eq!(expected(&world, &two), None, "two fit");
    let nameless = Record {
        disks: vec![shoal_schema::disk::DiskFacts { serial: None, ..disk("", "/dev/sda") }],
        ..known.clone()
    };
    assert_eq!(expected(&world, &nameless), None, "nothing tells it from another");
    world.edit("web-01", |spec| spec.disk = Some(by_path("/dev/sdb")));
    assert_eq!(expected(&world, &known), None, "none fits");
    world.edit("web-01", |spec| spec.disk = Some(by_serial("D-web-01")));
    assert_eq!(expected(&world, &known).as_deref(), Some("D-web-01"));
    world.edit("web-01", |spec| spec.serial = Some("S-swapped".into()));
    assert_eq!(expected(&world, &known), None, "another machine");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_the_number_of_a_name_never_goes_back(
        deeds in proptest::collection::vec((0..8_u8, 0..3_usize, 0..3_usize), 0..40),
    ) {
        let (world, known) = known();
        let mut desired = world.desired("web-01");
        let target = desired.install.clone().unwrap();
        let mut names: Vec<Option<Record>> = vec![Some(known), None, None];
        let mut highest = [0_u64; 3];
        for (deed, name, other) in deeds {
            let Some(record) = names[name].clone() else { continue };
            desired.identity.serial = Some(format!("S-{other}"));
            let after = match deed {
                0 => record::job_started(&record, &desired),
                1 => record::adopted(&record, &desired, &target),
                2 => record::released(&record),
                3 => record::restored(&record, false),
                4 => record::disks_seen(&record, &[disk(&format!("D-{other}"), "/dev/sda")]),
                5 => record::permit_granted(&record, &[]),
                _ if name != other => {
                    names[other] = Some(record::renamed(&record, names[other].as_ref()));
                    record::left_behind(&record)
                }
                _ => continue,
            };
            names[name] = Some(after);
            for (record, highest) in names.iter().zip(&mut highest) {
                let number = record.as_ref().map_or(0, |record| record.number);
                prop_assert!(number >= *highest, "{} after {}", number, highest);
                *highest = number;
            }
        }
    }
}
