// SPDX-License-Identifier: AGPL-3.0-or-later
//! What the plan makes of one server: record × what Git wants → class, action, reason, approval, holds.

use shoal_core::record;
use shoal_schema::kinds::{CredentialsRef, FirstInstall};
use shoal_schema::network::Interface;
use shoal_schema::plan::{Class, Effect};
use shoal_schema::status::RecordState;

use crate::support::disk;
use crate::support::world::{Change, NEEDS, World, assert_rows, by_path, by_serial, in_short};

fn blank_only(world: &mut World) {
    world.fleet(|fleet| fleet.first_install = FirstInstall::BlankOnly);
}

#[test]
fn a_machine_without_a_record() {
    assert_rows(
        World::one,
        &[
            ("nothing known at all", |_| {}, "destructive install no-record NEEDS"),
            (
                "seen, never installed",
                |w| w.bmc("web-01").reachable = true,
                "destructive install no-record NEEDS",
            ),
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
                "a kernel name that was the disk's at one boot",
                |w| {
                    w.edit("web-01", |spec| spec.disk = Some(by_serial("D-web-01")));
                    w.install("web-01");
                    w.edit("web-01", |spec| spec.disk = Some(by_path("/dev/sda")));
                },
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
                |w| *w.record("web-01") = record::restored(&w.record("web-01").clone(), false),
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
                    *w.record("web-01") = record::restored(&w.record("web-01").clone(), false);
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
                    *w.record("web-01") = record::restored(&w.record("web-01").clone(), false);
                    w.approve_adoption("web-01");
                },
                "safe adopt adoption-approved approved",
            ),
        ],
    );
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
fn a_blank_disk_loses_nothing_and_an_adoption_changes_nothing() {
    let mut world = World::one();
    blank_only(&mut world);
    let entry = world.entry("web-01").unwrap();
    assert_eq!(entry.loses, ["nothing: the machine itself must find the disk blank (/dev/sda)"]);
    let mut world = World::one();
    world.approve_adoption("web-01");
    let entry = world.entry("web-01").unwrap();
    assert!(entry.changes.iter().all(|change| change.effect == Effect::Now) && entry.loses.is_empty());
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
    assert_eq!(entry.steps.first().map(AsRef::as_ref), Some("power off"));
    assert!(!entry.notes.iter().any(|note| note.contains("  ")), "{:?}", entry.notes);
}
