// SPDX-License-Identifier: AGPL-3.0-or-later
//! What holds an entry back, and what is done to a machine without installing it.

use shoal_schema::kinds::{DesiredPower, DriftPolicy, PowerDrift, Suspend};
use shoal_schema::plan::{Action, Class, Entry, Hold, HoldCode};
use shoal_schema::status::{ANOTHER_CERTIFICATE, Obstacle, REFUSED_ACCOUNT, RecordState, Unreachable};

use crate::support::at;
use crate::support::world::{World, assert_rows, in_short, suspend};

#[test]
fn holds() {
    assert_rows(
        || {
            let mut world = World::one_installed();
            world.version("web-01", "13.2");
            world.approve("web-01");
            world
        },
        &[
            ("nothing", |_| {}, "destructive reinstall image-changed approved"),
            ("suspended", |w| suspend(w, None), "destructive reinstall image-changed approved [suspended]"),
            (
                "suspended until later",
                |w| suspend(w, Some(at(1))),
                "destructive reinstall image-changed approved [suspended]",
            ),
            (
                "suspended until now",
                |w| suspend(w, Some(at(0))),
                "destructive reinstall image-changed approved",
            ),
            (
                "suspended, a flag",
                |w| w.edit("web-01", |spec| spec.suspend = Some(Suspend::Flag(true))),
                "destructive reinstall image-changed approved [suspended]",
            ),
            (
                "not suspended, a flag",
                |w| w.edit("web-01", |spec| spec.suspend = Some(Suspend::Flag(false))),
                "destructive reinstall image-changed approved",
            ),
            (
                "protected",
                |w| w.edit("web-01", |spec| spec.protect = true),
                "destructive reinstall image-changed approved [protected]",
            ),
            (
                "BMC unreachable",
                |w| {
                    let bmc = w.bmc("web-01");
                    bmc.reachable = false;
                    bmc.unreachable = Some(Unreachable {
                        since: at(-900),
                        code: "timeout".into(),
                        message: "timeout".into(),
                    });
                },
                "destructive reinstall image-changed approved [bmc-unreachable]",
            ),
            (
                "no way in",
                |w| w.bmc("web-01").rung = Some("none".into()),
                "destructive reinstall image-changed approved [no-route]",
            ),
            (
                "a way in that no job can use",
                |w| w.bmc("web-01").rung = Some("carrier-pigeon".into()),
                "destructive reinstall image-changed approved [no-route]",
            ),
            (
                "no slot, and firmware that boots over HTTP",
                |w| w.bmc("web-01").rung = Some("uefi-http".into()),
                "destructive reinstall image-changed approved",
            ),
            (
                "what the BMC says would stop it",
                |w| w.bmc("web-01").obstacles = vec![obstacle("licence"), obstacle("no-media-address")],
                "destructive reinstall image-changed approved [no-route no-route]",
            ),
            (
                "the BMC refused the account",
                |w| refused(w, REFUSED_ACCOUNT),
                "destructive reinstall image-changed approved [credentials-held]",
            ),
            (
                "the BMC shows another certificate",
                |w| refused(w, ANOTHER_CERTIFICATE),
                "destructive reinstall image-changed approved [bmc-unreachable]",
            ),
            (
                "another machine behind the BMC",
                |w| w.bmc("web-01").serial = Some("S-other".into()),
                "destructive reinstall image-changed approved [no-route]",
            ),
            (
                "a Dell, whose serial is not its service tag",
                |w| {
                    w.bmc("web-01").vendor = Some("Dell Inc.".into());
                    w.bmc("web-01").serial = Some("CN7475123".into());
                },
                "destructive reinstall image-changed approved",
            ),
            (
                "ESXi",
                |w| {
                    w.recipe(|r| r.target = "install-esxi.target".into());
                },
                "destructive reinstall image-changed approved [unsupported]",
            ),
            (
                "a job is active",
                |w| w.job_active("web-01", "provisioning"),
                "destructive reinstall image-changed approved [active-job]",
            ),
            (
                "a job cleans up",
                |w| w.job_active("web-01", "failed"),
                "destructive reinstall image-changed approved [active-job]",
            ),
            (
                "a job is over",
                |w| w.job_active("web-01", "complete"),
                "destructive reinstall image-changed approved",
            ),
            (
                "everything is paused",
                |w| w.observed.paused = true,
                "destructive reinstall image-changed approved [paused]",
            ),
            (
                "the fleet's document is missing",
                |w| w.inventory.fleet = None,
                "destructive reinstall image-changed approved [guard]",
            ),
        ],
    );
}

fn obstacle(code: &str) -> Obstacle {
    Obstacle { code: code.into(), message: format!("{code} is in the way"), hint: format!("mend {code}") }
}

fn refused(world: &mut World, code: &str) {
    let bmc = world.bmc("web-01");
    bmc.reachable = false;
    bmc.unreachable =
        Some(Unreachable { since: at(-900), code: code.into(), message: "cannot log in".into() });
}

#[test]
fn what_holds_an_install_for_its_bmc_says_what_to_do() {
    let mut world = World::one_installed();
    world.version("web-01", "13.2");
    world.approve("web-01");
    for (code, what) in [
        (REFUSED_ACCOUNT, "shoal retry web-01"),
        (ANOTHER_CERTIFICATE, "bmc.tls.sha256"),
        ("timeout", "goes on by itself"),
    ] {
        refused(&mut world, code);
        let hold = &world.entry("web-01").unwrap().holds[0];
        assert!(hold.hint.as_ref().unwrap().contains(what), "{code}: {hold:?}");
    }
}

#[test]
fn a_bmc_that_is_not_there_is_told_of_a_server_that_is_as_wanted() {
    let mut world = World::one_installed();
    refused(&mut world, "timeout");
    let plan = world.plan();
    let entry = &plan.entries[0];
    assert_eq!((entry.action, entry.class), (Action::None, Class::None));
    assert!(entry.notes[0].contains("unreachable since 2025-12-31T23:45:00Z: cannot log in"), "{entry:?}");
    assert!(entry.holds.is_empty());
    assert_eq!(shoal_core::plan::exit_code(&plan), 0);
}

#[test]
fn what_somebody_else_changed_on_the_bmc_is_told_with_what_becomes_of_it() {
    let mut world = World::one_installed();
    world.bmc("web-01").foreign_media = vec!["10.9.9.9".into()];
    world.bmc("web-01").foreign_override = Some("Once Pxe".into());
    let entry = world.entry("web-01").unwrap();
    assert_eq!((entry.action, entry.class), (Action::None, Class::None));
    assert_eq!(
        entry.notes,
        [
            "media of somebody else's are in (10.9.9.9); they are left alone",
            "somebody else set a boot override (Once Pxe); it is left alone",
        ]
    );
    world.version("web-01", "13.2");
    let notes = world.entry("web-01").unwrap().notes;
    assert!(notes.contains(&"media of somebody else's are in (10.9.9.9); the install takes them out".into()));
    assert!(notes.contains(&"somebody else set a boot override (Once Pxe); the install sets its own".into()));
}

#[test]
fn an_unreachable_bmc_changes_neither_class_nor_digest_nor_exit_code() {
    let mut world = World::one_installed();
    world.version("web-01", "13.2");
    world.approve("web-01");
    let before = world.plan();
    world.bmc("web-01").unreachable =
        Some(Unreachable { since: at(-900), code: "timeout".into(), message: "timeout".into() });
    let after = world.plan();
    assert_eq!(before.entries[0].digest, after.entries[0].digest);
    assert_eq!(before.entries[0].class, after.entries[0].class);
    assert_eq!(shoal_core::plan::exit_code(&before), shoal_core::plan::exit_code(&after));
    assert!(
        after.entries[0].holds[0].message.contains("blocked: BMC unreachable since 2025-12-31T23:45:00Z")
    );
}

#[test]
fn protection_outlives_its_own_removal_by_one_commit() {
    let mut world = World::one_installed();
    world.record("web-01").protected = true;
    // The commit that lifts it and does the harm is planned: before it is in force, and once it is.
    world.version("web-01", "13.2");
    world.approve("web-01");
    let held = "destructive reinstall image-changed approved [protected]";
    assert_eq!(in_short(world.entry("web-01").as_ref()), held);
    world.observed.commit = Some("c2".into());
    world.record("web-01").protected = false;
    world.record("web-01").protected_before = true;
    assert_eq!(in_short(world.entry("web-01").as_ref()), held);
    // The next commit, planned against the one that lifted it, and in force.
    world.commit = Some("c3".into());
    assert_eq!(in_short(world.entry("web-01").as_ref()), "destructive reinstall image-changed approved");
    world.observed.commit = Some("c3".into());
    world.record("web-01").protected_before = false;
    assert_eq!(in_short(world.entry("web-01").as_ref()), "destructive reinstall image-changed approved");
}

#[test]
fn without_commits_protection_outlives_by_whatever_the_record_remembers() {
    let mut world = World::one_installed();
    world.version("web-01", "13.2");
    world.approve("web-01");
    world.commit = None;
    world.observed.commit = None;
    for (now, before, held) in
        [(true, false, true), (false, true, true), (true, true, true), (false, false, false)]
    {
        world.record("web-01").protected = now;
        world.record("web-01").protected_before = before;
        let entry = world.entry("web-01").unwrap();
        assert_eq!(!entry.holds.is_empty(), held, "{now} {before}");
    }
}

#[test]
fn while_a_job_is_active_nobody_is_asked_to_agree() {
    let mut world = World::one_installed();
    world.version("web-01", "13.2");
    assert_eq!(world.plan().summary.unapproved, 1);
    world.job_active("web-01", "provisioning");
    let plan = world.plan();
    assert_eq!(plan.summary.unapproved, 0);
    assert_eq!(shoal_core::plan::exit_code(&plan), 2);
    assert!(
        plan.entries[0].holds.iter().all(|hold| !hold
            .hint
            .as_deref()
            .unwrap_or("")
            .contains("shoal approve"))
    );
}

#[test]
fn power_and_what_is_left_over() {
    fn correct(world: &mut World, power: DesiredPower, seen: &str) {
        world.edit("web-01", |spec| {
            spec.power = Some(power);
            spec.drift = Some(DriftPolicy { power: PowerDrift::Correct });
        });
        world.bmc("web-01").power = Some(seen.into());
    }
    assert_rows(
        World::one_installed,
        &[
            ("all is well", |w| w.bmc("web-01").reachable = true, "nothing"),
            (
                "off, wanted on",
                |w| correct(w, DesiredPower::On, "Off"),
                "safe power-on power-drift not-needed",
            ),
            (
                "on, wanted off",
                |w| correct(w, DesiredPower::Off, "On"),
                "disruptive power-off power-drift not-needed",
            ),
            ("as wanted", |w| correct(w, DesiredPower::On, "On"), "nothing"),
            ("not Shoal's business", |w| correct(w, DesiredPower::Unmanaged, "Off"), "nothing"),
            (
                "only reported",
                |w| {
                    w.edit("web-01", |spec| spec.power = Some(DesiredPower::On));
                    w.bmc("web-01").power = Some("Off".into());
                },
                "none none drift not-needed",
            ),
            (
                "suspended",
                |w| {
                    correct(w, DesiredPower::Off, "On");
                    suspend(w, None);
                },
                "disruptive power-off power-drift not-needed [suspended]",
            ),
            (
                "during a job",
                |w| {
                    correct(w, DesiredPower::Off, "On");
                    w.job_active("web-01", "provisioning");
                },
                "disruptive power-off power-drift not-needed [active-job]",
            ),
            (
                "another machine behind the BMC is not switched off",
                |w| {
                    correct(w, DesiredPower::Off, "On");
                    w.bmc("web-01").serial = Some("S-other".into());
                },
                "none none drift not-needed",
            ),
            ("our media", |w| w.bmc("web-01").own_media = true, "safe tidy left-over not-needed"),
            (
                "our media behind another machine",
                |w| {
                    w.bmc("web-01").own_media = true;
                    w.bmc("web-01").serial = Some("S-other".into());
                },
                "safe tidy left-over not-needed",
            ),
            ("our override", |w| w.bmc("web-01").boot_override = true, "safe tidy left-over not-needed"),
            (
                "tidying comes before power",
                |w| {
                    correct(w, DesiredPower::On, "Off");
                    w.bmc("web-01").own_media = true;
                },
                "safe tidy left-over not-needed",
            ),
            (
                "media of somebody else's",
                |w| w.bmc("web-01").foreign_media = vec!["nas.example".into()],
                "none none drift not-needed",
            ),
            (
                "a BMC that does not answer",
                |w| {
                    correct(w, DesiredPower::On, "Off");
                    w.bmc("web-01").reachable = false;
                },
                "nothing",
            ),
        ],
    );
}

#[test]
fn a_machine_stays_off_after_a_failed_write_whatever_power_says() {
    let mut world = World::one_installed();
    world.edit("web-01", |spec| {
        spec.os = None;
        spec.power = Some(DesiredPower::On);
        spec.drift = Some(DriftPolicy { power: PowerDrift::Correct });
    });
    world.bmc("web-01").power = Some("Off".into());
    assert_eq!(world.entry("web-01").unwrap().action, Action::PowerOn);
    world.record("web-01").state = RecordState::Dirty;
    assert_eq!(world.entry("web-01"), None);
}

#[test]
fn what_a_job_left_over_is_taken_out_while_an_install_waits_for_its_approval() {
    let mut world = World::one_installed();
    world.version("web-01", "13.2");
    world.bmc("web-01").own_media = true;
    let tidies = |world: &mut World| {
        let entry = world.entry("web-01").unwrap();
        shoal_core::plan::tidies(&entry, world.status("web-01"))
    };
    assert!(tidies(&mut world));
    assert!(world.entry("web-01").unwrap().notes.iter().any(|note| note.contains("taken out before")));
    world.job_active("web-01", "provisioning");
    assert!(!tidies(&mut world), "the job's own media");
    world.job_active("web-01", "complete");
    // A guard is about what Git lost: what is ours is ours.
    let mut entry = world.entry("web-01").unwrap();
    entry.holds.push(Hold { code: HoldCode::Guard, message: "many left Git".into(), hint: None });
    for class in [Class::Destructive, Class::Safe] {
        let action = if class == Class::Safe { Action::Tidy } else { entry.action };
        let held = Entry { class, action, ..entry.clone() };
        assert!(shoal_core::plan::tidies(&held, world.status("web-01")), "{class:?}");
    }
    suspend(&mut world, None);
    assert!(!tidies(&mut world), "suspended");
}
