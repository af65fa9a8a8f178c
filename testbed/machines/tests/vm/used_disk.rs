// SPDX-License-Identifier: AGPL-3.0-or-later
//! A disk that had another life: a volume group with a volume, an array, a file system. It is left alone until somebody
//! agrees to lose it, and then nothing of it is left. On a SATA disk, over one drive with a composed image.

use std::path::PathBuf;

use shoal_testbed::bmc::profiles::SMC_X13_SINGLE;
use shoal_testbed_machines::{Disk, Options};
use shoal_testbed_qemu::{DiskBus, VmDisk};

use crate::world::{INSTALL, assert_clean_bmc, is_ready, site};

/// 2 GiB with a GUID partition table: a physical volume of `oldvg`, both halves of the array `old:0` (RAID 1), ext4
/// `olddata`. Made with `sfdisk`, `pvcreate`, `vgcfgrestore` and `mkfs.ext4`; `mdadm --examine` takes the array for
/// whole.
pub(crate) const USED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/used-disk.tar.zst");

#[tokio::test(flavor = "multi_thread")]
async fn a_used_disk_is_left_alone_until_somebody_agrees_to_lose_it() -> anyhow::Result<()> {
    let Some(mut site) = site().await else { return Ok(()) };
    let options = Options {
        profile: &SMC_X13_SINGLE,
        disks: vec![VmDisk { bus: DiskBus::Sata, serial: "DISK0001".to_owned(), size_bytes: 2 << 30 }],
        first_disk: Some(PathBuf::from(USED)),
        ..Options::default()
    };
    let server = site.add("db-02", options).await?;
    let disk = Disk::new(&server.machine.disks()[0]);
    let formats = |disk: &Disk| -> anyhow::Result<Vec<Option<String>>> {
        Ok(disk.partitions()?.into_iter().map(|partition| partition.format).collect())
    };
    let format = |text: &str| Some(text.to_owned());
    let raid = format("linux_raid_member");
    assert_eq!(formats(&disk)?, [format("LVM2_member"), raid.clone(), raid, format("ext4")]);
    let before = disk.contents()?;

    // The Fleet installs blank disks without asking; this one is not.
    site.push()?;
    let over = site.until(&server, "the refusal", INSTALL, |view| {
        view.job.as_ref().is_some_and(|job| job.status == "complete")
    });
    let view = over.await?;
    assert_eq!(view.job.as_ref().and_then(|job| job.outcome.as_deref()), Some("failed"));
    assert_clean_bmc(&server);
    assert!(disk.contents()? == before, "the disk was written to");
    let said = site.shoal(&["status", "db-02"])?;
    assert!(said.contains("blank"), "{said}");
    assert!(said.contains("lvm physical volume") && said.contains("md raid member"), "{said}");
    assert!(said.contains("shoal approve"), "what to do is said: {said}");

    site.approve("db-02", "the old database was moved, CHG-8").await?;
    let view = site.until(&server, "the install", INSTALL, is_ready).await?;
    assert_eq!(view.job.as_ref().map(|job| job.attempt), Some(1));
    let medium = server.says_whole("task medium found", INSTALL).await?;
    assert!(medium.contains("in /dev/sr0"), "the task is at the end of the one medium: {medium}");
    server.says("db-02 login:", INSTALL).await?;
    // This BMC tells how far a boot has come, and the controller knows then that the system starts.
    let observed = site.until(&server, "the observed boot", INSTALL, |view| {
        view.status.record.installed.as_ref().is_some_and(|installed| installed.boot_observed)
    });
    observed.await?;
    server.switch_off(INSTALL).await?;
    assert_eq!(formats(&disk)?, [format("vfat"), format("vfat"), format("swap"), format("ext4")]);
    for old in ["oldvg", "old:0", "olddata"] {
        assert!(!disk.contains(old)?, "{old} is still on the disk");
    }
    Ok(())
}
