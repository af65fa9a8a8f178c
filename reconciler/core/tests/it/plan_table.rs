// SPDX-License-Identifier: AGPL-3.0-or-later
//! What the plan makes of one server: record × what Git wants → class, action, reason, approval, holds.

use shoal_core::record;
use shoal_schema::kinds::{
    ApprovedAction, CredentialsRef, DesiredPower, DriftPolicy, FirstInstall, OsRef, PowerDrift, Suspend,
    Suspension,
};
use shoal_schema::network::Interface;
use shoal_schema::plan::{Action, Class, Effect};
use shoal_schema::status::{RecordState, Unreachable};

use crate::support::world::{World, by_path, by_serial, in_short};
use crate::support::{at, disk};

type Change = fn(&mut World);

const NEEDS: &str = "needed [approval-needed]";

/// `web-01`, changed, and what the plan says of it.
fn assert_rows(start: fn() -> World, rows: &[(&str, Change, &str)]) {
    for (what, change, expected) in rows {
        let mut world = start();
        change(&mut world);
        let expected = expected.replace("NEEDS", NEEDS);
        assert_eq!(in_short(world.entry("web-01").as_ref()), expected, "{what}");
        assert!(shoal_core::plan::lint::check(&world.plan()).is_empty(), "{what}");
    }
}

fn blank_only(world: &mut World) {
    world.fleet(|fleet| fleet.first_install = FirstInstall::BlankOnly);
}

fn suspend(world: &mut World, until: Option<jiff::Timestamp>) {
    let why = Suspension { reason: "a new power supply".into(), until };
    world.edit("web-01", |spec| spec.suspend = Some(Suspend::Because(why)));
}

#[test]
fn a_machine_without_a_record() {
    assert_rows(
        World::one,
        &[
            ("nothing known at all", |_| {}, "destructive install no-record NEEDS"),
            ("seen, never installed", |w| drop(w.bmc("web-01")), "destructive install no-record NEEDS"),
            ("blank only", blank_only, "destructive install no-record blank-only"),
            (
                "blank only and approved: what is there may be lost",
                |w| {
                    blank_only(w);
                    w.approve("web-01");
                },
                "destructive install no-record approved",
            ),
            ("approved", |w| w.approve("web-01"), "destructive install no-record approved"),
            ("to be adopted", |w| w.approve_adoption("web-01"), "safe adopt adoption-approved approved"),
            ("only watched", |w| w.edit("web-01", |spec| spec.os = None), "nothing"),
            (
                "no ledger yet",
                |w| w.observed.ledger = None,
                "destructive install no-record needed [approval-needed no-ledger]",
            ),
        ],
    );
}

#[test]
fn a_machine_that_runs_what_git_says_has_no_entry() {
    let world = World::one_installed();
    assert_eq!(world.entry("web-01"), None);
    let summary = world.plan().summary;
    assert_eq!((summary.servers, summary.unchanged, summary.destructive), (1, 1, 0));
}

#[test]
fn what_reinstalls_a_known_machine() {
    assert_rows(
        World::one_installed,
        &[
            ("version", |w| w.version("web-01", "13.2"), "destructive reinstall image-changed NEEDS"),
            (
                "another recipe's layout",
                |w| w.recipe(|r| r.layout.truncate(1)),
                "destructive reinstall layout-changed NEEDS",
            ),
            (
                "another path",
                |w| w.edit("web-01", |spec| spec.disk = Some(by_path("/dev/sdb"))),
                "destructive reinstall disk-changed NEEDS",
            ),
            (
                "another serial",
                |w| w.edit("web-01", |spec| spec.disk = Some(by_serial("D-other"))),
                "destructive reinstall disk-changed NEEDS",
            ),
            (
                "the counter raised",
                |w| w.edit("web-01", |spec| spec.reinstall = 1),
                "destructive reinstall reinstall-raised NEEDS",
            ),
            (
                "another serial number of the machine",
                |w| w.edit("web-01", |spec| spec.serial = Some("S-swapped".into())),
                "destructive reinstall machine-changed NEEDS",
            ),
            (
                "the machine is called by a UUID that no record knows",
                |w| {
                    w.edit("web-01", |spec| {
                        spec.serial = None;
                        spec.uuid = Some("00112233-4455-6677-8899-aabbccddeeff".into());
                    });
                },
                "destructive reinstall machine-changed NEEDS",
            ),
        ],
    );
}

#[test]
fn what_reinstalls_nothing() {
    assert_rows(
        World::one_installed,
        &[
            (
                "the same digest under another version name",
                |w| {
                    w.version("web-01", "13.2");
                    w.install("web-01");
                    w.version("web-01", "13.2-again");
                },
                "nothing",
            ),
            (
                "the disk that was written, by its serial",
                |w| w.edit("web-01", |spec| spec.disk = Some(by_serial("D-web-01"))),
                "nothing",
            ),
            (
                "the counter lowered",
                |w| {
                    w.edit("web-01", |spec| spec.reinstall = 5);
                    w.install("web-01");
                    w.edit("web-01", |spec| spec.reinstall = 2);
                },
                "nothing",
            ),
            (
                "the serial in other letters, which user-data may show",
                |w| w.edit("web-01", |spec| spec.serial = Some("s-WEB-01 ".into())),
                "none none next-install not-needed",
            ),
            (
                "a UUID beside the serial",
                |w| w.edit("web-01", |spec| spec.uuid = Some("00112233-4455-6677-8899-aabbccddeeff".into())),
                "nothing",
            ),
            (
                "another BMC address",
                |w| w.edit("web-01", |spec| spec.bmc.address = "https://10.0.0.9".into()),
                "nothing",
            ),
            (
                "the BMC's account",
                |w| {
                    w.secret("bmc/a", "one");
                    w.edit("web-01", |spec| {
                        spec.bmc.credentials = Some(CredentialsRef { secret: "bmc/a".into() });
                    });
                },
                "nothing",
            ),
            ("no system any more", |w| w.edit("web-01", |spec| spec.os = None), "nothing"),
        ],
    );
}

#[test]
fn a_uuid_in_the_other_byte_order_is_the_same_machine() {
    let mut world = World::one();
    world.edit("web-01", |spec| spec.uuid = Some("00112233-4455-6677-8899-aabbccddeeff".into()));
    world.install("web-01");
    world.edit("web-01", |spec| spec.uuid = Some("33221100-5544-7766-8899-AABBCCDDEEFF".into()));
    assert_eq!(world.entry("web-01"), None);
    world.edit("web-01", |spec| spec.uuid = Some("99221100-5544-7766-8899-AABBCCDDEEFF".into()));
    assert_eq!(
        in_short(world.entry("web-01").as_ref()),
        format!("destructive reinstall machine-changed {NEEDS}")
    );
}

#[test]
fn what_applies_at_the_next_install_only_is_said_and_does_nothing() {
    let rows: [(&str, Change); 8] = [
        ("user-data", |w| w.recipe(|r| r.user_data.as_mut().unwrap().text.push_str("more: true\n"))),
        ("a variable of the server", |w| {
            w.edit("web-01", |spec| {
                spec.vars.insert("motd".into(), "hi".into());
            });
        }),
        ("a variable of the fleet", |w| {
            w.fleet(|fleet| {
                fleet.defaults.vars.insert("motd".into(), "hi".into());
            });
        }),
        ("a parameter's default", |w| {
            w.recipe(|r| r.parameters.get_mut("motd").unwrap().default = Some("hi".into()));
        }),
        ("a secret", |w| w.secret("hosts/root", "two")),
        ("the network", |w| {
            w.edit("web-01", |spec| {
                spec.network = vec![Interface {
                    name: "eth0".into(),
                    mac: None,
                    dhcp: Some(true),
                    addresses: Vec::new(),
                    gateway: None,
                    dns: Vec::new(),
                    vlan: None,
                    parent: None,
                    bond: Vec::new(),
                    mtu: None,
                }];
            });
        }),
        ("a label", |w| w.label("web-01", "rack", "b")),
        ("the packing of the image", |w| {
            let mut image = w.inventory.images["debian"].value.clone();
            image.spec.versions.get_mut("13.1").unwrap().format = shoal_schema::kinds::ImageFormat::RawDisk;
            w.inventory
                .images
                .insert("debian".into(), crate::support::world::located("images/debian.yaml", image));
        }),
    ];
    for (what, change) in rows {
        let mut world = World::one_installed();
        change(&mut world);
        let entry = world.entry("web-01").unwrap_or_else(|| panic!("{what}: nothing is said"));
        assert_eq!(in_short(Some(&entry)), "none none next-install not-needed", "{what}");
        assert!(entry.notes.iter().any(|note| note.contains("applies at the next install")), "{what}");
        assert!(entry.changes.iter().all(|c| c.effect == Effect::NextInstall && c.sensitive), "{what}");
        assert!(entry.steps.is_empty() && entry.loses.is_empty(), "{what}");
        assert_eq!(shoal_core::plan::exit_code(&world.plan()), 0, "{what}");
        assert_eq!(world.plan().summary.unchanged, 1, "{what}");
    }
}

#[test]
fn what_applies_at_the_next_install_is_said_beside_what_reinstalls() {
    let mut world = World::one_installed();
    world.version("web-01", "13.2");
    world.secret("hosts/root", "two");
    let entry = world.entry("web-01").unwrap();
    let effects: Vec<(&str, Effect)> = entry.changes.iter().map(|c| (c.field.as_str(), c.effect)).collect();
    assert_eq!(
        effects,
        [
            ("os.version", Effect::Reinstalls),
            ("image digest", Effect::Reinstalls),
            ("configuration", Effect::NextInstall)
        ]
    );
    assert_eq!(entry.changes[0].from.as_deref(), Some("servers/web-01.yaml:5"));
}

#[test]
fn records_that_are_not_to_be_trusted_need_agreement_even_where_nothing_changed() {
    assert_rows(
        World::one_installed,
        &[
            (
                "restored",
                |w| *w.record("web-01") = record::restored(&w.record("web-01").clone()),
                "destructive reinstall restored NEEDS",
            ),
            (
                "dirty",
                |w| w.record("web-01").state = RecordState::Dirty,
                "destructive reinstall unfinished NEEDS",
            ),
            (
                "released and back",
                |w| *w.record("web-01") = record::released(&w.record("web-01").clone()),
                "destructive install no-record NEEDS",
            ),
            (
                "released and back, where only blank disks need no agreement",
                |w| {
                    blank_only(w);
                    *w.record("web-01") = record::released(&w.record("web-01").clone());
                },
                "destructive install no-record NEEDS",
            ),
            (
                "restored, as another machine",
                |w| {
                    *w.record("web-01") = record::restored(&w.record("web-01").clone());
                    w.edit("web-01", |spec| spec.serial = Some("S-swapped".into()));
                },
                "destructive reinstall machine-changed NEEDS",
            ),
            (
                "released, as another machine",
                |w| {
                    *w.record("web-01") = record::released(&w.record("web-01").clone());
                    w.edit("web-01", |spec| spec.serial = Some("S-swapped".into()));
                },
                "destructive install machine-changed NEEDS",
            ),
            ("adopted", |w| w.record("web-01").state = RecordState::Adopted, "nothing"),
            (
                "restored, to be adopted",
                |w| {
                    *w.record("web-01") = record::restored(&w.record("web-01").clone());
                    w.approve_adoption("web-01");
                },
                "safe adopt adoption-approved approved",
            ),
        ],
    );
}

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
                    bmc.unreachable = Some(Unreachable { since: at(-900), message: "timeout".into() });
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
                |w| w.bmc("web-01").rung = Some("uefi-http".into()),
                "destructive reinstall image-changed approved [no-route]",
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

#[test]
fn an_unreachable_bmc_changes_neither_class_nor_digest_nor_exit_code() {
    let mut world = World::one_installed();
    world.version("web-01", "13.2");
    world.approve("web-01");
    let before = world.plan();
    world.bmc("web-01").unreachable = Some(Unreachable { since: at(-900), message: "timeout".into() });
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
            ("all is well", |w| drop(w.bmc("web-01")), "nothing"),
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
    suspend(&mut world, None);
    assert!(!tidies(&mut world), "suspended");
}

#[test]
fn the_entry_says_which_disk_is_lost_and_what_is_on_it() {
    let loses = |change: Change| {
        let mut world = World::one_installed();
        world.version("web-01", "13.2");
        change(&mut world);
        world.entry("web-01").unwrap().loses
    };
    assert_eq!(loses(|_| {}), ["disk D-web-01 (480 GB) at /dev/sda: debian 13.1"]);
    assert_eq!(
        loses(|w| w.edit("web-01", |spec| spec.disk = Some(by_serial("D-other")))),
        ["the disk (serial D-other): whatever is on it"],
        "not the one that stays as it is"
    );
    assert_eq!(
        loses(|w| {
            w.record("web-01").disks.push(disk("D-other", "/dev/sdb"));
            w.edit("web-01", |spec| spec.disk = Some(by_serial("D-other")));
        }),
        ["disk D-other (480 GB) at /dev/sdb: whatever is on it"]
    );
    assert_eq!(
        loses(|w| w.edit("web-01", |spec| spec.serial = Some("S-swapped".into()))),
        ["the disk (/dev/sda): whatever is on it"],
        "not what the old machine has"
    );
    assert_eq!(
        loses(|w| w.record("web-01").state = RecordState::Dirty),
        ["disk D-web-01 (480 GB) at /dev/sda: whatever is on it"]
    );
    assert_eq!(
        loses(|w| w.record("web-01").state = RecordState::Restored),
        ["disk D-web-01 (480 GB) at /dev/sda: debian 13.1, when last known"]
    );
    assert_eq!(
        loses(|w| {
            let record = w.record("web-01");
            record.state = RecordState::Adopted;
            record.disks.clear();
            record.installed.as_mut().unwrap().on = None;
        }),
        ["the disk (/dev/sda): debian 13.1, unverified"]
    );
    assert_eq!(
        loses(|w| w.record("web-01").disks = vec![disk("D-new", "/dev/sda")]),
        ["disk D-new (480 GB) at /dev/sda: whatever is on it"],
        "the disk was replaced"
    );
}

#[test]
fn a_disk_that_is_not_known_is_said_to_be_unknown() {
    let notes = |world: &World| world.entry("web-01").unwrap().notes.join("; ");
    assert!(notes(&World::one()).contains("the disk is not known yet"));
    let mut known = World::one_installed();
    known.version("web-01", "13.2");
    assert!(!notes(&known).contains("not known"));
    known.record("web-01").disks.push(disk("D-two", "/dev/sda"));
    assert!(notes(&known).contains("the disk is not known yet"), "two disks fit");
}

#[test]
fn an_install_says_what_it_does_step_by_step() {
    let entry = World::one().entry("web-01").unwrap();
    assert_eq!(entry.class, Class::Destructive);
    assert_eq!(entry.steps.first().map(String::as_str), Some("power off"));
    assert!(!entry.notes.iter().any(|note| note.contains("  ")), "{:?}", entry.notes);
}

// === approvals ===

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
    let digest = world.adoption_digest("web-01");
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
