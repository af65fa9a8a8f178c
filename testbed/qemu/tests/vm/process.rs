// SPDX-License-Identifier: AGPL-3.0-or-later
//! No process is left behind.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use shoal_testbed_qemu::{QemuMachine, VmError};

use crate::world::{World, config, programs};

const DIRECTORY: &str = "SHOAL_TEST_HOLDS_A_MACHINE_IN";

fn runs(pid: &str) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // A zombie has ended; who collects it is not this test's affair.
    !status.is_empty() && !status.contains(") Z ")
}

#[tokio::test]
async fn a_machine_that_is_dropped_is_gone_even_while_its_bmc_is_there() {
    let Some(programs) = programs() else { return };
    let directory = tempfile::tempdir().expect("a directory");
    let world = World::start(config(programs, directory.path())).await;
    world.reset("On").await;
    world.power("On").await;
    let pid = world.machine.pid().to_string();
    assert!(runs(&pid));
    let World { machine, farm, .. } = world;
    drop(machine);
    assert!(!runs(&pid));
    assert_eq!(farm.bmcs().len(), 1);
}

/// Not a test of its own: the next one runs it in another process, and kills that.
#[tokio::test]
#[ignore = "started by another test"]
async fn holds_a_machine() {
    let Some(directory) = std::env::var_os(DIRECTORY) else { return };
    let Some(programs) = programs() else { return };
    let directory = Path::new(&directory);
    let machine = QemuMachine::start(config(programs, directory)).await.expect("started");
    std::fs::write(directory.join("pid.new"), machine.pid().to_string()).expect("written");
    std::fs::rename(directory.join("pid.new"), directory.join("pid")).expect("renamed");
    std::future::pending::<()>().await;
}

#[tokio::test]
async fn a_machine_ends_when_its_owner_is_killed() {
    if programs().is_none() {
        return;
    }
    let directory = tempfile::tempdir().expect("a directory");
    let mut owner = Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", "process::holds_a_machine", "--ignored"])
        .env(DIRECTORY, directory.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("started");
    let file = directory.path().join("pid");
    while !file.exists() {
        assert_eq!(owner.try_wait().expect("a child"), None, "the owner runs until it is killed");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let pid = std::fs::read_to_string(file).expect("written");
    assert!(runs(&pid));
    owner.kill().expect("killed");
    owner.wait().expect("ended");
    // The kernel does it; the test runner's own limit ends a wait that is in vain.
    while runs(&pid) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_disk_of_another_size_is_not_touched() {
    let Some(programs) = programs() else { return };
    let directory = tempfile::tempdir().expect("a directory");
    std::fs::write(directory.path().join("disk0.raw"), [7; 8192]).expect("written");
    let refused = QemuMachine::start(config(programs, directory.path())).await.err();
    assert!(matches!(refused, Some(VmError::DiskSize { there: 8192, .. })), "{refused:?}");
    assert_eq!(std::fs::read(directory.path().join("disk0.raw")).expect("there"), [7; 8192]);
}
