// SPDX-License-Identifier: AGPL-3.0-or-later
//! In firmware's own shell: UEFI variables, and a network that ends at the controller.

use shoal_testbed_qemu::Network;

use crate::guest;
use crate::images::{HELLO, Images};
use crate::world::{World, config, programs};

const VARIABLE: &str = "ShoalTest -guid 7c1d2f3a-5b6e-4c7d-8e9f-0a1b2c3d4e5f";

/// Waits for the shell; the line to look for its first prompt from.
async fn enter_shell(world: &World) -> u64 {
    world.reset("On").await;
    let line = world.says(0, "startup.nsh").await;
    // Any key ends the wait.
    world.machine.type_text(" ").await.expect("typed");
    line
}

/// Types a command in the shell; the line to look for its answer from.
async fn shell(world: &World, from: u64, command: &str) -> u64 {
    let line = world.says(from, "Shell>").await;
    world.machine.type_text(&format!("{command}\r")).await.expect("typed");
    line
}

#[tokio::test]
async fn variables_outlive_the_process_and_the_controller_is_where_it_always_is() {
    let Some(programs) = programs() else { return };
    let directory = tempfile::tempdir().expect("a directory");
    let images = Images::serve([]).await;
    // Its disk does not boot: firmware ends in its shell.
    std::fs::write(directory.path().join("disk0.raw"), guest::tool("tool", 64 << 20)).expect("written");
    let config = || {
        let mut config = config(programs.clone(), directory.path());
        config.network = Network::Restricted(vec![(80, images.address)]);
        config
    };
    let world = World::start(config()).await;
    let line = enter_shell(&world).await;
    let line = shell(&world, line, &format!("setvar {VARIABLE} -nv -bs -rt =0x5348")).await;
    world.says(line, "Shell>").await;
    world.reset("ForceOff").await;
    world.power("Off").await;
    drop(world);

    let world = World::start(config()).await;
    let line = enter_shell(&world).await;
    let line = shell(&world, line, &format!("setvar {VARIABLE}")).await;
    let line = world.says(line, "53 48").await;

    // Firmware connects what it boots from; the guest wants the network card too.
    let line = shell(&world, line, "connect -r").await;
    let line = shell(&world, line, r"fs0:\EFI\TOOLS\GUEST.EFI").await;
    let line = world.says(line, "guest: from tool").await;
    let line = world.orders(line, "fetch").await;
    world.says(line, HELLO).await;
}
