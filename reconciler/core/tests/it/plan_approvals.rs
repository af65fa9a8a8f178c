// SPDX-License-Identifier: AGPL-3.0-or-later
//! What people agreed to: for one entry, one action, once.

use shoal_core::record;
use shoal_schema::kinds::{ApprovedAction, OsRef};
use shoal_schema::plan::{Action, Class};

use crate::support::at;
use crate::support::world::{Change, NEEDS, World, in_short, suspend};

#[test]
fn an_approval_holds_for_one_entry_and_no_other() {
    let mut world = World::one_installed();
    world.add("web-02");
    world.install("web-02");
    world.version("web-01", "13.2");
    world.version("web-02", "13.2");
    world.approve("web-01");
    let approved = |world: &World, name: &str| {
        in_short(world.entry(name).as_ref()) == "destructive reinstall image-changed approved"
    };
    assert!(approved(&world, "web-01") && !approved(&world, "web-02"));
    let changes: [(&str, Change); 6] = [
        ("another version", |w| w.version("web-01", "13.1-other")),
        ("another ledger", |w| w.observed.ledger = Some(shoal_schema::LedgerId::from_bytes([9; 16]))),
        ("a record that moved", |w| w.record("web-01").number += 1),
        ("another disk in the record", |w| w.record("web-01").disks[0].size_bytes += 1),
        ("another machine", |w| w.edit("web-01", |spec| spec.serial = Some("S-x".into()))),
        ("another name", |w| w.rename("web-01", "web-03")),
    ];
    for (what, change) in changes {
        let mut world = world.clone();
        let mut image = world.inventory.images["debian"].value.clone();
        image.spec.versions.insert("13.1-other".into(), crate::support::world::image_version("13.1-other"));
        world
            .inventory
            .images
            .insert("debian".into(), crate::support::world::located("images/debian.yaml", image));
        change(&mut world);
        let entry = world.plan().entries.into_iter().find(|entry| entry.server != "web-02").unwrap();
        assert!(in_short(Some(&entry)).ends_with(NEEDS), "{what}: {}", in_short(Some(&entry)));
    }
    // It does not depend on the commit, nor on what the file calls the server.
    world.commit = Some("c9".into());
    assert!(approved(&world, "web-01"));
}

#[test]
fn an_approval_for_one_action_is_none_for_another() {
    let mut world = World::one();
    let digest = world.adoption_digest(&world.entry("web-01").unwrap());
    world.approve_digest("web-01", ApprovedAction::Install, digest, None);
    assert_eq!(in_short(world.entry("web-01").as_ref()), format!("destructive install no-record {NEEDS}"));
    let digest = world.entry("web-01").unwrap().digest;
    world.approve_digest("web-01", ApprovedAction::Adopt, digest, None);
    assert_eq!(in_short(world.entry("web-01").as_ref()), format!("destructive install no-record {NEEDS}"));
}

#[test]
fn an_approval_that_has_run_out_counts_no_more_and_says_so() {
    let mut world = World::one();
    let digest = world.entry("web-01").unwrap().digest;
    world.approve_digest("web-01", ApprovedAction::Install, digest.clone(), Some(at(10)));
    assert_eq!(in_short(world.entry("web-01").as_ref()), "destructive install no-record approved");
    world.now = at(10);
    let entry = world.entry("web-01").unwrap();
    assert_eq!(in_short(Some(&entry)), "destructive install no-record expired [approval-expired]");
    assert!(entry.holds[0].message.contains("approvals/web-01-0.yaml"));
    assert_eq!(shoal_core::plan::exit_code(&world.plan()), 3);
    // One that holds outweighs one that has run out, whichever stands first.
    world.approve_digest("web-01", ApprovedAction::Install, digest.clone(), None);
    assert_eq!(in_short(world.entry("web-01").as_ref()), "destructive install no-record approved");
    world.approve_digest("web-01", ApprovedAction::Install, digest, Some(at(5)));
    assert_eq!(in_short(world.entry("web-01").as_ref()), "destructive install no-record approved");
}

#[test]
fn an_approval_fires_once() {
    let mut world = World::one_installed();
    world.version("web-01", "13.2");
    world.approve("web-01");
    // The job starts: consumed. It fails before anything was written; nothing else changed.
    let desired = world.desired("web-01");
    *world.record("web-01") = record::job_started(&world.record("web-01").clone(), &desired);
    assert_eq!(
        in_short(world.entry("web-01").as_ref()),
        format!("destructive reinstall image-changed {NEEDS}")
    );
    // Nor when the very same state comes again later.
    world.install("web-01");
    world.version("web-01", "13.1");
    world.install("web-01");
    world.version("web-01", "13.2");
    assert_eq!(
        in_short(world.entry("web-01").as_ref()),
        format!("destructive reinstall image-changed {NEEDS}")
    );
}

#[test]
fn an_old_approval_of_a_name_stays_void_when_the_name_comes_back() {
    let mut world = World::one();
    world.approve("web-01");
    world.install("web-01");
    // Renamed, the record moves along; released there; and back under the first name.
    world.rename("web-01", "web-02");
    let old = world.record("web-01").clone();
    *world.record("web-02") = record::renamed(&old, None);
    *world.record("web-01") = record::left_behind(&old);
    assert_eq!(world.entry("web-02").map(|entry| entry.class), Some(Class::None), "the name is in user-data");
    *world.record("web-02") = record::released(&world.record("web-02").clone());
    world.rename("web-02", "web-01");
    world.observed.servers.remove("web-02");
    assert_eq!(in_short(world.entry("web-01").as_ref()), format!("destructive install no-record {NEEDS}"));
}

#[test]
fn without_a_ledger_nothing_counts_as_agreed() {
    let mut world = World::one();
    world.observed.ledger = None;
    world.approve("web-01");
    world.approve_adoption("web-01");
    assert_eq!(
        in_short(world.entry("web-01").as_ref()),
        "destructive install no-record needed [approval-needed no-ledger]"
    );
}

#[test]
fn a_suspended_server_is_not_adopted() {
    let mut world = World::one();
    world.approve_adoption("web-01");
    suspend(&mut world, None);
    assert_eq!(in_short(world.entry("web-01").as_ref()), "safe adopt adoption-approved approved [suspended]");
}

#[test]
fn an_image_of_another_name_with_the_same_digest_reinstalls_nothing() {
    let mut world = World::one_installed();
    let image = world.inventory.images["debian"].clone();
    world.inventory.images.insert("trixie".into(), image);
    world.edit("web-01", |spec| spec.os = Some(OsRef { image: "trixie".into(), version: "13.1".into() }));
    assert_eq!(world.entry("web-01").map(|entry| entry.action), Some(Action::None));
}
