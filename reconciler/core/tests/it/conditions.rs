// SPDX-License-Identifier: AGPL-3.0-or-later
//! What people see of a server: never more than is so, and with the time since when.

use shoal_core::conditions::{View, conditions};
use shoal_core::decide::Turn;
use shoal_core::job::Phase;
use shoal_core::record;
use shoal_schema::kinds::Suspend;
use shoal_schema::plan::HoldCode;
use shoal_schema::status::{
    ANOTHER_CERTIFICATE, Condition, ConditionType, REFUSED_ACCOUNT, RecordState, Unreachable,
};

use crate::support::at;
use crate::support::jobs::in_phase;
use crate::support::world::{Change, World};

/// The conditions of `web-01`, with its own plan entry and nothing else.
fn seen(world: &mut World) -> Vec<Condition> {
    let entry = world.entry("web-01");
    let status = world.status("web-01").clone();
    let view =
        View { status: &status, entry: entry.as_ref(), turn: None, job: None, broken: None, stalled: None };
    conditions(&view, at(0))
}

/// `+Ready/AsWanted -Ready/Outdated +Reconciling/Held`
fn short(conditions: &[Condition]) -> String {
    let one = |c: &Condition| format!("{}{:?}/{}", if c.status { '+' } else { '-' }, c.kind, c.reason);
    conditions.iter().map(one).collect::<Vec<_>>().join(" ")
}

fn unreachable(world: &mut World, code: &str) {
    let bmc = world.bmc("web-01");
    bmc.reachable = false;
    bmc.unreachable = Some(Unreachable { since: at(-900), code: code.into(), message: "no".into() });
    let notes = world.entry("web-01").unwrap().notes;
    world.status("web-01").drift = notes;
}

#[test]
fn a_condition_says_what_is_so() {
    let rows: [(&str, Change, &str); 17] = [
        ("as wanted", |_| {}, "+Ready/AsWanted"),
        (
            "as wanted, and its BMC does not answer",
            |w| unreachable(w, "timeout"),
            "+Ready/AsWanted +Drifted/Drift",
        ),
        (
            "as wanted, and its BMC refused the account",
            |w| unreachable(w, REFUSED_ACCOUNT),
            "+Ready/AsWanted +Stalled/AccountRefused +Drifted/Drift",
        ),
        (
            "as wanted, and its BMC shows another certificate",
            |w| unreachable(w, ANOTHER_CERTIFICATE),
            "+Ready/AsWanted +Stalled/CertificateChanged +Drifted/Drift",
        ),
        ("adopted", |w| w.record("web-01").state = RecordState::Adopted, "+Ready/AsWanted"),
        ("to be approved", |w| w.version("web-01", "13.2"), "-Ready/Outdated +Reconciling/ApprovalNeeded"),
        (
            "approved",
            |w| {
                w.version("web-01", "13.2");
                w.approve("web-01");
            },
            "-Ready/Outdated +Reconciling/Pending",
        ),
        (
            "approved and suspended",
            |w| {
                w.version("web-01", "13.2");
                w.approve("web-01");
                w.edit("web-01", |spec| spec.suspend = Some(Suspend::Flag(true)));
            },
            "-Ready/Outdated +Reconciling/Held +Suspended/Suspended",
        ),
        (
            "dirty",
            |w| w.record("web-01").state = RecordState::Dirty,
            "-Ready/Outdated +Reconciling/ApprovalNeeded",
        ),
        (
            "dirty, and Git wants nothing installed any more",
            |w| {
                w.record("web-01").state = RecordState::Dirty;
                w.edit("web-01", |spec| spec.os = None);
            },
            "-Ready/DiskWritten",
        ),
        (
            "restored, and Git wants nothing installed any more",
            |w| {
                *w.record("web-01") = record::restored(&w.record("web-01").clone(), false);
                w.edit("web-01", |spec| spec.os = None);
            },
            "-Ready/Restored",
        ),
        (
            "only watched",
            |w| {
                *w.record("web-01") = shoal_core::observed::unknown_record();
                w.edit("web-01", |spec| spec.os = None);
            },
            "+Ready/AsWanted",
        ),
        (
            "about to be adopted",
            |w| {
                *w.record("web-01") = shoal_core::observed::unknown_record();
                w.approve_adoption("web-01");
            },
            "-Ready/Adopting +Reconciling/Pending",
        ),
        ("removed", |w| drop(w.inventory.servers.remove("web-01")), "-Ready/Removed +Reconciling/Held"),
        ("our media left over", |w| w.bmc("web-01").own_media = true, "+Ready/AsWanted +Reconciling/Pending"),
        (
            "drift",
            |w| w.status("web-01").drift = vec!["media of somebody else's".into()],
            "+Ready/AsWanted +Drifted/Drift",
        ),
        ("something for the next install", |w| w.label("web-01", "rack", "b"), "+Ready/AsWanted"),
    ];
    for (what, change, expected) in rows {
        let mut world = World::one_installed();
        change(&mut world);
        assert_eq!(short(&seen(&mut world)), expected, "{what}");
    }
}

#[test]
fn a_machine_whose_documents_cannot_be_read_is_ready_only_if_it_was_installed() {
    let mut world = World::one_installed();
    let mut status = world.status("web-01").clone();
    let judge = |status: &shoal_schema::status::ServerStatus| {
        let broken = Some("servers/web-01.yaml:3: unknown field");
        let view = View { status, entry: None, turn: None, job: None, broken, stalled: None };
        short(&conditions(&view, at(0)))
    };
    assert_eq!(judge(&status), "+Ready/AsWanted +Stalled/InvalidInventory");
    status.record = shoal_core::observed::unknown_record();
    assert_eq!(judge(&status), "-Ready/InvalidInventory +Stalled/InvalidInventory");
}

#[test]
fn a_job_at_work_outweighs_what_it_waits_for() {
    let mut world = World::one_installed();
    world.version("web-01", "13.2");
    let entry = world.entry("web-01");
    let status = world.status("web-01").clone();
    let job = in_phase(Phase::AwaitResult);
    let view = View {
        status: &status,
        entry: entry.as_ref(),
        turn: None,
        job: Some(&job),
        broken: None,
        stalled: None,
    };
    let seen = conditions(&view, at(0));
    assert_eq!(short(&seen), "-Ready/Installing +Reconciling/JobActive");
    assert!(seen[1].message.contains("attempt 1"));
}

/// What is seen of a server whose approved version bump has to wait.
fn seen_while_it_waits(code: HoldCode, why: &str) -> (String, String) {
    let mut world = World::one_installed();
    world.version("web-01", "13.2");
    world.approve("web-01");
    let entry = world.entry("web-01");
    let status = world.status("web-01").clone();
    let turn = Turn::Wait { code, message: why.to_owned() };
    let view = View {
        status: &status,
        entry: entry.as_ref(),
        turn: Some(&turn),
        job: None,
        broken: None,
        stalled: None,
    };
    let seen = conditions(&view, at(0));
    (short(&seen), seen[1].message.clone())
}

#[test]
fn who_waits_for_a_place_says_for_what() {
    let (seen, why) = seen_while_it_waits(HoldCode::Limit, "3 machines are in flight");
    assert_eq!(seen, "-Ready/Outdated +Reconciling/Waiting");
    assert_eq!(why, "3 machines are in flight");
}

#[test]
fn where_the_fleet_is_halted_a_server_needs_a_person() {
    let (seen, why) = seen_while_it_waits(HoldCode::Halted, "halted: 5 jobs failed");
    assert_eq!(seen, "-Ready/Outdated +Stalled/Halted");
    assert_eq!(why, "halted: 5 jobs failed");
}

#[test]
fn there_is_one_condition_of_each_type_and_its_time_stays_while_it_does() {
    let mut world = World::one_installed();
    world.record("web-01").state = RecordState::Dirty;
    let entry = world.entry("web-01");
    let mut status = world.status("web-01").clone();
    let (mut failed, broken) = (Some("partition failed"), Some("unknown field"));
    for minute in 0..4 {
        if minute == 3 {
            failed = None;
        }
        let view =
            View { status: &status, entry: entry.as_ref(), turn: None, job: None, broken, stalled: failed };
        let now = conditions(&view, at(minute * 60));
        let mut kinds: Vec<ConditionType> = now.iter().map(|c| c.kind).collect();
        kinds.sort();
        kinds.dedup();
        assert_eq!(kinds.len(), now.len(), "a type twice");
        for condition in &now {
            let expected = match condition.kind {
                // Another reason is another condition.
                ConditionType::Stalled if minute == 3 => at(180),
                _ => at(0),
            };
            assert_eq!(condition.since, expected, "{:?} in minute {minute}", condition.kind);
        }
        status.conditions = now;
    }
}

#[test]
fn a_condition_that_went_away_and_came_back_begins_anew() {
    let mut world = World::one_installed();
    let at_minute = |world: &mut World, minute: i64| {
        let entry = world.entry("web-01");
        let status = world.status("web-01").clone();
        let view = View {
            status: &status,
            entry: entry.as_ref(),
            turn: None,
            job: None,
            broken: None,
            stalled: None,
        };
        let now = conditions(&view, at(minute * 60));
        world.status("web-01").conditions.clone_from(&now);
        now[0].since
    };
    assert_eq!(at_minute(&mut world, 0), at(0));
    world.version("web-01", "13.2");
    assert_eq!(at_minute(&mut world, 1), at(60));
    world.version("web-01", "13.1");
    assert_eq!(at_minute(&mut world, 2), at(120));
    assert_eq!(at_minute(&mut world, 3), at(120));
}
