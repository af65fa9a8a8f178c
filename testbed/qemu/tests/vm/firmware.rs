// SPDX-License-Identifier: AGPL-3.0-or-later
//! UEFI variables, in firmware's own shell.

use crate::world::{World, config, programs};

const VARIABLE: &str = "ShoalTest -guid 8be4df61-93ca-11d2-aa0d-00e098032b8c";

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
#[ignore = "does not pass yet: without a disk firmware tries the network for minutes"]
async fn variables_outlive_the_process() {
    let Some(programs) = programs() else { return };
    let directory = tempfile::tempdir().expect("a directory");
    let config = || {
        let mut config = config(programs.clone(), directory.path());
        config.disks.clear();
        config
    };
    let world = World::start(config()).await;
    world.reset("On").await;
    let set = format!("setvar {VARIABLE} -nv -bs -rt =0x5348");
    let line = shell(&world, 0, &set).await;
    world.says(line, "Shell>").await;
    world.reset("ForceOff").await;
    world.power("Off").await;
    drop(world);

    let world = World::start(config()).await;
    world.reset("On").await;
    let line = shell(&world, 0, &format!("setvar {VARIABLE}")).await;
    world.says(line, "48 53").await;
}
