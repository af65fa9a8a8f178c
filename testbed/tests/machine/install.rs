// SPDX-License-Identifier: AGPL-3.0-or-later
//! Installs that go well, over each form of media.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use shoal_dispatcher::exit::Exit;
use shoal_schema::wire::stamp::Stamp;
use shoal_testbed::bmc::profiles::{ILO5, SMC_X13_SINGLE};
use shoal_testbed::bmc::{BootProgress, Clock as _, ManualClock, MediumKind, Power};
use shoal_testbed::machine::{AfterInstall, BootReads, Happening, MachineReport, Running};

use crate::bench::{Bench, Options, SERIAL};
use crate::controller::{Controller, IMAGE, USER_DATA, linux, stamp};

fn units(bench: &Bench) -> Vec<String> {
    let report = bench.report();
    let ended = report.find(|what| match what {
        Happening::StepEnded { unit, error: None } => Some(unit.clone()),
        _ => None,
    });
    ended.collect()
}

/// Everything that a finished install must have left.
fn check_installed(bench: &Bench) {
    let installed = bench.installed().expect("a partition table");
    let wanted: Stamp = serde_json::from_value(stamp()).expect("a stamp");
    assert_eq!(installed.stamp.as_ref(), Some(&wanted));
    assert!(installed.boot_loader);
    let names: Vec<&str> = installed.partitions.iter().map(|partition| partition.name.as_str()).collect();
    assert_eq!(names, ["esp", "swap", "root"]);
    let root = installed.root.expect("a root");
    assert_eq!((root.image.as_str(), root.complete), (IMAGE, true));
    assert_eq!(root.image_digest, IMAGE.split_once('@').expect("a digest").1);
    let kept: Stamp = serde_json::from_str(&root.files["etc/shoal/stamp.json"]).expect("a stamp");
    assert_eq!(kept, wanted);
    let seed = installed.seed.expect("a seed");
    assert_eq!(seed.place, "var/lib/cloud/seed/nocloud");
    assert_eq!(seed.user_data.as_deref(), Some(USER_DATA));
    assert!(seed.meta_data.expect("meta-data").contains(&format!("instance-id: \"{SERIAL}\"")));
    assert!(seed.network_config.is_some());
}

#[tokio::test]
async fn an_attempt_ends_installed_reported_and_then_boots_its_disk() {
    let bench = Bench::new("{}").await;
    assert!(bench.installed().is_none());
    bench.attempt().await;
    bench.until_webhooks(1).await;
    let webhook = &bench.controller.webhooks()[0];
    assert_eq!((&webhook["status"], &webhook["attempt"]), (&json!("success"), &json!(1)));
    assert_eq!(
        units(&bench),
        ["partition.service", "image-linux.service", "bootloader-linux.service", "config-drive.service"]
    );
    check_installed(&bench);

    let report = bench.report();
    assert_eq!((report.boots, report.permits_granted, report.installs), (1, 1, 1));
    assert_eq!(report.running, Running::Maintenance, "it waits for the controller");
    let exits: Vec<Exit> = report
        .find(|what| match what {
            Happening::Dispatched { exit, .. } => Some(*exit),
            _ => None,
        })
        .collect();
    assert_eq!(exits, [Exit::HandedOff]);
    assert!(bench.controller.range_requests() > 4, "media are read by range");

    bench.finish().await;
    bench.reset("On").await;
    bench.until_running(Running::System).await;
    bench.until("boot progress", |bench| bench.bmc().state().progress == BootProgress::OSRunning).await;
    let report = bench.report();
    let started: Vec<_> = report
        .find(|what| match what {
            Happening::SystemStarted { stamp, image } => Some((stamp.is_some(), image.clone())),
            _ => None,
        })
        .collect();
    assert_eq!(started, [(true, Some(IMAGE.to_owned()))]);
}

#[tokio::test]
async fn nothing_that_is_secret_is_in_what_a_machine_reports() {
    let bench = Bench::new("{}").await;
    bench.attempt().await;
    bench.until_webhooks(1).await;
    let told = serde_json::to_string(&bench.report()).expect("serialisable")
        + &json!(bench.controller.webhooks()).to_string();
    assert!(!told.contains("canary"), "{told}");
}

#[tokio::test]
async fn a_task_on_a_usb_stick_shows_up_late_and_is_found() {
    let bench =
        Bench::with(Controller::plain().await, Options { profile: &ILO5, ..Options::default() }).await;
    let task = bench.controller.usb_task(&bench.controller.task_for(SERIAL), &linux());
    bench.insert(1, &bench.controller.maintenance()).await;
    bench.insert(0, &task).await;
    assert_eq!((bench.medium_kind(0), bench.medium_kind(1)), (Some(MediumKind::Usb), Some(MediumKind::Cd)));
    bench.boot_once().await;
    bench.reset("On").await;
    bench.until_webhooks(1).await;
    check_installed(&bench);
    let report = bench.report();
    let found: Vec<String> = report
        .find(|what| match what {
            Happening::TaskFound { device, .. } => Some(device.clone()),
            _ => None,
        })
        .collect();
    assert_eq!(found, ["/dev/sdx"]);
}

#[tokio::test]
async fn a_task_at_the_end_of_the_only_medium_is_found() {
    let options = Options { profile: &SMC_X13_SINGLE, boot_reads: BootReads::Whole, ..Options::default() };
    let bench = Bench::with(Controller::plain().await, options).await;
    let composed = bench.controller.composed(&bench.controller.task_for(SERIAL), &linux());
    bench.insert(0, &composed).await;
    bench.boot_once().await;
    bench.reset("On").await;
    bench.until_webhooks(1).await;
    check_installed(&bench);
    let report = bench.report();
    let offsets: Vec<u64> = report
        .find(|what| match what {
            Happening::TaskFound { offset, .. } => Some(*offset),
            _ => None,
        })
        .collect();
    assert!(offsets.len() == 1 && offsets[0] > 0, "{offsets:?}");
}

#[tokio::test]
async fn a_seed_goes_to_its_own_partition_where_there_is_one() {
    let bench = Bench::new("{}").await;
    let mut recipe = linux();
    let drive = json!({"size": "2M", "type_guid": "0700", "format": "vfat", "label": "cidata"});
    recipe["partition_layout"].as_array_mut().expect("a list").push(drive);
    bench.start(&bench.controller.task_for(SERIAL), &recipe).await;
    bench.until_webhooks(1).await;
    let seed = bench.installed().expect("a table").seed.expect("a seed");
    assert_eq!((seed.place.as_str(), seed.user_data.as_deref()), ("cidata", Some(USER_DATA)));
}

#[tokio::test]
async fn windows_has_its_own_steps_and_boot_files() {
    let bench = Bench::new("{}").await;
    let recipe = json!({
        "task_target": "install-windows.target",
        "target_disk": {"serial": "DISK1"},
        "oci_url": IMAGE,
        "partition_layout": [
            {"size": "8M", "type_guid": "ef00", "format": "vfat", "label": "esp"},
            {"size": "2M", "type_guid": "0c01"},
            {"size": "100%", "type_guid": "0700", "format": "ntfs", "label": "windows"},
        ],
    });
    bench.start(&bench.controller.task_for(SERIAL), &recipe).await;
    bench.until_webhooks(1).await;
    assert_eq!(units(&bench), ["partition.service", "image-windows.service", "bootloader-windows.service"]);
    let installed = bench.installed().expect("a table");
    assert!(installed.boot_loader && installed.stamp.is_some() && installed.root.expect("a root").complete);
}

#[tokio::test]
async fn a_firmware_update_writes_no_disk() {
    let bench = Bench::new("{}").await;
    let recipe =
        json!({"task_target": "supermicro-update.target", "firmware_url": "https://controller/fw.bin"});
    let mut task = bench.controller.task_for(SERIAL);
    task["disk"] = json!(null);
    bench
        .controller
        .answers(json!({"decision": "granted", "stamp": stamp(), "time": "2026-03-01T12:00:00Z"}));
    bench.start(&task, &recipe).await;
    bench.until_webhooks(1).await;
    assert_eq!(units(&bench), ["firmware-update.service"]);
    assert_eq!(bench.disk_writes(), 0);
}

#[tokio::test]
async fn a_machine_may_switch_itself_off_when_it_is_done() {
    let options = Options { after_install: AfterInstall::PowersOff, ..Options::default() };
    let bench = Bench::with(Controller::plain().await, options).await;
    bench.attempt().await;
    bench.until("off", |bench| bench.bmc().state().power == Power::Off && bench.report().installs == 1).await;
    assert_eq!(bench.report().running, Running::Nothing);
    assert_eq!(bench.controller.webhooks().len(), 1);
}

#[tokio::test]
async fn an_empty_machine_has_nothing_to_boot_and_one_with_an_old_system_boots_it() {
    let bench = Bench::new("{}").await;
    bench.reset("On").await;
    bench.until_running(Running::NoBootDevice).await;
    let bench = Bench::new("{old_contents: system}").await;
    bench.reset("On").await;
    bench.until_running(Running::System).await;
    assert_eq!(bench.disk_writes(), 0, "what was there before is no write of the machine");
}

#[tokio::test]
async fn the_power_button_is_heard_by_what_runs_and_by_nothing_else() {
    let bench = Bench::new("{old_contents: system}").await;
    bench.reset("On").await;
    bench.until_running(Running::System).await;
    bench.reset("GracefulShutdown").await;
    bench.until("off", |bench| bench.bmc().state().power == Power::Off).await;

    let bench = Bench::new("{old_contents: system, faults: [{kind: ignores_shutdown}]}").await;
    bench.reset("On").await;
    bench.until_running(Running::System).await;
    bench.reset("GracefulShutdown").await;
    bench.until_happened(1, |what| matches!(what, Happening::ButtonPressed { heard: false })).await;
    assert_eq!(bench.bmc().state().power, Power::On);
}

#[tokio::test]
async fn time_passes_as_the_clock_and_the_scale_say() {
    let clock = Arc::new(ManualClock::starting_at("2026-01-01T00:00:00Z".parse().expect("a time")));
    let options = Options { time_scale: 0.5, clock: Some(clock.clone()), ..Options::default() };
    let bench = Bench::with(Controller::plain().await, options).await;
    bench.attempt().await;
    bench.until_running(Running::Maintenance).await;
    assert!(bench.controller.permit_requests().is_empty(), "its clock stands still");
    let started = clock.elapsed();
    while bench.controller.webhooks().is_empty() {
        clock.advance(Duration::from_millis(100));
        assert!(
            clock.elapsed() < Duration::from_secs(3600),
            "no outcome within an hour: {:#?}",
            bench.report()
        );
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    // Half of 20 s for the maintenance OS, and of 15 s for each of four steps.
    let took = clock.elapsed().saturating_sub(started);
    assert!(took >= Duration::from_secs(40), "{took:?}");
}

#[tokio::test]
async fn a_report_reads_back_from_its_json() {
    let bench =
        Bench::new("{faults: [{kind: slow, stage: partition, ms: 1}, {kind: loses_webhook, tries: 1}]}")
            .await;
    bench.attempt().await;
    bench.until_webhooks(1).await;
    bench.finish().await;
    let report = bench.report();
    assert!(report.events.len() > 10);
    let json = serde_json::to_string(&report).expect("serialisable");
    assert_eq!(serde_json::from_str::<MachineReport>(&json).expect("own output"), report);
}
