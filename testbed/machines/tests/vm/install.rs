// SPDX-License-Identifier: AGPL-3.0-or-later
//! Fresh disk → running Debian.

use shoal_testbed_machines::{Disk, Options};

use crate::world::{INSTALL, is_ready, site};

#[tokio::test(flavor = "multi_thread")]
async fn a_push_ends_with_the_machine_running_what_git_names() -> anyhow::Result<()> {
    let Some(mut site) = site().await else { return Ok(()) };
    let server = site.add("web-01", Options::default()).await?;
    site.push()?;
    let view = site.until(&server, "the install", INSTALL, is_ready).await?;
    let installed = view.status.record.installed.as_ref().expect("a record of the install");
    assert_eq!(installed.version, "13.1");

    let login = server.machine.console().wait_for(0, |line| line.contains("web-01 login:"));
    tokio::time::timeout(INSTALL, login).await.expect("the first boot ends at a login prompt");

    let disk = Disk::new(&server.machine.disks()[0]);
    let names: Vec<String> = disk.partitions()?.into_iter().map(|partition| partition.name).collect();
    assert_eq!(names, ["esp", "cidata", "swap", "root"]);
    Ok(())
}
