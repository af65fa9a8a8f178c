// SPDX-License-Identifier: AGPL-3.0-or-later
//! What the plan makes of a fleet: removal, renames, guards, broken files, conflicts.

use shoal_core::by_name::ByName;
use shoal_core::inventory::Inventory;
use shoal_core::plan::{Planner, lint};
use shoal_core::record;
use shoal_schema::kinds::ApprovedAction;
use shoal_schema::plan::{Action, Class, HoldCode, Plan, Problem};
use shoal_schema::status::RecordState;

use crate::support::world::{Change, World, in_short};

fn guards(plan: &Plan) -> Vec<&str> {
    plan.guards.iter().map(|guard| guard.code.as_str()).collect()
}

fn remove(world: &mut World, count: usize) {
    for _ in 0..count {
        let last = world.inventory.servers.keys().next_back().expect("one is left").clone();
        world.inventory.servers.remove(&last);
    }
}

// === leaving Git ===

#[test]
fn a_server_that_left_git_is_released_and_nothing_more() {
    let mut world = World::many_installed(20);
    remove(&mut world, 1);
    let plan = world.plan();
    assert_eq!(plan.entries.len(), 1);
    let entry = &plan.entries[0];
    assert_eq!(in_short(Some(entry)), "safe release removed not-needed");
    assert_eq!((entry.server.as_str(), entry.machine.as_str()), ("web-0019", "S-web-0019"));
    assert!(entry.loses.is_empty() && entry.notes[0].contains("nothing is wiped"));
    assert!(lint::check(&plan).is_empty());
    // Once released, there is nothing left to say.
    *world.record("web-0019") = record::released(&world.record("web-0019").clone());
    assert!(world.plan().entries.is_empty());
}

#[test]
fn a_server_is_not_released_under_a_running_job() {
    let mut world = World::many_installed(2);
    remove(&mut world, 1);
    world.job_active("web-0001", "provisioning");
    assert_eq!(in_short(world.entry("web-0001").as_ref()), "safe release removed not-needed [active-job]");
}

#[test]
fn one_may_always_leave_and_more_only_within_the_share() {
    // (servers, share, removed, held)
    for (servers, share, removed, held) in [
        (5, 10, 1, false),
        (5, 10, 2, true),
        (20, 10, 2, false),
        (20, 10, 3, true),
        (20, 0, 1, false),
        (20, 0, 2, true),
        (20, 100, 19, false),
        (2, 10, 1, false),
        (1, 100, 1, true),
        (20, 100, 20, true),
    ] {
        let mut world = World::many_installed(servers);
        world.fleet(|fleet| fleet.limits.removed_share_percent = share);
        remove(&mut world, removed);
        let plan = world.plan();
        let expected: &[&str] = match (held, servers == removed) {
            (false, _) => &[],
            (true, false) => &["inventory-shrunk"],
            (true, true) => &["inventory-empty"],
        };
        assert_eq!(guards(&plan), expected, "{removed} of {servers} at {share} %");
        assert!(plan.entries.iter().all(|e| e.holds.iter().any(|h| h.code == HoldCode::Guard) == held));
        assert_eq!(shoal_core::plan::exit_code(&plan), if held { 3 } else { 2 });
        assert!(lint::check(&plan).is_empty());
    }
}

#[test]
fn a_guard_holds_everything_that_would_do_something_and_nothing_else() {
    let mut world = World::many_installed(10);
    world.version("web-0000", "13.2");
    world.approve("web-0000");
    world.label("web-0001", "rack", "a");
    remove(&mut world, 5);
    let plan = world.plan();
    for entry in &plan.entries {
        let held = entry.holds.iter().any(|hold| hold.code == HoldCode::Guard);
        assert_eq!(held, entry.class != Class::None, "{}", entry.server);
    }
    assert_eq!(plan.summary.held, 6, "five that leave and one to install");
}

#[test]
fn many_may_leave_once_it_is_agreed_that_they_do_and_only_those() {
    let mut world = World::many_installed(10);
    remove(&mut world, 5);
    let digest = world.plan().guards[0].digest.clone().unwrap();
    world.approve_digest("all", ApprovedAction::Release, digest, None);
    assert_eq!(guards(&world.plan()), Vec::<&str>::new());
    remove(&mut world, 1);
    assert_eq!(guards(&world.plan()), ["inventory-shrunk"], "a sixth one");
    world.add("web-0004");
    assert!(world.plan().guards.is_empty());
    world.record("web-0009").number += 1;
    assert_eq!(guards(&world.plan()), ["inventory-shrunk"], "a record that moved on");
}

#[test]
fn agreement_that_many_may_leave_runs_out_too() {
    let mut world = World::many_installed(10);
    remove(&mut world, 5);
    let digest = world.plan().guards[0].digest.clone().unwrap();
    world.approve_digest("all", ApprovedAction::Release, digest, Some(world.now));
    assert_eq!(guards(&world.plan()), ["inventory-shrunk"]);
}

#[test]
fn a_fleet_without_its_document_is_held_once_anything_is_known() {
    let mut world = World::one();
    world.inventory.fleet = None;
    assert!(guards(&world.plan()).is_empty(), "a first start");
    world.install("web-01");
    world.version("web-01", "13.2");
    assert_eq!(guards(&world.plan()), ["fleet-missing"]);
}

// === files ===

#[test]
fn a_server_that_moves_to_another_file_is_the_same_server() {
    let mut world = World::one_installed();
    let before = world.plan();
    let server = world.inventory.servers["web-01"].value.clone();
    world
        .inventory
        .servers
        .insert("web-01".into(), crate::support::world::located("elsewhere/a.yaml", server));
    assert_eq!(world.plan().entries, before.entries);
}

#[test]
fn where_a_file_is_unreadable_nothing_counts_as_gone() {
    let mut world = World::many_installed(10);
    remove(&mut world, 9);
    world.inventory.unreadable = true;
    let plan = world.plan();
    assert!(plan.entries.is_empty() && plan.guards.is_empty());
    assert!(!plan.complete);
    assert_eq!(shoal_core::plan::exit_code(&plan), 7);
}

#[test]
fn a_server_whose_document_is_broken_is_not_gone() {
    let mut world = World::many_installed(10);
    remove(&mut world, 1);
    world.inventory.broken.insert(("Server", "web-0009".into()));
    assert!(world.plan().entries.is_empty());
    // A document of another kind by that name says nothing about the server.
    world.inventory.broken = [("Recipe", "web-0009".to_owned())].into();
    assert_eq!(world.plan().entries.len(), 1);
}

#[test]
fn where_a_new_server_cannot_be_read_the_missing_one_may_be_it() {
    let mut world = World::many_installed(10);
    remove(&mut world, 1);
    world.inventory.broken.insert(("Server", "web-new".into()));
    assert!(world.plan().entries.is_empty(), "a rename with a slip of the pen releases nothing");
}

#[test]
fn broken_documents_keep_their_last_good_version() {
    let last = World::many_installed(3).inventory;
    let mut now = last.clone();
    now.servers.remove("web-0000");
    now.servers.remove("web-0001");
    now.recipes = ByName::default();
    now.fleet = None;
    now.broken =
        [("Server", "web-0000".to_owned()), ("Recipe", "debian".to_owned()), ("Fleet", String::new())].into();
    now.keep_last_good(&last);
    assert!(now.servers.contains_key("web-0000"), "it is there, and broken");
    assert!(!now.servers.contains_key("web-0001"), "it is gone");
    assert!(now.recipes.contains_key("debian") && now.fleet.is_some());
}

#[test]
fn the_last_good_version_of_a_server_starts_nothing_that_cannot_be_taken_back() {
    let mut world = World::many_installed(2);
    world.version("web-0000", "13.2");
    world.version("web-0001", "13.2");
    let last = world.inventory.clone();
    // Somebody writes `suspend: treu`.
    world.inventory.servers.remove("web-0000");
    world.inventory.broken.insert(("Server", "web-0000".into()));
    world.inventory.keep_last_good(&last);
    let plan = world.plan();
    let held = |name: &str| {
        let entry = plan.entries.iter().find(|entry| entry.server == name).unwrap();
        entry.holds.iter().any(|hold| hold.code == HoldCode::Unreadable)
    };
    assert_eq!((held("web-0000"), held("web-0001")), (true, false));
    world.inventory.broken.clear();
    world.inventory.keep_last_good(&last);
    let plan = world.plan();
    assert!(plan.entries.iter().all(|e| e.holds.iter().all(|hold| hold.code != HoldCode::Unreadable)));
}

#[test]
fn what_is_readable_again_is_not_replaced_by_its_last_good_version() {
    let mut world = World::many_installed(2);
    let last = world.inventory.clone();
    world.version("web-0000", "13.2");
    world.inventory.unreadable = true;
    world.inventory.servers.remove("web-0001");
    world.inventory.keep_last_good(&last);
    let version =
        |inventory: &Inventory| inventory.servers["web-0000"].value.spec.os.clone().unwrap().version;
    assert_eq!(version(&world.inventory), "13.2");
    assert!(world.inventory.servers.contains_key("web-0001"), "a file is unreadable: nothing is gone");
}

#[test]
fn an_approval_that_cannot_be_read_agrees_to_nothing() {
    let mut world = World::one();
    world.approve("web-01");
    let last = world.inventory.clone();
    let name = world.inventory.approvals.keys().next().unwrap().clone();
    world.inventory.approvals.remove(&name);
    world.inventory.broken.insert(("Approval", name));
    world.inventory.keep_last_good(&last);
    assert!(world.inventory.approvals.is_empty());
}

#[test]
fn a_server_that_something_is_wrong_with_is_not_planned_and_the_others_are() {
    let mut world = World::many_installed(3);
    for name in ["web-0000", "web-0001", "web-0002"] {
        world.version(name, "13.2");
    }
    let problem = |server: &str| Problem {
        place: format!("servers/{server}.yaml:3:1"),
        code: "reference".into(),
        message: "no such secret".into(),
        server: Some(server.into()),
    };
    world.inventory.problems = vec![problem("web-0001"), problem("web-0002")];
    // The last good version of this one is in force.
    world.inventory.broken.insert(("Server", "web-0002".into()));
    let plan = world.plan();
    let names: Vec<&str> = plan.entries.iter().map(|entry| entry.server.as_str()).collect();
    assert_eq!(names, ["web-0000", "web-0002"]);
    assert_eq!((plan.summary.broken, plan.complete, plan.errored), (2, false, true));
    assert_eq!(shoal_core::plan::exit_code(&plan), 7);
}

#[test]
fn a_server_that_cannot_be_put_together_says_what_is_missing() {
    let rows: [(Change, &str); 4] = [
        (|w| w.inventory.recipes = ByName::default(), "Recipe `debian` does not exist"),
        (|w| w.inventory.images = ByName::default(), "Image `debian` does not exist"),
        (|w| w.version("web-01", "99"), "version of Image `99` does not exist (servers/web-01.yaml:5)"),
        (
            |w| w.recipe(|recipe| recipe.disk = None),
            "disk is not set, neither in the server nor in its recipe",
        ),
    ];
    for (change, message) in rows {
        let mut world = World::one_installed();
        change(&mut world);
        let plan = world.plan();
        assert!(plan.entries.is_empty());
        assert_eq!(plan.problems.len(), 1);
        assert!(plan.problems[0].message.contains(message), "{}", plan.problems[0].message);
        assert_eq!(plan.problems[0].server.as_deref(), Some("web-01"));
    }
}

// === conflicts ===

#[test]
fn servers_that_claim_one_machine_or_one_bmc_are_not_planned() {
    let rows: [(&str, Change); 5] = [
        ("serial", |w| w.edit("web-0001", |spec| spec.serial = Some("s-WEB-0000".into()))),
        ("uuid", |w| {
            for name in ["web-0000", "web-0001"] {
                w.edit(name, |spec| spec.uuid = Some("00112233-4455-6677-8899-aabbccddeeff".into()));
            }
        }),
        ("address", |w| w.edit("web-0001", |spec| spec.bmc.address = "https://BMC.web-0000:443/".into())),
        ("one of them without a system", |w| {
            w.edit("web-0001", |spec| {
                spec.bmc.address = "https://bmc.web-0000".into();
                spec.bmc.system = Some("2".into());
            });
        }),
        ("the same system", |w| {
            for name in ["web-0000", "web-0001"] {
                w.edit(name, |spec| {
                    spec.bmc.address = "https://bmc.web-0000".into();
                    spec.bmc.system = Some("2".into());
                });
            }
        }),
    ];
    for (what, change) in rows {
        let mut world = World::many_installed(3);
        for name in ["web-0000", "web-0001", "web-0002"] {
            world.version(name, "13.2");
            world.approve(name);
        }
        change(&mut world);
        let plan = world.plan();
        let names: Vec<&str> = plan.entries.iter().map(|entry| entry.server.as_str()).collect();
        assert_eq!(names, ["web-0002"], "{what}");
        let stopped: Vec<&str> = plan.problems.iter().filter_map(|p| p.server.as_deref()).collect();
        assert_eq!(stopped, ["web-0000", "web-0001"], "{what}");
        assert!(plan.problems[0].message.contains("web-0001"), "{what}: {}", plan.problems[0].message);
        assert!(lint::check(&plan).is_empty(), "{what}");
    }
}

#[test]
fn several_systems_behind_one_bmc_are_no_conflict() {
    let mut world = World::many_installed(2);
    for (name, system) in [("web-0000", "1"), ("web-0001", "2")] {
        world.edit(name, |spec| {
            spec.bmc.address = "https://enclosure".into();
            spec.bmc.system = Some(system.into());
        });
    }
    assert!(world.plan().problems.is_empty());
}

#[test]
fn a_last_good_document_and_a_new_one_for_the_same_machine_stop_each_other() {
    let mut world = World::one_installed();
    let last = world.inventory.clone();
    world.rename("web-01", "web-02");
    world.inventory.unreadable = true;
    world.inventory.keep_last_good(&last);
    let plan = world.plan();
    assert!(plan.entries.is_empty());
    assert_eq!(plan.problems.len(), 2);
}

// === renames ===

#[test]
fn the_same_machine_under_a_new_name_is_a_rename() {
    let mut world = World::one_installed();
    world.rename("web-01", "web-02");
    let plan = world.plan();
    assert_eq!(plan.entries.len(), 1, "nothing is released");
    assert_eq!(in_short(plan.entries.first().map(AsRef::as_ref)), "safe rename renamed not-needed");
    assert!(plan.entries[0].notes[0].contains("renamed from web-01"));
    assert_eq!(
        Planner::default().renames(&world.inventory, &world.observed),
        [("web-02".to_owned(), "web-01".to_owned())].into()
    );
}

#[test]
fn a_rename_with_a_version_bump_stays_destructive_and_its_approval_outlives_the_move() {
    let mut world = World::one_installed();
    world.rename("web-01", "web-02");
    world.version("web-02", "13.2");
    assert_eq!(
        in_short(world.entry("web-02").as_ref()),
        "destructive reinstall image-changed needed [approval-needed]"
    );
    world.approve("web-02");
    // The controller moves the record; an earlier server of that name had left a number there.
    for there in [None, Some(17)] {
        let mut world = world.clone();
        if let Some(number) = there {
            *world.record("web-02") = record::left_behind(&shoal_core::observed::unknown_record());
            world.record("web-02").number = number;
            world.inventory.approvals = ByName::default();
            world.approve("web-02");
        }
        let before = world.entry("web-02").unwrap();
        let old = world.record("web-01").clone();
        let left = world.observed.servers.get("web-02").map(|status| status.record.clone());
        *world.record("web-02") = record::renamed(&old, left.as_ref());
        *world.record("web-01") = record::left_behind(&old);
        let after = world.entry("web-02").unwrap();
        assert_eq!(before.digest, after.digest, "{there:?}");
        assert_eq!(in_short(Some(&after)), "destructive reinstall image-changed approved", "{there:?}");
    }
}

#[test]
fn a_rename_is_known_by_the_uuid_too() {
    let mut world = World::one();
    world.edit("web-01", |spec| spec.uuid = Some("00112233-4455-6677-8899-aabbccddeeff".into()));
    world.install("web-01");
    world.rename("web-01", "web-02");
    world.edit("web-02", |spec| {
        spec.serial = None;
        spec.uuid = Some("00112233-4455-6677-8899-AABBCCDDEEFF".into());
    });
    assert_eq!(world.entry("web-02").map(|entry| entry.action), Some(Action::Rename));
}

#[test]
fn a_rename_waits_for_a_running_job_and_takes_protection_along() {
    let mut world = World::one_installed();
    world.record("web-01").protected = true;
    world.job_active("web-01", "provisioning");
    world.rename("web-01", "web-02");
    assert_eq!(in_short(world.entry("web-02").as_ref()), "safe rename renamed not-needed [active-job]");
    world.job_active("web-01", "complete");
    world.version("web-02", "13.2");
    world.approve("web-02");
    assert_eq!(
        in_short(world.entry("web-02").as_ref()),
        "destructive reinstall image-changed approved [protected]"
    );
}

#[test]
fn a_machine_that_a_job_is_at_work_on_under_another_name_is_waited_for() {
    // Released, taken back, and gone again while the job runs: nothing says that it is a rename.
    let mut world = World::one_installed();
    world.record("web-01").state = RecordState::Released;
    world.job_active("web-01", "provisioning");
    world.rename("web-01", "web-02");
    let held = world.entry("web-02").unwrap();
    let hold = held.holds.iter().find(|hold| hold.code == HoldCode::ActiveJob).expect("it is held");
    assert!(hold.message.contains("as server web-01"), "{}", hold.message);
    // The old name was given another machine, which its job does not know of.
    let mut world = World::one_installed();
    world.job_active("web-01", "provisioning");
    let machine = world.inventory.servers["web-01"].value.spec.serial.clone();
    world.edit("web-01", |spec| spec.serial = Some("S-another".into()));
    world.add("web-02");
    world.edit("web-02", |spec| spec.serial = machine.map(|serial| serial.to_lowercase()));
    let is_held = |world: &World| {
        let entry = world.entry("web-02").unwrap();
        entry.holds.iter().any(|hold| hold.code == HoldCode::ActiveJob)
    };
    assert!(is_held(&world));
    world.job_active("web-01", "complete");
    assert!(!is_held(&world), "the job is over");
}

#[test]
fn the_record_moves_before_anything_else_is_put_right() {
    let mut world = World::one_installed();
    world.bmc("web-01").own_media = true;
    world.rename("web-01", "web-02");
    assert_eq!(world.entry("web-02").map(|entry| entry.action), Some(Action::Rename));
}

#[test]
fn a_rename_back_is_a_rename_too() {
    let mut world = World::one_installed();
    let old = world.record("web-01").clone();
    *world.record("web-02") = record::renamed(&old, None);
    *world.record("web-01") = record::left_behind(&old);
    assert_eq!(world.entry("web-01").map(|entry| entry.action), Some(Action::Rename));
    let left = world.record("web-01").clone();
    let moved = record::renamed(&world.record("web-02").clone(), Some(&left));
    assert_eq!(moved.number, left.number, "the number of a name never goes back");
}

#[test]
fn a_machine_that_two_servers_claim_is_nobodys_and_is_not_released() {
    let mut world = World::one_installed();
    world.rename("web-01", "web-02");
    world.add("web-03");
    world.edit("web-03", |spec| spec.serial = Some("S-web-01".into()));
    assert!(Planner::default().renames(&world.inventory, &world.observed).is_empty());
    let plan = world.plan();
    assert!(plan.entries.is_empty(), "{:?}", plan.entries.iter().map(|e| &e.server).collect::<Vec<_>>());
    assert_eq!(plan.problems.len(), 2);
}

#[test]
fn a_machine_that_takes_the_place_of_another_is_no_rename() {
    let mut world = World::many_installed(2);
    // web-0001's machine broke; web-0000's machine stands behind its name now.
    world.inventory.servers.remove("web-0000");
    world.edit("web-0001", |spec| spec.serial = Some("S-web-0000".into()));
    let plan = world.plan();
    assert_eq!(in_short(plan.entries.first().map(AsRef::as_ref)), "safe release removed not-needed");
    assert_eq!(
        in_short(plan.entries.get(1).map(AsRef::as_ref)),
        "destructive reinstall machine-changed needed [approval-needed]"
    );
    assert!(lint::check(&plan).is_empty(), "{:?}", lint::check(&plan));
}

#[test]
fn a_released_machine_that_comes_back_under_another_name_needs_agreement() {
    let mut world = World::one_installed();
    *world.record("web-01") = record::released(&world.record("web-01").clone());
    world.rename("web-01", "web-02");
    assert_eq!(
        in_short(world.entry("web-02").as_ref()),
        "destructive install no-record needed [approval-needed]"
    );
    assert!(
        Planner::default().renames(&world.inventory, &world.observed).is_empty(),
        "what was released is forgotten"
    );
    assert_eq!(world.record("web-01").state, RecordState::Released);
}
