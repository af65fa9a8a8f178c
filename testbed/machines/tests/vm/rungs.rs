// SPDX-License-Identifier: AGPL-3.0-or-later
//! The install over a disc and a USB stick, onto a virtio disk. Two optical drives and an NVMe disk are what `install`
//! has, one drive and a SATA disk `used_disk`.

use shoal_testbed::bmc::profiles::ILO5;
use shoal_testbed_machines::{Disk, Options, SMALL};
use shoal_testbed_qemu::{DiskBus, VmDisk};

use crate::world::{INSTALL, assert_clean_bmc, is_ready, site};

#[tokio::test(flavor = "multi_thread")]
async fn a_disc_and_a_usb_stick_install_on_a_virtio_disk() -> anyhow::Result<()> {
    let Some(mut site) = site().await else { return Ok(()) };
    let disks = vec![VmDisk { bus: DiskBus::Virtio, serial: "DISK0001".to_owned(), size_bytes: 2 << 30 }];
    let server = site.add("db-01", Options { profile: &ILO5, disks, ..Options::default() }).await?;
    site.push()?;
    let view = site.until(&server, "the install", INSTALL, is_ready).await?;
    let job = view.job.as_ref().expect("a job");
    assert_eq!((job.attempt, job.outcome.as_deref()), (1, Some("succeeded")));
    assert_clean_bmc(&server);
    let found = server.says_whole("task medium found", INSTALL).await?;
    assert!(found.contains("in /dev/sd"), "{found}");
    let chosen = server.says_whole("disk chosen", INSTALL).await?;
    assert!(chosen.contains("at /dev/vda"), "{chosen}");

    server.says("db-01 login:", INSTALL).await?;
    assert_eq!(server.said(&format!("small: version {}", SMALL.version)), 1);
    server.switch_off(INSTALL).await?;
    let disk = Disk::new(&server.machine.disks()[0]);
    assert!(disk.fat_file("esp", "/shoal/stamp.json")?.is_some());

    // Whatever an archive can hold is as it was.
    let specimen = |name: &str| disk.ext4_stat("root", &format!("/specimen/{name}"));
    let (one, two) = (specimen("one")?, specimen("two")?);
    assert!(one.contains("Links: 2"), "{one}");
    assert_eq!(one.lines().next(), two.lines().next(), "hard links are one inode");
    assert!(specimen("symbolic")?.contains("Fast link dest: \"one\""));
    assert!(specimen("pipe")?.contains("Type: FIFO"));
    assert!(specimen("null")?.contains("Type: character special"));
    let owned = specimen("owned")?;
    assert!(owned.contains("User:  1234   Group:  4321") && owned.contains("Mode:  04750"), "{owned}");
    let sparse = specimen("sparse")?;
    assert!(sparse.contains("Size: 8388608") && sparse.contains("Blockcount: 8\n"), "{sparse}");
    let capable = specimen("capable")?;
    assert!(capable.contains("security.capability"), "{capable}");
    Ok(())
}
