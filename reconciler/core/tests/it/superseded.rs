// SPDX-License-Identifier: AGPL-3.0-or-later
//! Whether Git still wants what a job does.

use shoal_core::desired::fleet_spec;
use shoal_core::superseded::superseded;

use crate::support::at;
use crate::support::jobs::queued;
use crate::support::world::{Change, World, by_path, suspend};

fn answer(change: Change) -> Option<String> {
    let mut world = World::one();
    change(&mut world);
    superseded(&world.inventory, &fleet_spec(&world.inventory), &queued(), at(100))
}

#[test]
fn what_changes_no_install_supersedes_no_job() {
    let rows: [(&str, Change); 5] = [
        ("nothing", |_| {}),
        ("a label", |world| world.label("web-01", "rack", "b")),
        ("a server beside it", |world| world.add("web-02")),
        ("another address of its BMC", |world| {
            world.edit("web-01", |spec| spec.bmc.address = "https://10.9.9.9".into());
        }),
        ("a suspension that is over", |world| suspend(world, Some(at(100)))),
    ];
    for (what, change) in rows {
        assert_eq!(answer(change), None, "{what}");
    }
}

#[test]
fn a_job_that_git_no_longer_wants_is_told_why() {
    let rows: [(Change, &str); 9] = [
        (|world| drop(world.inventory.servers.remove("web-01")), "server web-01 is no longer in Git"),
        (|world| world.rename("web-01", "web-02"), "server web-01 is no longer in Git"),
        (
            |world| world.edit("web-01", |spec| spec.serial = Some("S-swapped".into())),
            "it names another machine",
        ),
        (|world| suspend(world, None), "the server is suspended"),
        (|world| suspend(world, Some(at(101))), "the server is suspended"),
        (|world| world.edit("web-01", |spec| spec.protect = true), "the server is protected"),
        (|world| world.version("web-01", "13.2"), "it wants debian 13.2 in another form"),
        (
            |world| world.edit("web-01", |spec| spec.disk = Some(by_path("/dev/sdz"))),
            "it wants debian 13.1 in another form",
        ),
        (|world| world.edit("web-01", |spec| spec.os = None), "it wants nothing installed"),
    ];
    for (change, expected) in rows {
        assert_eq!(answer(change).as_deref(), Some(expected));
    }
    let missing = answer(|world| world.edit("web-01", |spec| spec.recipe = Some("gone".into())));
    assert!(missing.is_some_and(|why| why.contains("Recipe `gone` does not exist")));
}
