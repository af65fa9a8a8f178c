// SPDX-License-Identifier: AGPL-3.0-or-later
//! Who starts now: limits by count, share and label, drain, halt; and who waits says why.

use std::collections::BTreeMap;

use shoal_core::decide::{InFlight, Turn, turns};
use shoal_schema::kinds::{LabelLimit, Labels, Limits, Suspend};
use shoal_schema::plan::{HoldCode, Plan};

use crate::support::world::World;

/// So many servers that want another version and are approved, in racks of ten.
fn plan(count: usize) -> Plan {
    let mut world = World::many_installed(count);
    for index in 0..count {
        let name = format!("web-{index:04}");
        world.version(&name, "13.2");
        world.label(&name, "rack", &format!("r{}", index / 10));
    }
    let plan = world.plan();
    for entry in &plan.entries {
        world.approve_digest(
            &entry.server,
            shoal_schema::kinds::ApprovedAction::Install,
            entry.digest.clone(),
            None,
        );
    }
    world.plan()
}

fn limits() -> Limits {
    Limits { concurrent: 1000, share_percent: 100, ..Limits::default() }
}

fn idle() -> InFlight {
    InFlight { worker_concurrency: 1000, ..InFlight::default() }
}

fn active(names: &[&str]) -> BTreeMap<String, Labels> {
    names
        .iter()
        .map(|name| ((*name).to_owned(), BTreeMap::from([("rack".to_owned(), "r0".to_owned())]).into()))
        .collect()
}

fn starts(plan: &Plan, limits: &Limits, in_flight: &InFlight) -> Vec<String> {
    let turns = turns(plan, limits, in_flight);
    turns
        .into_iter()
        .filter(|(_, turn)| *turn == Turn::Start)
        .map(|(entry, _)| entry.server.clone())
        .collect()
}

fn waits(plan: &Plan, limits: &Limits, in_flight: &InFlight) -> Vec<(HoldCode, String)> {
    turns(plan, limits, in_flight)
        .into_iter()
        .filter_map(|(_, turn)| match turn {
            Turn::Start => None,
            Turn::Wait { code, message } => Some((code, message)),
        })
        .collect()
}

#[test]
fn without_a_limit_all_start() {
    assert_eq!(starts(&plan(20), &limits(), &idle()).len(), 20);
}

#[test]
fn the_fleets_count_limits_and_counts_what_is_in_flight() {
    let limits = Limits { concurrent: 3, ..limits() };
    assert_eq!(starts(&plan(20), &limits, &idle()), ["web-0000", "web-0001", "web-0002"]);
    let busy = InFlight { active: active(&["x", "y"]), ..idle() };
    assert_eq!(starts(&plan(20), &limits, &busy), ["web-0000"]);
    let (code, message) = waits(&plan(20), &limits, &busy).remove(0);
    assert_eq!(code, HoldCode::Limit);
    assert_eq!(message, "3 machines are in flight; limits.concurrent allows 3");
}

#[test]
fn the_controllers_own_count_limits_too_and_zero_drains() {
    assert_eq!(starts(&plan(20), &limits(), &InFlight { worker_concurrency: 2, ..idle() }).len(), 2);
    let drained = InFlight { worker_concurrency: 0, ..idle() };
    assert!(starts(&plan(20), &limits(), &drained).is_empty());
    assert!(waits(&plan(1), &limits(), &drained)[0].1.contains("draining"));
}

#[test]
fn the_share_limits_and_one_may_always_go() {
    for (servers, percent, started) in [(20, 25, 5), (20, 4, 1), (3, 25, 1), (20, 100, 20), (7, 50, 3)] {
        let limits = Limits { share_percent: percent, ..limits() };
        assert_eq!(starts(&plan(servers), &limits, &idle()).len(), started, "{percent} % of {servers}");
    }
}

#[test]
fn a_label_limits_among_servers_with_the_same_value() {
    let limits = Limits { per_label: vec![LabelLimit { label: "rack".into(), max: 2 }], ..limits() };
    assert_eq!(
        starts(&plan(30), &limits, &idle()),
        ["web-0000", "web-0001", "web-0010", "web-0011", "web-0020", "web-0021"]
    );
    let busy = InFlight { active: active(&["x"]), ..idle() };
    assert_eq!(starts(&plan(20), &limits, &busy), ["web-0000", "web-0010", "web-0011"]);
    assert!(waits(&plan(20), &limits, &busy)[0].1.contains("rack=r0"));
    // Who has no such label is not limited by it.
    let other = Limits { per_label: vec![LabelLimit { label: "room".into(), max: 1 }], ..limits };
    assert_eq!(starts(&plan(20), &other, &idle()).len(), 20);
}

#[test]
fn failures_halt_the_fleet_until_somebody_looks() {
    let limits = Limits { halt_after_failures: 3, ..limits() };
    let failed = |failures| InFlight { failures, ..idle() };
    assert_eq!(starts(&plan(4), &limits, &failed(2)).len(), 4);
    assert!(starts(&plan(4), &limits, &failed(3)).is_empty());
    assert_eq!(waits(&plan(4), &limits, &failed(3))[0].0, HoldCode::Halted);
    let never = Limits { halt_after_failures: 0, ..limits };
    assert_eq!(starts(&plan(4), &never, &failed(u32::MAX)).len(), 4);
}

#[test]
fn a_server_that_failed_or_is_at_work_waits_and_takes_no_place() {
    let limits = Limits { concurrent: 2, ..limits() };
    let in_flight = InFlight {
        stalled: BTreeMap::from([("web-0000".to_owned(), "partition failed".to_owned())]),
        active: active(&["web-0001"]),
        ..idle()
    };
    assert_eq!(starts(&plan(5), &limits, &in_flight), ["web-0002"]);
    let waits = waits(&plan(2), &limits, &in_flight);
    assert_eq!(waits[0], (HoldCode::Failed, "partition failed".to_owned()));
    assert_eq!(waits[1].0, HoldCode::ActiveJob);
}

#[test]
fn what_the_plan_holds_or_what_needs_no_job_has_no_turn() {
    let mut world = World::many_installed(4);
    for name in ["web-0000", "web-0001"] {
        world.version(name, "13.2");
    }
    world.approve("web-0000");
    world.edit("web-0000", |spec| spec.suspend = Some(Suspend::Flag(true)));
    world.bmc("web-0002").own_media = true;
    world.label("web-0003", "rack", "b");
    assert_eq!(world.plan().entries.len(), 4);
    assert!(turns(&world.plan(), &limits(), &idle()).is_empty());
}
