// SPDX-License-Identifier: AGPL-3.0-or-later
//! Random fleets: every plan is lint-clean, and the same whatever order its inputs came in.

use std::sync::Arc;

use proptest::prelude::*;
use shoal_core::by_name::ByName;
use shoal_core::observed::observed_digest;
use shoal_core::plan::{against_base, exit_code, lint};
use shoal_core::record;
use shoal_schema::kinds::{ApprovedAction, DesiredPower, DriftPolicy, FirstInstall, PowerDrift, Suspend};
use shoal_schema::plan::{Action, ApprovalState, Class, Plan, Problem};
use shoal_schema::status::{Record, RecordState, Unreachable};

use crate::support::world::{Change, World, by_serial};
use crate::support::{at, disk};

/// One server's story.
#[derive(Clone, Debug)]
struct Story {
    /// Unknown, installed, adopted, dirty, released, restored.
    record: u8,
    version: u8,
    /// Stays, removed, renamed, another serial, another disk, only watched.
    change: u8,
    /// Bits: protect, protected, protected before, suspend, reinstall, correct, on, off, our media,
    /// override, unreachable, no route, foreign media, job active, another machine, secret.
    bits: u16,
    /// Nothing, install, adopt, install that has run out.
    agreed: u8,
}

fn story() -> impl Strategy<Value = Story> {
    (0..6_u8, 0..3_u8, 0..6_u8, any::<u16>(), any::<u16>(), 0..4_u8).prop_map(
        |(record, version, change, a, b, agreed)| Story { record, version, change, bits: a & b, agreed },
    )
}

#[derive(Clone, Debug)]
pub(crate) struct Fleet {
    stories: Vec<Story>,
    blank_only: bool,
    share: u8,
    /// Bits: paused, no ledger, unreadable, no fleet document, no commit, in force, guard agreed.
    bits: u8,
}

pub(crate) fn fleet() -> impl Strategy<Value = Fleet> {
    (
        proptest::collection::vec(story(), 0..12),
        any::<bool>(),
        0..=100_u8,
        any::<u8>(),
        any::<u8>(),
        any::<u8>(),
    )
        .prop_map(|(stories, blank_only, share, a, b, c)| Fleet {
            stories,
            blank_only,
            share,
            bits: a & b & c,
        })
}

fn has(bits: u16, bit: u8) -> bool {
    bits & (1 << bit) != 0
}

fn tell(world: &mut World, name: &str, story: &Story) -> String {
    world.add(name);
    world.install(name);
    let known = world.record(name).clone();
    *world.record(name) = match story.record {
        0 => shoal_core::observed::unknown_record(),
        1 => known,
        2 => Record { state: RecordState::Adopted, ..known },
        3 => Record { state: RecordState::Dirty, ..known },
        4 => record::released(&known),
        _ => record::restored(&known, false),
    };
    world.version(name, ["13.1", "13.2", "13.2-again"][usize::from(story.version)]);
    let bits = story.bits;
    world.edit(name, |spec| {
        spec.protect = has(bits, 0);
        spec.suspend = has(bits, 3).then_some(Suspend::Flag(true));
        spec.reinstall = u32::from(has(bits, 4));
        spec.drift = has(bits, 5).then_some(DriftPolicy { power: PowerDrift::Correct });
        spec.power = match (has(bits, 6), has(bits, 7)) {
            (true, _) => Some(DesiredPower::On),
            (false, true) => Some(DesiredPower::Off),
            (false, false) => None,
        };
    });
    let record = world.record(name);
    (record.protected, record.protected_before) = (has(bits, 1), has(bits, 2));
    let bmc = world.bmc(name);
    bmc.power = Some(if has(bits, 6) { "Off" } else { "On" }.into());
    bmc.own_media = has(bits, 8);
    bmc.boot_override = has(bits, 9);
    if has(bits, 10) {
        bmc.reachable = false;
        bmc.unreachable =
            Some(Unreachable { since: at(-1), code: "timeout".into(), message: "timeout".into() });
    }
    bmc.rung = Some(if has(bits, 11) { "none" } else { "single" }.into());
    bmc.foreign_media = if has(bits, 12) { vec!["nas".into()] } else { Vec::new() };
    bmc.serial = has(bits, 14).then(|| "S-other".into());
    if has(bits, 13) {
        world.job_active(name, "provisioning");
    }
    if has(bits, 15) {
        world.secret("hosts/root", name);
    }
    match story.change {
        1 => {
            world.inventory.servers.remove(name);
        }
        2 => {
            let new = format!("{name}-new");
            world.rename(name, &new);
            return new;
        }
        3 => world.edit(name, |spec| spec.serial = Some(format!("S-swapped-{name}"))),
        4 => world.edit(name, |spec| spec.disk = Some(by_serial("D-other"))),
        5 => world.edit(name, |spec| spec.os = None),
        _ => {}
    }
    name.to_owned()
}

/// Agrees to what the plan shows now.
fn agree(world: &mut World, names: &[String], stories: &[Story]) {
    let plan = world.plan();
    for (name, story) in names.iter().zip(stories) {
        let entry = plan.entries.iter().find(|entry| entry.server == *name);
        let Some(entry) = entry.filter(|entry| entry.class == Class::Destructive) else { continue };
        let (action, digest, expires) = match story.agreed {
            1 => (ApprovedAction::Install, entry.digest.clone(), None),
            2 => (ApprovedAction::Adopt, world.adoption_digest(entry), None),
            3 => (ApprovedAction::Install, entry.digest.clone(), Some(at(-1))),
            _ => continue,
        };
        world.approve_digest(name, action, digest, expires);
    }
}

pub(crate) fn build(fleet: &Fleet) -> World {
    let mut world = World::new();
    let bits = u16::from(fleet.bits);
    world.fleet(|spec| {
        spec.first_install = if fleet.blank_only { FirstInstall::BlankOnly } else { FirstInstall::Approve };
        spec.limits.removed_share_percent = fleet.share;
    });
    let names: Vec<String> = fleet
        .stories
        .iter()
        .enumerate()
        .map(|(index, story)| tell(&mut world, &format!("web-{index:02}"), story))
        .collect();
    world.observed.paused = has(bits, 0);
    if has(bits, 1) {
        world.observed.ledger = None;
    }
    world.inventory.unreadable = has(bits, 2);
    if has(bits, 3) {
        world.inventory.fleet = None;
    }
    if has(bits, 4) {
        world.commit = None;
    } else if has(bits, 5) {
        world.commit = world.observed.commit.clone();
    }
    agree(&mut world, &names, &fleet.stories);
    if has(bits, 6)
        && let Some(digest) = world.plan().guards.iter().find_map(|guard| guard.digest.clone())
    {
        world.approve_digest("all", ApprovedAction::Release, digest, None);
    }
    world
}

fn backwards<T>(map: &ByName<T>) -> ByName<T> {
    map.iter().rev().map(|(name, value)| (name.clone(), Arc::clone(value))).collect()
}

/// What the promises ask of every plan, beyond the linter.
fn check(world: &World, plan: &Plan) -> Result<(), TestCaseError> {
    let lints = lint::check(plan);
    prop_assert!(lints.is_empty(), "{:?}", lints);
    for entry in &plan.entries {
        if entry.class == Class::Destructive && entry.holds.is_empty() {
            let digest = &entry.digest;
            let agreed = world.inventory.approvals.values().any(|approval| {
                let spec = &approval.value.spec;
                spec.expires.is_none_or(|until| until > world.now)
                    && spec.entries.iter().any(|e| e.entry == *digest && e.action == ApprovedAction::Install)
            });
            let blank = entry.approval == ApprovalState::BlankOnly && entry.action == Action::Install;
            prop_assert!(agreed || blank, "{} may be wiped and nobody agreed", entry.server);
            prop_assert!(world.observed.ledger.is_some());
            prop_assert!(!world.observed.paused && plan.guards.is_empty());
            let spec = &world.inventory.servers[&entry.server].value.spec;
            prop_assert!(!spec.protect && spec.suspend.is_none());
        }
        if !world.inventory.servers.contains_key(&entry.server) {
            prop_assert_eq!(entry.action, Action::Release);
        }
    }
    let s = plan.summary;
    let leaving = plan.entries.iter().filter(|entry| entry.action == Action::Release).count() as u32;
    prop_assert_eq!(s.unchanged + s.safe + s.disruptive + s.destructive + s.broken, s.servers + leaving);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_fleet_gives_a_plan_that_the_linter_lets_through(fleet in fleet()) {
        let world = build(&fleet);
        let plan = world.plan();
        check(&world, &plan)?;
        // And what a branch changes in it is a plan too.
        let mut base = world.clone();
        base.inventory.approvals = ByName::default();
        let narrowed = against_base(&plan, &base.plan()).unwrap();
        prop_assert!(lint::check(&narrowed).is_empty(), "{:?}", lint::check(&narrowed));
        let s = narrowed.summary;
        prop_assert_eq!(
            s.unchanged + s.safe + s.disruptive + s.destructive + s.broken,
            plan.summary.unchanged + plan.summary.safe + plan.summary.disruptive + plan.summary.destructive
                + plan.summary.broken
        );
        prop_assert!(against_base(&plan, &plan).unwrap().entries.is_empty());
    }

    #[test]
    fn the_order_of_inputs_and_the_time_of_day_change_neither_bytes_nor_id(fleet in fleet(), seed: u64) {
        let mut world = build(&fleet);
        let problem = |n: u32| Problem {
            place: format!("a.yaml:{}", n % 3),
            code: "x".into(),
            message: "m".into(),
            server: Some(format!("s{n}")),
        };
        world.inventory.problems = (0..6).map(problem).collect();
        let names: Vec<String> = world.observed.servers.keys().cloned().collect();
        for name in &names {
            world.record(name).disks.extend([disk("D-2", "/dev/sdb"), disk("D-3", "/dev/sdc")]);
        }
        let mut other = world.clone();
        other.inventory.problems.rotate_left((seed % 6) as usize);
        for name in &names {
            let disks = &mut other.record(name).disks;
            let turn = seed as usize % disks.len();
            disks.rotate_left(turn);
        }
        // The same maps, filled from the other end.
        other.inventory.servers = backwards(&world.inventory.servers);
        other.observed.servers = backwards(&other.observed.servers);
        other.inventory.approvals = backwards(&world.inventory.approvals);
        other.now = at(5);
        let (plan, again) = (world.plan(), other.plan());
        prop_assert_eq!(&plan.id, &again.id);
        let bytes = |plan: &Plan| shoal_schema::digest::canonical_json(plan).unwrap();
        prop_assert_eq!(bytes(&plan), bytes(&again));
        // And what was written down is read back as the same plan.
        let read: Plan = serde_json::from_slice(&bytes(&plan)).unwrap();
        prop_assert_eq!(read.compute_id().unwrap(), plan.id);
    }

    #[test]
    fn what_is_agreed_to_does_not_hang_on_what_moves_by_itself(fleet in fleet(), power: bool, counter: u64) {
        let world = build(&fleet);
        let mut other = world.clone();
        other.observed.counter = counter;
        other.commit = Some("another".into());
        for name in world.observed.servers.keys() {
            let status = other.status(name);
            status.conditions.clear();
            status.next_try = Some(at(7));
            status.drift = vec!["x".into()];
            status.attempted_entry = Some(shoal_schema::Sha256::of(b"x"));
            let bmc = status.bmc.as_mut().unwrap();
            bmc.power = Some(if power { "On" } else { "Off" }.into());
            bmc.firmware = Some("2.0".into());
        }
        let (plan, again) = (world.plan(), other.plan());
        for entry in plan.entries.iter().filter(|entry| entry.class == Class::Destructive) {
            let same = again.entries.iter().find(|other| other.server == entry.server).unwrap();
            prop_assert_eq!(&entry.digest, &same.digest);
            prop_assert_eq!(&entry.approval, &same.approval);
        }
    }
}

#[test]
fn text_in_another_unicode_form_gives_the_same_id() {
    let plan = |label: &str| {
        let mut world = World::one();
        world.label("web-01", "place", label);
        world.plan().id
    };
    assert_eq!(plan("caf\u{e9}"), plan("cafe\u{301}"));
    assert_ne!(plan("cafe"), plan("cafe\u{301}"));
}

#[test]
fn the_observed_digest_ignores_what_moves_by_itself_and_nothing_else() {
    let mut world = World::one_installed();
    let known = world.record("web-01").clone();
    let digest = |change: &dyn Fn(&mut Record)| {
        let mut record = known.clone();
        change(&mut record);
        observed_digest(&record).unwrap()
    };
    let same = observed_digest(&known).unwrap();
    let ignored: [&dyn Fn(&mut Record); 6] = [
        &|r| r.protected = true,
        &|r| r.protected_before = true,
        &|r| r.installed.as_mut().unwrap().boot_observed = true,
        &|r| r.installed.as_mut().unwrap().job = None,
        &|r| r.disks[0].path = "/dev/sdz".into(),
        &|r| r.disks[0].rotational = None,
    ];
    for (index, change) in ignored.into_iter().enumerate() {
        assert_eq!(digest(change), same, "ignored {index}");
    }
    let counted: [&dyn Fn(&mut Record); 8] = [
        &|r| r.number += 1,
        &|r| r.serial = Some("x".into()),
        &|r| r.uuid = Some("x".into()),
        &|r| r.state = RecordState::Dirty,
        &|r| r.installed = None,
        &|r| r.disks[0].serial = Some("x".into()),
        &|r| r.disks[0].size_bytes += 1,
        &|r| r.disks.push(disk("D-2", "/dev/sdb")),
    ];
    for (index, change) in counted.into_iter().enumerate() {
        assert_ne!(digest(change), same, "counted {index}");
    }
}

#[test]
fn exit_codes() {
    let rows: [(&str, Change, u8); 9] = [
        ("nothing to do", |_| {}, 0),
        ("only something to say", |w| w.label("web-01", "rack", "b"), 0),
        ("something safe", |w| w.bmc("web-01").own_media = true, 2),
        ("destructive, not agreed to", |w| w.version("web-01", "13.2"), 3),
        (
            "destructive, agreed to",
            |w| {
                w.version("web-01", "13.2");
                w.approve("web-01");
            },
            2,
        ),
        (
            "destructive, agreed to, and held otherwise",
            |w| {
                w.version("web-01", "13.2");
                w.approve("web-01");
                w.edit("web-01", |spec| spec.suspend = Some(Suspend::Flag(true)));
            },
            2,
        ),
        (
            "blank only",
            |w| {
                w.fleet(|fleet| fleet.first_install = FirstInstall::BlankOnly);
                *w.record("web-01") = shoal_core::observed::unknown_record();
            },
            2,
        ),
        ("a guard", |w| w.inventory.servers = ByName::default(), 3),
        (
            "an error outweighs the rest",
            |w| {
                w.inventory.servers = ByName::default();
                let message = "broken".to_owned();
                w.inventory.problems =
                    vec![Problem { place: "a".into(), code: "b".into(), message, server: None }];
            },
            7,
        ),
    ];
    for (what, change, code) in rows {
        let mut world = World::one_installed();
        change(&mut world);
        assert_eq!(exit_code(&world.plan()), code, "{what}");
    }
}

// === against a base ===

#[test]
fn only_what_a_branch_changes_is_listed() {
    let mut base = World::many_installed(4);
    base.version("web-0000", "13.2");
    base.label("web-0003", "rack", "a");
    let mut head = base.clone();
    head.version("web-0001", "13.2");
    head.edit("web-0002", |spec| spec.power = Some(DesiredPower::On));
    let narrowed = against_base(&head.plan(), &base.plan()).unwrap();
    let names: Vec<&str> = narrowed.entries.iter().map(|entry| entry.server.as_str()).collect();
    assert_eq!(names, ["web-0001"]);
    assert_eq!(
        (narrowed.summary.servers, narrowed.summary.unchanged, narrowed.summary.destructive),
        (4, 3, 1)
    );
    assert_eq!(narrowed.source.base.as_deref(), Some("c2"));
    assert_eq!(narrowed.compute_id().unwrap(), narrowed.id);
}

#[test]
fn an_approval_is_something_that_a_branch_changes() {
    let mut base = World::one();
    let mut head = base.clone();
    head.approve("web-01");
    base.commit = Some("c1".into());
    assert_eq!(against_base(&head.plan(), &base.plan()).unwrap().entries.len(), 1);
}

#[test]
fn a_line_that_only_moved_is_nothing_that_a_branch_changes() {
    let base = World::one();
    let mut head = base.clone();
    let server = head.inventory.servers["web-01"].value.clone();
    head.inventory
        .servers
        .insert("web-01".into(), crate::support::world::located("servers/moved.yaml", server));
    assert_ne!(head.plan().entries, base.plan().entries);
    assert!(against_base(&head.plan(), &base.plan()).unwrap().entries.is_empty());
}

#[test]
fn errors_of_the_base_are_not_shown_again_but_still_count() {
    let mut base = World::one();
    let problem = |message: &str| Problem {
        place: "a.yaml:1".into(),
        code: "x".into(),
        message: message.into(),
        server: None,
    };
    base.inventory.problems = vec![problem("old")];
    let mut head = base.clone();
    head.inventory.problems.push(problem("new"));
    let narrowed = against_base(&head.plan(), &base.plan()).unwrap();
    assert_eq!(narrowed.problems, [problem("new")]);
    assert_eq!(exit_code(&against_base(&base.plan(), &base.plan()).unwrap()), 7);
}

// === the linter ===

#[test]
fn every_planted_defect_is_found() {
    type Plant = fn(&mut Plan);
    let rows: [(&str, Plant, &str); 15] = [
        ("twice", |p| p.entries.push(p.entries[0].clone()), "web-00 stands in the plan twice"),
        (
            "one machine under two names",
            |p| Arc::make_mut(&mut p.entries[1]).machine = p.entries[0].machine.to_lowercase(),
            "stands in the plan twice",
        ),
        (
            "not approved, not held",
            |p| Arc::make_mut(&mut p.entries[0]).holds.clear(),
            "web-00 would be installed or adopted without",
        ),
        (
            "held for another reason",
            |p| {
                Arc::make_mut(&mut p.entries[0]).holds[0].code = shoal_schema::plan::HoldCode::Limit;
            },
            "without agreement",
        ),
        (
            "no approval needed to install",
            |p| Arc::make_mut(&mut p.entries[0]).approval = ApprovalState::NotNeeded,
            "without agreement",
        ),
        (
            "blank only over a record",
            |p| {
                Arc::make_mut(&mut p.entries[0]).approval = ApprovalState::BlankOnly;
                Arc::make_mut(&mut p.entries[0]).holds.clear();
            },
            "without agreement",
        ),
        (
            "adopted without agreement",
            |p| {
                Arc::make_mut(&mut p.entries[2]).approval = ApprovalState::NotNeeded;
            },
            "without agreement",
        ),
        (
            "an install that is called safe",
            |p| Arc::make_mut(&mut p.entries[0]).class = Class::Safe,
            "wrong class",
        ),
        (
            "a power-off that is called safe",
            |p| {
                Arc::make_mut(&mut p.entries[1]).action = Action::PowerOff;
            },
            "wrong class",
        ),
        (
            "a tidy that is called destructive",
            |p| Arc::make_mut(&mut p.entries[1]).class = Class::Destructive,
            "wrong class",
        ),
        (
            "no eject",
            |p| Arc::make_mut(&mut p.entries[0]).steps.retain(|step| !step.contains("clear the boot")),
            "nothing ejects",
        ),
        ("no steps", |p| Arc::make_mut(&mut p.entries[0]).steps.clear(), "nothing ejects"),
        ("no loss", |p| Arc::make_mut(&mut p.entries[0]).loses.clear(), "without a word"),
        (
            "a guard that holds nobody",
            |p| {
                p.guards.push(shoal_schema::plan::Guard {
                    code: "x".into(),
                    message: "x".into(),
                    hint: "x".into(),
                    digest: None,
                });
            },
            "although a guard holds",
        ),
        ("a summary that lies", |p| p.summary.destructive = 0, "does not count its entries"),
    ];
    let mut world = World::new();
    for name in ["web-00", "web-01", "web-02"] {
        world.add(name);
        world.install(name);
    }
    world.version("web-00", "13.2");
    world.bmc("web-01").own_media = true;
    world.record("web-02").state = RecordState::Restored;
    world.approve_adoption("web-02");
    let plan = world.plan();
    assert!(lint::check(&plan).is_empty());
    assert_eq!(
        plan.entries.iter().map(|e| e.action).collect::<Vec<_>>(),
        [Action::Reinstall, Action::Tidy, Action::Adopt]
    );
    for (what, plant, found) in rows {
        let mut bad = plan.clone();
        plant(&mut bad);
        let lints: Vec<String> = lint::check(&bad).iter().map(ToString::to_string).collect();
        assert!(lints.iter().any(|lint| lint.contains(found)), "{what}: {lints:?}");
        assert!(lints.iter().any(|lint| lint.contains("not the digest")), "{what}: the id tells too");
    }
}
