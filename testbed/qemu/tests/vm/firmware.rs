// SPDX-License-Identifier: AGPL-3.0-or-later
//! UEFI variables, in firmware's own shell.

use crate::world::{World, config, programs};

/// Under a GUID of our own: firmware takes only names that it knows under that of the specification.
const VARIABLE: &str = "ShoalTest -guid 5b1f4d0e-7a52-4c0e-9d8a-3f6b2c1d9e70";

/// Types a command in the shell; the line to look for its answer from.
async fn shell(world: &World, from: u64, command: &str) -> u64 {
    let line = world.says(from, "startup.nsh").await;
    // Any key ends the wait.
    world.machine.type_text(" ").await.expect("typed");
    let line = world.says(line, "Shell>").await;
    world.machine.type_text(&format!("{command}\r")).await.expect("typed");
    line
}

#[tokio::test]
async fn variables_outlive_the_process() {
    let Some(programs) = programs() else { return };
    let directory = tempfile::tempdir().expect("a directory");
    let config = || {
        let mut config = config(programs.clone(), directory.path());
        config.disks.clear();
        config
    };
    let world = World::start(config()).await;
    // Else firmware waits minutes for an answer from the network before it comes to its shell.
    world.machine.set_link(false).await.expect("pulled");
    world.reset("On").await;
    let set = format!("setvar {VARIABLE} -nv -bs -rt =0x5348");
    let line = shell(&world, 0, &set).await;
    let line = world.says(line, "Shell>").await;
    world.machine.type_text(&format!("setvar {VARIABLE}\r")).await.expect("typed");
    world.says(line, "48 53").await;
    world.reset("ForceOff").await;
    world.power("Off").await;
    drop(world);

    let world = World::start(config()).await;
    world.machine.set_link(false).await.expect("pulled");
    world.reset("On").await;
    let line = shell(&world, 0, &format!("setvar {VARIABLE}")).await;
    world.says(line, "48 53").await;
}
