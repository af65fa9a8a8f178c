// SPDX-License-Identifier: AGPL-3.0-or-later
//! An image that is a whole disk: written as it comes, seeded, started. Nobody lays it out, and its bootloader is its
//! own. The BMC reads its media over TLS.

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;

use serde_json::Value;
use shoal_schema::status::ConditionType;
use shoal_testbed::bmc::Event;
use shoal_testbed_machines::{Disk, Options, SMALL_DISK};
use shoal_testbed_qemu::{AfterPowerCut, DiskBus, VmDisk};

use crate::faults::{MIDDLE, SLOW, STAYED_OFF, attempt, cut_power, more_came, says_from};
use crate::used_disk::USED;
use crate::world::{INSTALL, assert_clean_bmc, bmc_events, is_ready, reason, secrets_stay_secret, site};

/// In the root of the image, where it has a hole,
const IN_A_HOLE: u64 = 400 << 20;
/// and behind its end. Neither is where somebody looks whether a disk is blank.
const BEHIND: u64 = 1 << 30;

#[tokio::test(flavor = "multi_thread")]
async fn an_image_of_a_whole_disk_is_written_seeded_and_started() -> anyhow::Result<()> {
    let Some(mut site) = site().await else { return Ok(()) };
    site.give_media_over_tls()?;
    site.offer(SMALL_DISK)?;
    let disks = vec![VmDisk { bus: DiskBus::Virtio, serial: "DISK0001".to_owned(), size_bytes: 2 << 30 }];
    let server = site.add("db-03", Options { disks, os: SMALL_DISK, ..Options::default() }).await?;
    let path = &server.machine.disks()[0];
    let old = "what somebody else left here";
    let file = OpenOptions::new().write(true).open(path)?;
    file.write_all_at(old.as_bytes(), IN_A_HOLE)?;
    file.write_all_at(b"more of it", BEHIND)?;
    drop(file);
    site.push()?;
    let view = site.until(&server, "the install", INSTALL, is_ready).await?;
    let inserted: Vec<String> = bmc_events(&server)
        .filter_map(|event| match event {
            Event::Inserted { image, .. } => Some(image),
            _ => None,
        })
        .collect();
    assert!(inserted.len() == 2 && inserted.iter().all(|url| url.starts_with("https://")), "{inserted:?}");
    let job = view.job.as_ref().expect("a job");
    assert_eq!((job.attempt, job.outcome.as_deref()), (1, Some("succeeded")), "{:#?}", job.events);
    let installed = view.status.record.installed.as_ref().expect("a record of the install");
    assert_eq!(
        (installed.image.as_str(), installed.version.as_str()),
        (SMALL_DISK.image, SMALL_DISK.version)
    );
    assert_clean_bmc(&server);
    for once in ["brings its own layout", "pulls and writes the disk", "brings its own bootloader"] {
        assert_eq!(server.said(once), 1, "{once}");
    }
    assert_eq!(server.said("lays the disk out anew"), 0);

    // The first boot, with the seed.
    server.says("small: version 1", INSTALL).await?;
    server.says("db-03 login:", INSTALL).await?;
    server.switch_off(INSTALL).await?;

    let disk = Disk::new(path);
    let partitions = disk.partitions()?;
    let seen: Vec<_> = partitions.iter().map(|p| (p.name.as_str(), p.format.as_deref())).collect();
    assert_eq!(seen, [("esp", Some("vfat")), ("cidata", Some("vfat")), ("root", Some("ext4"))]);
    // Places and identifiers are the image's.
    assert_eq!(partitions[2].uuid.as_deref(), Some("5e0a1d15-0000-4000-8000-000000000001"));
    assert_eq!((partitions[2].start, partitions[2].size), (49 << 20, 512 << 20));
    assert!(!disk.contains(old)?, "the image's holes were not made");
    assert!(disk.contains("more of it")?, "nothing behind the image is anybody's business");

    let seed = disk.fat_file("cidata", "/meta-data")?.expect("a seed");
    assert!(String::from_utf8_lossy(&seed).contains("db-03"));
    let user_data = disk.fat_file("cidata", "/user-data")?.expect("user-data");
    assert!(String::from_utf8_lossy(&user_data).contains("hostname: \"db-03\""));
    let image: Value = serde_json::from_slice(&disk.fat_file("esp", "/shoal/image.json")?.expect("a stamp"))?;
    let digest = site.image(SMALL_DISK).and_then(|reference| reference.split_once('@')).expect("a digest").1;
    assert!(image.to_string().contains(digest), "{image}");
    let stamp: Value = serde_json::from_slice(&disk.fat_file("esp", "/shoal/stamp.json")?.expect("a stamp"))?;
    assert!(stamp.to_string().contains(job.job_id.as_str()), "{stamp}");
    secrets_stay_secret(&site, &server)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_disk_that_was_cut_short_has_no_table_and_is_written_again() -> anyhow::Result<()> {
    let Some(mut site) = site().await else { return Ok(()) };
    // Nothing is installed here before somebody agreed, blank or not.
    let fleet = site.repository().read("shoal.yaml")?;
    site.repository().write("shoal.yaml", &fleet.replace("blankOnly", "approve"))?;
    site.offer(SMALL_DISK)?;
    let options = Options {
        disks: vec![VmDisk { bus: DiskBus::Sata, serial: "DISK0001".to_owned(), size_bytes: 2 << 30 }],
        first_disk: Some(PathBuf::from(USED)),
        os: SMALL_DISK,
        ..Options::default()
    };
    let server = site.add("db-04", options).await?;
    let disk = Disk::new(&server.machine.disks()[0]);
    assert_eq!(disk.partitions()?.len(), 4);
    let before = disk.contents()?;
    site.push()?;
    let held = site.until(&server, "the hold", INSTALL, |view| {
        reason(view, ConditionType::Reconciling) == Some("ApprovalNeeded")
    });
    held.await?;
    assert!(disk.contents()? == before, "the disk was written to");
    site.approve("db-04", "whatever is on it, CHG-10").await?;

    server.says("looks for its task", INSTALL).await?;
    site.relay().slow(Some(SLOW));
    server.says("pulls and writes the disk", INSTALL).await?;
    more_came(&site, &server, MIDDLE).await?;
    let cut = cut_power(&server, AfterPowerCut::StaysOff).await?;
    site.relay().slow(None);
    assert!(disk.contents()? != before);
    assert_eq!(disk.partitions()?, [], "half a disk is none: nothing starts from it");
    attempt(&mut site, &server, 2, STAYED_OFF).await?;
    says_from(&server, cut, "pulls and writes the disk").await?;

    let view = site.until(&server, "the install", INSTALL, is_ready).await?;
    let job = view.job.as_ref().expect("a job");
    assert_eq!((job.attempt, job.outcome.as_deref()), (2, Some("succeeded")), "{:#?}", job.events);
    assert_clean_bmc(&server);
    server.says("db-04 login:", INSTALL).await?;
    server.switch_off(INSTALL).await?;
    let names: Vec<String> = disk.partitions()?.into_iter().map(|partition| partition.name).collect();
    assert_eq!(names, ["esp", "cidata", "root"]);
    assert!(!disk.contains("oldvg")?, "the volume group is still there");
    assert!(disk.fat_file("esp", "/shoal/stamp.json")?.is_some());
    Ok(())
}
