// SPDX-License-Identifier: AGPL-3.0-or-later
//! Power, network and media that fail.

use std::time::Instant;

use shoal_testbed_qemu::{AfterPowerCut, VmEvent};

use crate::guest;
use crate::images::Images;
use crate::world::{World, config, programs};

#[tokio::test]
async fn power_goes_and_comes_back_and_media_and_cables_fail() {
    let Some(programs) = programs() else { return };
    let directory = tempfile::tempdir().expect("a directory");
    let images = Images::serve([("boot.iso", guest::disc("disc"))]).await;
    let world = World::start(config(programs, directory.path())).await;
    world.insert(1, &images.url("boot.iso")).await;
    world.boot_once("Cd").await;
    // A megabyte of guest and some: more than two seconds.
    world.machine.slow_media(Some(400_000)).await.expect("slowed");
    world.reset("On").await;
    world.event(0, |event| matches!(event, VmEvent::Booted { .. })).await;
    let started = Instant::now();
    let line = world.says(0, "guest: ready").await;
    assert!(started.elapsed().as_secs() >= 2, "the medium was slow");
    world.machine.slow_media(None).await.expect("not slow any more");

    world.machine.set_link(false).await.expect("pulled");
    world.machine.set_link(true).await.expect("plugged in");

    let before = world.machine.events().len();
    world.machine.cut_power(AfterPowerCut::ComesBack).await.expect("cut");
    let before = world.event(before, |event| *event == VmEvent::PowerCut).await;
    world.event(before, |event| matches!(event, VmEvent::Booted { boot: 2, .. })).await;
    world.says(line, "BdsDxe").await;
    world.power("On").await;

    world.machine.cut_power(AfterPowerCut::StaysOff).await.expect("cut");
    world.power("Off").await;
    let from_disc = || {
        let lines = world.machine.console().lines(0);
        lines.iter().filter(|line| line.text == "guest: from disc").count()
    };
    assert_eq!(from_disc(), 1);

    // The next attempt is from the same drive.
    let line = world.machine.console().position();
    world.boot_once("Cd").await;
    world.reset("On").await;
    world.says(line, "guest: ready").await;
    assert_eq!(from_disc(), 2, "{:?}", world.machine.events());
}
