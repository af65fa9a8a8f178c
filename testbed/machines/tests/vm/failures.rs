// SPDX-License-Identifier: AGPL-3.0-or-later
//! Faults that stay: what Git asks for cannot be had on this machine. Each fails at its own step, as often as a repeat
//! may help; why and what to do stand in `shoal status` and on the status branch. The machine is left off, or in the
//! maintenance OS where Git says so, its BMC clean, and nothing on its disk passes for an install.

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use serde_json::Value;
use shoal_schema::api::JobEvent;
use shoal_schema::status::{ConditionType, RecordState};
use shoal_schema::step::Step;
use shoal_testbed::bmc::{Event, Power};
use shoal_testbed_machines::{
    Disk, LINUX, Options, Os, SEEDLESS, SMALL, SMALL_NEXT, Server, Site, UNBOOTABLE,
};
use shoal_testbed_qemu::{DiskBus, VmDisk};

use crate::world::{INSTALL, assert_clean_bmc, bmc_events, is_ready, nobody_was_told, reason, site};

/// What needs no machine.
const SHORT: Duration = Duration::from_secs(60);
/// Bytes of every disk here.
const DISK_BYTES: u64 = 2 << 30;
/// Nearly the most that user-data may have.
const USER_DATA_BYTES: usize = 1_047_000;

/// Behind a port where nobody listens.
const ELSEWHERE: Os = Os::archive("elsewhere", "1");
/// With a digest that nobody pushed.
const LOST: Os = Os::archive("lost", "1");

const ESP: &str = "{size: 128M, type_guid: ef00, format: vfat, label: esp}";
const CIDATA: &str = "{size: 34M, type_guid: \"8300\", format: vfat, label: cidata}";
const ROOT: &str = "{size: 100%, type_guid: \"8300\", format: ext4, label: root}";

/// No room for XFS.
const CRAMPED: [&str; 3] = [
    ESP,
    "{size: 100%, type_guid: \"8300\", format: xfs, label: root}",
    "{size: 1800M, type_guid: \"8300\"}",
];
/// How that fails.
const UNFORMATTED: Fails = Fails {
    step: Step::WorkflowPartition,
    unit: Some("partition.service"),
    code: "format_failed",
    says: "partition 2",
    attempts: 1,
};

/// How a job is to fail.
struct Fails {
    step: Step,
    /// The unit that failed; none where the controller itself said no.
    unit: Option<&'static str>,
    code: &'static str,
    /// Part of the message.
    says: &'static str,
    /// How often it fails so.
    attempts: usize,
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_disk_cannot_hold_or_boot_fails_at_its_step_and_says_why() -> anyhow::Result<()> {
    let Some(mut site) = site().await else { return Ok(()) };
    site.write_recipe("vast", &[ESP, "{size: 4G, type_guid: \"8300\", format: ext4, label: root}"])?;
    site.write_recipe("cramped", &CRAMPED)?;
    // Of a type that is no Linux system's.
    site.write_recipe(
        "rootless",
        &[ESP, CIDATA, "{size: 100%, type_guid: \"0700\", format: ext4, label: root}"],
    )?;
    site.write_recipe("narrow", &[ESP, "{size: 16M, type_guid: \"8300\", format: ext4, label: root}"])?;
    site.write_recipe("unbooted", &[CIDATA, ROOT])?;
    // All of them are valid. What lacks a part is warned of.
    let validated = site.shoal(&["validate", "--json"])?;
    for lacking in ["an EFI system partition", "a root"] {
        assert!(validated.contains(&format!("the layout lacks {lacking}")), "{validated}");
    }

    // Too small a disk is refused before anything may be written: what is on it stays, and so would a running system.
    let server = make(&mut site, "vast", "vast", SMALL).await?;
    let old = b"what somebody else left here";
    OpenOptions::new().write(true).open(&server.machine.disks()[0])?.write_all_at(old, 8 << 20)?;
    let disk = Disk::new(&server.machine.disks()[0]);
    let before = disk.contents()?;
    site.push()?;
    let refused = Fails {
        step: Step::WorkflowDisk,
        unit: None,
        code: "disk_too_small",
        says: "needs 4226M",
        attempts: 1,
    };
    refused.by(&site, &server, RecordState::Unknown).await?;
    assert!(disk.contents()? == before, "the disk was written to");

    // A layout that has no room for one of its file systems.
    let server = add(&mut site, "cramped", "cramped", SMALL).await?;
    UNFORMATTED.by(&site, &server, RecordState::Dirty).await?;

    // A layout with nowhere to put the system.
    let server = add(&mut site, "rootless", "rootless", SMALL).await?;
    let image = Fails {
        step: Step::WorkflowImageLinux,
        unit: Some("image-linux.service"),
        code: "bad_layout",
        says: "no Linux partition",
        attempts: 1,
    };
    image.by(&site, &server, RecordState::Dirty).await?;

    // A root that is smaller than the image.
    let server = add(&mut site, "narrow", "narrow", SMALL).await?;
    Fails { code: "disk_full", says: "No space left", ..image }
        .by(&site, &server, RecordState::Dirty)
        .await?;
    assert_no_image(&server)?;

    // Nothing to boot from, once for want of a partition and once for want of a kernel.
    let server = add(&mut site, "unbooted", "unbooted", SMALL).await?;
    let bootloader = Fails {
        step: Step::WorkflowBootloaderLinux,
        unit: Some("bootloader-linux.service"),
        code: "missing_esp",
        says: "EFI system partition",
        attempts: 1,
    };
    bootloader.by(&site, &server, RecordState::Dirty).await?;
    let server = add(&mut site, "kernelless", LINUX, UNBOOTABLE).await?;
    Fails { code: "bootloader_failed", says: "no vmlinuz", ..bootloader }
        .by(&site, &server, RecordState::Dirty)
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_that_cannot_be_had_fails_at_its_step_and_says_why() -> anyhow::Result<()> {
    let Some(mut site) = site().await else { return Ok(()) };
    let reference = site.image(SMALL).context("an image")?.to_owned();
    site.add_image(ELSEWHERE, &reference.replace(":8443/", ":9443/"))?;
    let (name, _) = reference.split_once('@').context("a reference with a digest")?;
    site.add_image(LOST, &format!("{name}@sha256:{}", "5".repeat(64)))?;

    // A registry that does not answer may answer later: all three attempts are used.
    let elsewhere = add(&mut site, "elsewhere", LINUX, ELSEWHERE).await?;
    let twice = site.until(&elsewhere, "two attempts", INSTALL, |view| {
        view.job.as_ref().is_some_and(|job| job.attempt == 3)
    });
    twice.await?;

    // The pause before the third is long enough for another machine.
    let lost = add(&mut site, "lost", LINUX, LOST).await?;
    let image = Fails {
        step: Step::WorkflowImageLinux,
        unit: Some("image-linux.service"),
        code: "image_missing",
        says: "404",
        attempts: 1,
    };
    image.by(&site, &lost, RecordState::Dirty).await?;
    assert_no_image(&lost)?;

    let unreachable = Fails { code: "registry_unreachable", says: "10.0.2.2:9443", attempts: 3, ..image };
    unreachable.by(&site, &elsewhere, RecordState::Dirty).await?;
    assert_no_image(&elsewhere)?;

    // A registry whose disk turned a bit in the middle of the image sends nothing of that piece.
    let blob = layer(&site, SMALL_NEXT)?;
    let file = OpenOptions::new().read(true).write(true).open(&blob)?;
    let (middle, mut byte) = (file.metadata()?.len() / 2, [0]);
    file.read_exact_at(&mut byte, middle)?;
    file.write_all_at(&[byte[0] ^ 1], middle)?;
    drop(file);
    let damaged = add(&mut site, "damaged", LINUX, SMALL_NEXT).await?;
    Fails { says: "pull the blob", ..image }.by(&site, &damaged, RecordState::Dirty).await?;
    assert_no_image(&damaged)?;
    // It is out of the way, for somebody to push it again.
    assert!(!blob.exists(), "{}", blob.display());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_seed_that_has_no_place_fails_at_its_step_and_a_machine_is_kept_for_a_look_where_git_says_so()
-> anyhow::Result<()> {
    let Some(mut site) = site().await else { return Ok(()) };
    let seed = Fails {
        step: Step::WorkflowConfigDrive,
        unit: Some("config-drive.service"),
        code: "seed_failed",
        says: "no FAT volume labelled cidata",
        attempts: 1,
    };
    // A whole disk, as most clouds have it: where the seed belongs, only the image could say.
    site.offer(SEEDLESS)?;
    let server = add(&mut site, "seedless", LINUX, SEEDLESS).await?;
    seed.by(&site, &server, RecordState::Dirty).await?;
    server.says("brings its own bootloader", SHORT).await?;

    // A volume that is smaller than the user-data. Git wants to have a look at a machine that fails.
    site.write_recipe(
        "stuffed",
        &[ESP, "{size: 1M, type_guid: \"8300\", format: vfat, label: cidata}", ROOT],
    )?;
    let recipe = site.repository().read("recipes/stuffed.yaml")?;
    let stuffing = format!("#cloud-config\n      # {}\n", "stuffing ".repeat(USER_DATA_BYTES / 9));
    site.repository().write("recipes/stuffed.yaml", &recipe.replace("#cloud-config\n", &stuffing))?;
    let server = site.add("stuffed", Options { keep: true, ..options("stuffed", SMALL) }).await?;
    site.push()?;
    Fails { says: "FAT volume cidata", ..seed }.by(&site, &server, RecordState::Dirty).await?;
    let disk = Disk::new(&server.machine.disks()[0]);
    assert_eq!(disk.fat_file("cidata", "/meta-data")?, None, "half a seed is none");
    assert!(disk.fat_file("esp", "/EFI/BOOT/BOOTX64.EFI")?.is_some(), "all but the seed is there");
    // The maintenance OS is up and stays: nobody switched the machine off, or on.
    assert!(bmc_events(&server).all(|event| !matches!(event, Event::PoweredOff)));
    assert_eq!(server.said("looks for its task"), 1);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_that_was_kept_for_a_look_is_installed_once_its_recipe_is_right() -> anyhow::Result<()> {
    let Some(mut site) = site().await else { return Ok(()) };
    site.write_recipe("cramped", &CRAMPED)?;
    let mut server = site.add("kept", Options { keep: true, ..options("cramped", SMALL) }).await?;
    site.push()?;
    UNFORMATTED.by(&site, &server, RecordState::Dirty).await?;

    // Corrected and agreed to, it goes on.
    LINUX.clone_into(&mut server.wanted.recipe);
    site.write_server(&server)?;
    site.repository().commit("kept: the usual layout")?;
    site.push()?;
    site.approve("kept", "the usual layout, CHG-9").await?;
    let view = site.until(&server, "the install", INSTALL, is_ready).await?;
    let job = view.job.as_ref().context("a job")?;
    assert_eq!((job.attempt, job.outcome.as_deref()), (1, Some("succeeded")), "{:#?}", job.events);
    assert_eq!(server.said("looks for its task"), 2);
    assert_clean_bmc(&server);
    server.says("kept login:", INSTALL).await?;
    Ok(())
}

/// How a machine here is made.
fn options(recipe: &str, os: Os) -> Options {
    let disks = vec![VmDisk { bus: DiskBus::Virtio, serial: "DISK0001".to_owned(), size_bytes: DISK_BYTES }];
    Options { disks, os, recipe: recipe.to_owned(), ..Options::default() }
}

/// Makes a machine, without telling the controller.
async fn make(site: &mut Site, name: &str, recipe: &str, os: Os) -> anyhow::Result<Server> {
    site.add(name, options(recipe, os)).await
}

/// Makes a machine, and pushes that it is wanted.
async fn add(site: &mut Site, name: &str, recipe: &str, os: Os) -> anyhow::Result<Server> {
    let server = make(site, name, recipe, os).await?;
    site.push()?;
    Ok(server)
}

impl Fails {
    /// Waits for the failure, and looks at all that it leaves behind.
    async fn by(&self, site: &Site, server: &Server, record: RecordState) -> anyhow::Result<()> {
        let name = &server.wanted.name;
        let view = site.until(server, "the failure", INSTALL, |view| {
            view.job.as_ref().is_some_and(|job| job.status == "complete")
                && reason(view, ConditionType::Stalled).is_some()
        });
        let view = view.await?;
        let job = view.job.as_ref().context("a job")?;
        let error = view.status.last_error.as_ref().context("a reason")?;
        // A host that has too much to do can cost an attempt for a reason of its own: that one counts for nothing.
        let again =
            |event: &&JobEvent| event.message.starts_with("attempt ") && event.message.contains(self.says);
        let attempts = 1 + job.events.iter().filter(again).count();
        let seen = (job.outcome.as_deref(), error.step, error.unit.as_deref(), error.code.as_str(), attempts);
        let wanted = (Some("failed"), self.step, self.unit, self.code, self.attempts);
        assert_eq!(seen, wanted, "{name}: {error:?} {:#?}", job.events);
        assert!(error.message.contains(self.says), "{name}: {error:?}");
        assert_eq!(job.failed_step, Some(self.step));
        // Whoever looks finds a person wanted; nothing is tried again by itself.
        let why = if record == RecordState::Dirty { "DiskWritten" } else { "Failed" };
        assert_eq!(reason(&view, ConditionType::Stalled), Some(why));
        assert_eq!((view.status.record.state, view.status.next_try), (record, None));

        let said = site.shoal(&["status", name])?;
        let parts = [self.step.key(), self.code, &error.message, &error.hint, self.unit.unwrap_or_default()];
        for part in parts {
            assert!(said.contains(part), "{name}: {part:?} is not in\n{said}");
        }
        assert_eq!(
            said.contains("left in the maintenance OS for a look"),
            server.wanted.keep,
            "{name}: {said}"
        );
        let published = site.until_published(name, SHORT, |status| {
            status.job.as_ref().is_some_and(|job| job.status == "complete")
        });
        let mut published = published.await?.last_error.context("a reason on the status branch")?;
        published.log_tail.clone_from(&error.log_tail);
        assert_eq!(&published, error);

        assert_clean_bmc(server);
        let (left, kept) = if server.wanted.keep { (Power::On, 1) } else { (Power::Off, 0) };
        assert_eq!(server.bmc().state().power, left);
        let stays_up = |event: &&JobEvent| event.message.contains("stays up for a look");
        assert_eq!(job.events.iter().filter(stays_up).count(), kept, "{name}: {:#?}", job.events);
        nobody_was_told(site, server)?;
        let disk = Disk::new(&server.machine.disks()[0]);
        for (what, value) in site.canaries() {
            assert!(!disk.contains(value)?, "the {what} is on the disk");
        }
        let has_esp = disk.partitions()?.iter().any(|partition| partition.name == "esp");
        assert!(
            !has_esp || disk.fat_file("esp", "/shoal/stamp.json")?.is_none(),
            "{name}: the disk is stamped"
        );
        Ok(())
    }
}

/// The root is there, and does not say that an image is on it.
fn assert_no_image(server: &Server) -> anyhow::Result<()> {
    let disk = Disk::new(&server.machine.disks()[0]);
    assert_eq!(disk.ext4_file("root", "/etc/shoal/image.json")?, None);
    Ok(())
}

/// The file of an image's layer in the controller's registry.
fn layer(site: &Site, os: Os) -> anyhow::Result<PathBuf> {
    let blobs = site.place().storage().join("oci/blobs/sha256");
    let reference = site.image(os).context("an image")?;
    let (_, digest) = reference.split_once("@sha256:").context("a reference with a digest")?;
    let manifest: Value = serde_json::from_slice(&std::fs::read(blobs.join(digest))?)?;
    let layer = manifest["layers"][0]["digest"].as_str().context("a layer")?;
    Ok(blobs.join(layer.trim_start_matches("sha256:")))
}
