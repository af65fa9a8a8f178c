// SPDX-License-Identifier: AGPL-3.0-or-later
//! A planner that follows a fleet through its changes makes the plan that would be made from nothing:
//! [`World::plan`] compares both at every step.

use std::sync::Arc;

use proptest::prelude::*;
use shoal_core::by_name::ByName;
use shoal_core::plan::lint::{Lint, Linter, rules};
use shoal_core::plan::{PlanRequest, Planner};
use shoal_schema::kinds::ImageVersion;
use shoal_schema::plan::{HoldCode, Problem};
use shoal_schema::status::RecordState;

use super::support::at;
use super::support::world::{World, image_version, located, suspend};

const NAMES: [&str; 4] = ["web-01", "web-02", "web-03", "web-04"];

/// One change: what is changed, and how.
type Step = (u8, u8);

fn take(world: &mut World, (what, how): Step, name: &str) {
    let there = world.inventory.servers.contains_key(name);
    let flag = how & 16 != 0;
    match what {
        0 => world.add(name),
        1 => drop(world.inventory.servers.remove(name)),
        2 if there => world.version(name, if flag { "13.1" } else { "13.2" }),
        3 if there => {
            world.edit(name, |spec| spec.serial = Some(if flag { "S-web-01" } else { "S-own" }.into()));
        }
        4 if there => {
            world.edit(name, |spec| spec.os.as_mut().into_iter().for_each(|os| os.version = "gone".into()));
        }
        5 if there => world.edit(name, |spec| spec.protect = flag),
        6 if world.inventory.servers.contains_key("web-01") => suspend(world, Some(at(i64::from(how)))),
        7 if there && world.inventory.images["debian"].value.spec.versions.contains_key("13.1") => {
            world.version(name, "13.1");
            world.install(name);
        }
        8 if there => world.approve_if_any(name),
        9 => world.inventory.approvals = ByName::default(),
        10 => world.record(name).state = if flag { RecordState::Dirty } else { RecordState::Released },
        11 => world.bmc(name).power = Some(if flag { "Off" } else { "On" }.into()),
        12 => world.job_active(name, if flag { "provisioning" } else { "complete" }),
        13 => world.secret(if flag { "hosts/root" } else { "bmc" }, &how.to_string()),
        14 => world.recipe(|spec| spec.layout.truncate(usize::from(how % 3))),
        15 => world.image(if flag { "13.1" } else { "13.2" }, (how & 32 != 0).then(|| image_version(name))),
        16 if world.inventory.fleet.is_some() => {
            world.fleet(|spec| spec.limits.removed_share_percent = how % 100);
        }
        17 => world.observed.paused = flag,
        18 => world.now = at(i64::from(how)),
        19 => world.commit = flag.then(|| if how & 32 != 0 { "c1" } else { "c2" }.to_owned()),
        20 => world.inventory.unreadable = flag,
        21 => world.break_or_mend(name),
        22 => world.observed.counter += 1,
        23 if there && !world.inventory.servers.contains_key("other") => world.rename(name, "other"),
        24 => drop(world.observed.servers.remove(name)),
        _ => {}
    }
}

impl World {
    fn approve_if_any(&mut self, name: &str) {
        if self.entry(name).is_some() {
            self.approve(name);
        }
    }

    fn image(&mut self, name: &str, version: Option<ImageVersion>) {
        let debian = self.inventory.images.get_mut("debian").expect("it is always there");
        let mut image = debian.value.clone();
        image.spec.versions.remove(name);
        image.spec.versions.extend(version.map(|version| (name.to_owned(), version)));
        *debian = located("images/debian.yaml", image);
    }

    fn break_or_mend(&mut self, name: &str) {
        let key = ("Server", name.to_owned());
        if !self.inventory.broken.remove(&key) {
            self.inventory.broken.insert(key);
            self.inventory.last_good.insert(name.to_owned());
            self.inventory.problems.push(Problem {
                place: format!("servers/{name}.yaml:1"),
                code: "broken".into(),
                message: "is broken".into(),
                server: Some(name.to_owned()),
            });
        } else {
            self.inventory.last_good.remove(name);
            self.inventory.problems.retain(|problem| problem.server.as_deref() != Some(name));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_changes_the_plan_is_the_one_that_would_be_made_from_nothing(
        steps in proptest::collection::vec((0_u8..27, any::<u8>()), 1..40),
    ) {
        let mut world = World::new();
        for name in NAMES {
            world.add(name);
        }
        world.plan();
        let mut commits = vec![world.inventory.clone()];
        for step in steps {
            match step {
                // A commit is reverted: its documents are the very ones that were there.
                (25 | 26, back) => {
                    world.inventory = commits[usize::from(back) % commits.len()].clone();
                }
                step => take(&mut world, step, NAMES[usize::from(step.1) % NAMES.len()]),
            }
            commits.push(world.inventory.clone());
            world.plan();
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, failure_persistence: None, ..ProptestConfig::default() })]

    /// As many as make a tree of several leaves, and more than are put into a plan one by one.
    #[test]
    fn in_a_fleet_of_many_too_and_whether_few_or_all_of_them_change(
        steps in proptest::collection::vec((0_u8..28, any::<u8>(), any::<u16>()), 1..14),
    ) {
        let names: Vec<String> = (0..300).map(|number| format!("web-{number:03}")).collect();
        let mut world = World::new();
        for name in &names {
            world.add(name);
        }
        world.plan();
        let first = world.inventory.clone();
        for (what, how, which) in steps {
            match what {
                25 => world.inventory = first.clone(),
                26 | 27 => names.iter().for_each(|name| take(&mut world, (2 + 3 * (what - 26), how), name)),
                _ => take(&mut world, (what, how), &names[usize::from(which) % names.len()]),
            }
            world.plan();
        }
    }
}

#[test]
fn a_linter_that_saw_a_list_out_of_order_finds_what_stands_there_twice() {
    let mut world = World::one();
    world.add("web-02");
    let mut plan = world.plan();
    plan.entries.reverse();
    let mut linter = Linter::default();
    assert_eq!(linter.rules(&plan), []);
    let mut again = (*plan.entries[0]).clone();
    again.machine = "S-other".to_owned();
    plan.entries.push(Arc::new(again));
    let lints = linter.rules(&plan);
    assert_eq!(lints, rules(&plan));
    assert!(lints.contains(&Lint::Twice { server: "web-02".to_owned() }), "{lints:?}");
}

#[test]
fn a_change_while_two_servers_claim_one_machine_is_seen_once_they_do_not() {
    let mut world = World::one();
    world.add("web-02");
    world.plan();
    world.edit("web-02", |spec| spec.serial = Some("S-web-01".into()));
    world.image("13.1", Some(image_version("13.2")));
    assert_eq!(world.plan().problems.len(), 2);
    world.edit("web-02", |spec| spec.serial = Some("S-web-02".into()));
    world.plan();
}

#[test]
fn a_server_that_comes_back_by_a_revert_is_judged_by_what_changed_meanwhile() {
    let mut world = World::one();
    world.add("web-02");
    world.plan();
    let gone = world.inventory.servers.remove("web-01").expect("it is there");
    world.add("web-03");
    world.image("13.1", Some(image_version("13.2")));
    world.plan();
    world.inventory.servers.remove("web-03");
    world.inventory.servers.insert("web-01".to_owned(), gone);
    world.plan();
}

#[test]
fn what_did_not_change_is_shared_with_the_plan_before() {
    let mut world = World::one();
    world.add("web-02");
    let mut planner = Planner::default();
    let mut plan = |world: &World| {
        let request = PlanRequest {
            inventory: &world.inventory,
            observed: &world.observed,
            commit: world.commit.as_deref(),
            tool: "0.0.0-test",
            now: world.now,
        };
        planner.make(&request).expect("a plan")
    };
    let first = plan(&world);
    assert!(Arc::ptr_eq(&first, &plan(&world)), "nothing changed, and the plan is another one");
    world.version("web-02", "13.2");
    let second = plan(&world);
    assert!(Arc::ptr_eq(&first.entries[0], &second.entries[0]), "web-01 was judged again");
    assert!(!Arc::ptr_eq(&first.entries[1], &second.entries[1]), "web-02 was not judged again");
    world.observed.paused = true;
    let paused = plan(&world);
    world.version("web-02", "13.1");
    assert!(Arc::ptr_eq(&paused.entries[0], &plan(&world).entries[0]), "web-01 was held anew");
    world.observed.paused = false;
    // What nobody asks for, and what somebody else agreed to, concern neither.
    let before = plan(&world);
    let other = located("images/other.yaml", world.inventory.images["debian"].value.clone());
    world.inventory.images.insert("other".to_owned(), other);
    let after = plan(&world);
    assert!(
        Arc::ptr_eq(&before.entries[0], &after.entries[0]),
        "an image that is not its own, and web-01 was judged again"
    );
    world.approve("web-02");
    let agreed = plan(&world);
    assert!(
        Arc::ptr_eq(&after.entries[0], &agreed.entries[0]),
        "web-02 was agreed to, and web-01 was judged again"
    );
    assert!(
        !Arc::ptr_eq(&after.entries[1], &agreed.entries[1]),
        "web-02 was agreed to, and not judged again"
    );
}

#[test]
fn a_machine_that_is_given_to_another_server_while_its_job_runs_is_waited_for() {
    let mut world = World::many_installed(3);
    world.job_active("web-0000", "provisioning");
    world.plan();
    let machine = world.inventory.servers["web-0000"].value.spec.serial.clone();
    world.edit("web-0000", |spec| spec.serial = Some("S-other".into()));
    world.add("web-new");
    world.edit("web-new", |spec| spec.serial = machine);
    let is_held = |world: &World| {
        let entry = world.entry("web-new").expect("it is new");
        entry
            .holds
            .iter()
            .any(|hold| hold.code == HoldCode::ActiveJob && hold.message.ends_with("as server web-0000"))
    };
    assert!(is_held(&world), "{:?}", world.entry("web-new"));
    for (name, what) in [("web-0001", "somebody else changed"), ("web-new", "it changed itself")] {
        world.label(name, "rack", "b");
        assert!(is_held(&world), "{what}");
    }
}
