// SPDX-License-Identifier: AGPL-3.0-or-later
//! Faults that pass: power, network, controller and reports go away in the middle and come back. The machine ends
//! installed, within the attempts that a job has, and is installed once.

use std::time::Duration;

use shoal_schema::api::{JobView, ServerView};
use shoal_testbed::bmc::{BootDevice, Event};
use shoal_testbed::faults::FaultPlan;
use shoal_testbed_machines::{Disk, FoundPartition, Options, Server, Site};
use shoal_testbed_qemu::AfterPowerCut;
use tokio::time::Instant;

use crate::world::{INSTALL, LOOK, assert_clean_bmc, bmc_events, bmc_says, is_ready, site};

/// How long the cable is out.
const UNPLUGGED: Duration = Duration::from_secs(15);
/// Bytes a second to a machine while its imaging is to be met.
pub(crate) const SLOW: u64 = 300_000;
/// Bytes of the image that count as the middle.
pub(crate) const MIDDLE: u64 = 3_000_000;

/// Why an attempt ended whose machine lost its power.
pub(crate) const STAYED_OFF: &str = "went off and stayed off without a report";
/// The same where it came back, and had forgotten all.
const SAID_NOTHING: &str = "reported nothing within its budget";

/// A quarter of an hour passes in 75 seconds. Not quicker: the four hours that a job may take in all pass as quickly.
const FASTER: &str = "--time-divisor=12";

#[tokio::test(flavor = "multi_thread")]
async fn a_pulled_network_and_a_controller_killed_in_every_phase_end_in_one_install_of_one_attempt()
-> anyhow::Result<()> {
    let Some(mut site) = site().await else { return Ok(()) };
    let server = site.add("web-01", Options::default()).await?;
    site.push()?;

    bmc_says(&server, "a medium in its slot", |event| matches!(event, Event::Inserted { .. })).await?;
    come_back(&mut site).await?;
    bmc_says(&server, "the boot override", |event| matches!(event, Event::OverrideSet { .. })).await?;
    come_back(&mut site).await?;
    server.says("looks for its task", INSTALL).await?;
    come_back(&mut site).await?;
    // Its permit is granted; whether it has heard so, nobody knows.
    site.relay().slow(Some(SLOW));
    phase(&site, &server, "installing").await?;
    come_back(&mut site).await?;

    server.says("pulls and unpacks", INSTALL).await?;
    more_came(&site, &server, MIDDLE).await?;
    come_back(&mut site).await?;
    more_came(&site, &server, MIDDLE).await?;
    server.machine.set_link(false).await?;
    // So long is the fault.
    tokio::time::sleep(UNPLUGGED).await;
    server.machine.set_link(true).await?;
    more_came(&site, &server, MIDDLE).await?;
    site.relay().slow(None);

    server.says("[imager]  INFO done", INSTALL).await?;
    server.says("[bootloader]  INFO done", INSTALL).await?;
    site.kill_controller()?;
    server.says("webhook not delivered", INSTALL).await?;
    site.start_controller().await?;
    bmc_says(&server, "an empty slot", |event| matches!(event, Event::Ejected { .. })).await?;
    come_back(&mut site).await?;

    let view = site.until(&server, "the install", INSTALL, is_ready).await?;
    let job = view.job.as_ref().expect("a job");
    assert_eq!((job.attempt, job.outcome.as_deref()), (1, Some("succeeded")), "{:#?}", job.events);
    assert_eq!(noted(job, "the machine reports success"), 1);
    assert!(noted(job, "the controller came back") >= 6, "{:#?}", job.events);
    assert_clean_bmc(&server);
    server.says("web-01 login:", INSTALL).await?;
    assert_eq!(maintenance_boots(&server), 1);
    for once in ["lays the disk out anew", "pulls and unpacks", "installs GRUB", "small: version"] {
        assert_eq!(server.said(once), 1, "{once}");
    }
    assert_eq!(server.said("target started"), 1);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn power_cuts_while_partitioning_and_imaging_end_installed_at_the_third_attempt() -> anyhow::Result<()>
{
    let Some(mut site) = site().await else { return Ok(()) };
    let server = site.add("web-01", Options::default()).await?;
    site.push()?;

    server.says("makes a file system number=2", INSTALL).await?;
    let cut = cut_power(&server, AfterPowerCut::StaysOff).await?;
    attempt(&mut site, &server, 2, STAYED_OFF).await?;
    says_from(&server, cut, "an earlier run was cut short").await?;
    site.relay().slow(Some(SLOW));
    says_from(&server, cut, "pulls and unpacks").await?;
    more_came(&site, &server, MIDDLE).await?;
    assert_eq!(server.said("unpacked and verified"), 0);
    // The power is back before anybody looks: firmware finds a disk that does not start, and waits.
    let cut = cut_power(&server, AfterPowerCut::ComesBack).await?;
    site.relay().slow(None);
    attempt(&mut site, &server, 3, SAID_NOTHING).await?;
    says_from(&server, cut, "left alone").await?;
    says_from(&server, cut, "the root holds something else: makes its file system anew").await?;

    let view = site.until(&server, "the install", INSTALL, is_ready).await?;
    let job = view.job.as_ref().expect("a job");
    assert_eq!((job.attempt, job.outcome.as_deref()), (3, Some("succeeded")), "{:#?}", job.events);
    assert_eq!(maintenance_boots(&server), 3);
    assert_clean_bmc(&server);
    server.says("web-01 login:", INSTALL).await?;
    server.switch_off(INSTALL).await?;
    assert_whole(&server)
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_power_cut_in_the_bootloader_nothing_is_formatted_or_extracted_again() -> anyhow::Result<()> {
    let Some(mut site) = site().await else { return Ok(()) };
    let server = site.add("web-01", Options::default()).await?;
    site.push()?;

    server.says("installs GRUB", INSTALL).await?;
    let cut = cut_power(&server, AfterPowerCut::StaysOff).await?;
    let disk = Disk::new(&server.machine.disks()[0]);
    let before = disk.partitions()?;
    assert_eq!(before.len(), 4, "{before:?}");
    attempt(&mut site, &server, 2, STAYED_OFF).await?;
    says_from(&server, cut, "layout and file systems are as they should be: left alone").await?;
    says_from(&server, cut, "this image is installed: left alone").await?;
    says_from(&server, cut, "installs GRUB").await?;

    let view = site.until(&server, "the install", INSTALL, is_ready).await?;
    let job = view.job.as_ref().expect("a job");
    assert_eq!((job.attempt, job.outcome.as_deref()), (2, Some("succeeded")), "{:#?}", job.events);
    assert_eq!(server.said("pulls and unpacks"), 1);
    assert_clean_bmc(&server);
    server.says("web-01 login:", INSTALL).await?;
    server.switch_off(INSTALL).await?;
    assert_eq!(disk.partitions()?, before, "places, GUIDs and UUIDs are the same");
    assert_whole(&server)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_webhook_is_repeated_and_installs_nothing_twice() -> anyhow::Result<()> {
    let Some(mut site) = site().await else { return Ok(()) };
    let server = site.add("web-01", Options::default()).await?;
    site.push()?;

    // The first report gets lost on its way, the answer to the second one on the way back.
    server.says("[imager]  INFO done", INSTALL).await?;
    site.relay().close(true);
    // What follows a success must not end the machine before it repeats its report.
    server.bmc().set_faults(FaultPlan::parse(
        "rules: [{name: busy, path: '**/Actions/ComputerSystem.Reset', fault: {kind: status, status: 503}}]",
    )?)?;
    server.says("webhook not delivered", INSTALL).await?;
    site.relay().swallow_answers(true);
    site.relay().close(false);
    let succeeded = |view: &ServerView| view.job.as_ref().is_some_and(|job| job.status == "succeeded");
    site.until(&server, "the report", INSTALL, succeeded).await?;
    site.relay().swallow_answers(false);
    server.says("webhook delivered detail=try 3", INSTALL).await?;
    server.bmc().set_faults(FaultPlan::default())?;

    let view = site.until(&server, "the install", INSTALL, is_ready).await?;
    let job = view.job.as_ref().expect("a job");
    assert_eq!((job.attempt, job.outcome.as_deref()), (1, Some("succeeded")), "{:#?}", job.events);
    assert_eq!(noted(job, "the machine reports success"), 1, "{:#?}", job.events);
    assert_eq!(noted(job, "complete: installed"), 1, "{:#?}", job.events);
    assert_eq!(maintenance_boots(&server), 1);
    assert_clean_bmc(&server);
    server.says("web-01 login:", INSTALL).await?;
    Ok(())
}

/// `kill -9`, and at once another one.
async fn come_back(site: &mut Site) -> anyhow::Result<()> {
    site.kill_controller()?;
    site.start_controller().await
}

/// Takes the power; the place on the console where it was.
pub(crate) async fn cut_power(server: &Server, after: AfterPowerCut) -> anyhow::Result<u64> {
    server.machine.cut_power(after).await?;
    Ok(server.machine.console().position())
}

/// A line on the console at `from` or later.
pub(crate) async fn says_from(server: &Server, from: u64, text: &str) -> anyhow::Result<()> {
    let found = server.machine.console().wait_for(from, |line| line.contains(text));
    match tokio::time::timeout(INSTALL, found).await {
        Ok(Some(_)) => Ok(()),
        _ => anyhow::bail!("never said {text:?}\n{:?}\n{}", server.machine.events(), server.last_words(60)),
    }
}

/// Waits until so much more went to the machine.
pub(crate) async fn more_came(site: &Site, server: &Server, bytes: u64) -> anyhow::Result<()> {
    let (before, deadline) = (site.relay().delivered(), Instant::now() + INSTALL);
    while site.relay().delivered() < before + bytes {
        if Instant::now() >= deadline {
            let came = site.relay().delivered() - before;
            anyhow::bail!("{came} bytes of {bytes} came\n{}", server.last_words(60));
        }
        tokio::time::sleep(LOOK).await;
    }
    Ok(())
}

fn maintenance_boots(server: &Server) -> usize {
    let is = |event: &Event| matches!(event, Event::Boot { device: BootDevice::Cd { .. }, .. });
    bmc_events(server).filter(is).count()
}

async fn phase(site: &Site, server: &Server, label: &str) -> anyhow::Result<ServerView> {
    let is = |view: &ServerView| view.job.as_ref().is_some_and(|job| job.phase == label);
    site.until(server, label, INSTALL, is).await
}

fn noted(job: &JobView, text: &str) -> usize {
    job.events.iter().filter(|event| event.message.contains(text)).count()
}

/// What an install leaves: four partitions with file systems, a bootloader, the stamp.
fn assert_whole(server: &Server) -> anyhow::Result<()> {
    let disk = Disk::new(&server.machine.disks()[0]);
    let formats: Vec<_> =
        disk.partitions()?.into_iter().map(|FoundPartition { format, .. }| format).collect();
    assert_eq!(formats.iter().flatten().collect::<Vec<_>>(), ["vfat", "vfat", "swap", "ext4"]);
    assert!(disk.fat_file("esp", "/EFI/BOOT/BOOTX64.EFI")?.is_some());
    assert!(disk.fat_file("esp", "/shoal/stamp.json")?.is_some());
    Ok(())
}

/// Waits for an attempt after the machine was lost in the middle of the one before, and for what ended that.
///
/// A machine that had its permit is waited for: a quarter of an hour when it is off, two hours else. A controller
/// whose clock runs faster lets that pass.
pub(crate) async fn attempt(site: &mut Site, server: &Server, number: u32, why: &str) -> anyhow::Result<()> {
    site.kill_controller()?;
    site.start_controller_with(&[FASTER]).await?;
    let is = |view: &ServerView| view.job.as_ref().is_some_and(|job| job.attempt == number);
    let view = site.until(server, "the next attempt", INSTALL, is).await?;
    come_back(site).await?;
    let job = view.job.as_ref().expect("a job");
    assert_eq!(noted(job, why), 1, "{:#?}", job.events);
    Ok(())
}
