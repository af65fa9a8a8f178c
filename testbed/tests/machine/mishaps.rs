// SPDX-License-Identifier: AGPL-3.0-or-later
//! Machines that misbehave: what reaches the controller, and what is on the disk afterwards.

use serde_json::{Value, json};
use shoal_schema::step::Step;
use shoal_testbed::bmc::Power;
use shoal_testbed::bmc::profiles::SMC_X13_SINGLE;
use shoal_testbed::machine::{Happening, Mishap, Running};

use crate::bench::{Bench, Options, SERIAL};
use crate::controller::{Controller, linux};

fn step(webhook: &Value) -> Step {
    Step::of_unit(webhook["failed_step"].as_str().expect("a unit"))
}

fn decisions(bench: &Bench) -> Vec<String> {
    let report = bench.report();
    let asked = report.find(|what| match what {
        Happening::PermitAsked { decision, code, .. } => {
            Some(code.clone().or(decision.clone()).unwrap_or_default())
        }
        _ => None,
    });
    asked.collect()
}

/// Nothing was written, and the controller was told so once.
async fn refused(bench: &Bench, before: &str, step_of: Step, code: &str) {
    bench.until_webhooks(1).await;
    let webhook = &bench.controller.webhooks()[0];
    assert_eq!((webhook["status"].as_str(), step(webhook)), (Some("failed"), step_of), "{webhook}");
    assert_eq!(webhook["error"]["code"], code, "{webhook}");
    assert_eq!(bench.disk_digest(), before, "the disk changed");
    assert_eq!(bench.disk_writes(), 0);
}

#[tokio::test]
async fn each_step_can_fail_and_is_named_with_its_reason_and_its_log() {
    for (stage, wanted) in [
        ("partition", Step::WorkflowPartition),
        ("image-linux", Step::WorkflowImageLinux),
        ("bootloader-linux", Step::WorkflowBootloaderLinux),
        ("config-drive", Step::WorkflowConfigDrive),
    ] {
        let text: &'static str =
            format!("{{faults: [{{kind: fail, stage: {stage}, code: io_error, message: sda is failing}}]}}")
                .leak();
        let bench = Bench::new(text).await;
        bench.attempt().await;
        bench.until_webhooks(1).await;
        let webhook = &bench.controller.webhooks()[0];
        assert_eq!(step(webhook), wanted);
        assert_eq!(
            (&webhook["error"]["code"], &webhook["error"]["message"]),
            (&json!("io_error"), &json!("sda is failing"))
        );
        let tail = webhook["error"]["log_tail"].as_str().expect("a log");
        assert!(tail.contains(&format!("[{stage}] start")) && tail.contains("sda is failing"), "{tail}");
        assert!(bench.disk_writes() > 0, "half of the step was done");
        assert!(
            bench.installed().is_none_or(|found| found.stamp.is_none()),
            "a stamp says that all is there"
        );
        assert_eq!(bench.report().installs, 0);
    }
}

#[tokio::test]
async fn failures_before_the_permit_write_nothing() {
    for (stage, wanted, code) in [
        ("dispatcher", Step::WorkflowDispatcher, "unknown_target"),
        ("identity", Step::WorkflowIdentity, "identity_unproven"),
        ("disk", Step::WorkflowDisk, "disk_unreadable"),
        ("permit", Step::WorkflowPermit, "permit_timeout"),
    ] {
        let text: &'static str = format!("{{faults: [{{kind: fail, stage: {stage}}}]}}").leak();
        let bench = Bench::new(text).await;
        let before = bench.disk_digest();
        bench.attempt().await;
        refused(&bench, &before, wanted, code).await;
        assert_eq!(bench.report().permits_granted, 0);
    }
}

#[tokio::test]
async fn a_machine_that_hangs_says_nothing_more_and_can_be_switched_off() {
    for stage in ["boot", "dispatcher", "identity", "disk", "permit", "partition", "config-drive", "webhook"]
    {
        let text: &'static str = format!("{{faults: [{{kind: hang, stage: {stage}, count: 1}}]}}").leak();
        let bench = Bench::new(text).await;
        bench.attempt().await;
        bench
            .until_happened(1, |what| matches!(what, Happening::Mishap { mishap: Mishap::Hang { .. } }))
            .await;
        bench.reset("ForceOff").await;
        bench.until("off", |bench| bench.bmc().state().power == Power::Off).await;
        assert!(bench.controller.webhooks().is_empty(), "{stage}");
        assert_eq!(bench.report().running, Running::Nothing);
        let writes = bench.disk_writes();
        // The same attempt again, in another boot: only one that had no permit yet may go on.
        bench.boot_once().await;
        bench.reset("On").await;
        bench.until_webhooks(1).await;
        let webhook = &bench.controller.webhooks()[0];
        if matches!(stage, "boot" | "dispatcher" | "identity" | "disk" | "permit") {
            assert_eq!(webhook["status"], "success", "{stage}: {webhook}");
        } else {
            assert_eq!(webhook["error"]["code"], "other_boot", "{stage}: {webhook}");
            assert_eq!(bench.disk_writes(), writes, "{stage}");
        }
    }
}

#[tokio::test]
async fn a_power_cut_in_a_step_leaves_half_an_install_and_the_next_attempt_finishes_it() {
    for stage in ["partition", "image-linux", "bootloader-linux", "config-drive", "webhook"] {
        let text: &'static str =
            format!("{{faults: [{{kind: loses_power, stage: {stage}, count: 1}}]}}").leak();
        let bench = Bench::new(text).await;
        bench.attempt().await;
        bench.until_happened(1, |what| matches!(what, Happening::Stopped { .. })).await;
        bench.until("off", |bench| bench.bmc().state().power == Power::Off).await;
        let stamped = bench.installed().is_some_and(|found| found.stamp.is_some());
        assert_eq!(stamped, stage == "webhook", "{stage}");
        bench.finish().await;
        bench.controller.next_attempt();
        bench.attempt().await;
        bench.until_webhooks(1).await;
        assert_eq!(bench.controller.webhooks()[0]["status"], "success", "{stage}");
        assert!(bench.installed().expect("a table").stamp.is_some());
    }
}

#[tokio::test]
async fn a_reboot_in_the_middle_is_another_boot_and_gets_no_permit_from_the_same_attempt() {
    let bench =
        Bench::new("{faults: [{kind: reboots, stage: image-linux, count: 1}, {kind: falls_back_to_media}]}")
            .await;
    bench.attempt().await;
    // The override was for one boot; the disk has no boot loader yet; firmware takes the CD that is still there.
    bench.until_webhooks(1).await;
    let webhook = &bench.controller.webhooks()[0];
    assert_eq!((step(webhook), &webhook["error"]["code"]), (Step::WorkflowPermit, &json!("other_boot")));
    let requests = bench.controller.permit_requests();
    assert_eq!(requests.len(), 2);
    assert_ne!(requests[0]["boot_id"], requests[1]["boot_id"]);
    assert_eq!(bench.report().permits_granted, 1);
}

#[tokio::test]
async fn without_a_way_back_a_reboot_in_the_middle_ends_at_nothing_to_boot() {
    let bench = Bench::new("{faults: [{kind: reboots, stage: partition, count: 1}]}").await;
    bench.attempt().await;
    bench.until_running(Running::NoBootDevice).await;
    assert!(bench.controller.webhooks().is_empty());
}

#[tokio::test]
async fn a_stale_medium_booted_again_after_success_is_refused_and_the_disk_stays_as_it_is() {
    let bench = Bench::new("{faults: [{kind: stale_medium, instead_of: disk, count: 1}]}").await;
    bench.attempt().await;
    bench.until_webhooks(1).await;
    bench.finish().await;
    let (before, writes) = (bench.disk_digest(), bench.disk_writes());
    bench.reset("On").await;
    bench.until_webhooks(2).await;
    let webhook = &bench.controller.webhooks()[1];
    assert_eq!((step(webhook), &webhook["error"]["code"]), (Step::WorkflowPermit, &json!("job_ended")));
    assert_eq!((bench.disk_digest(), bench.disk_writes()), (before, writes));
    // It was asked with the stamp that is on the disk.
    assert!(bench.controller.permit_requests()[1]["disk"]["stamp"].is_object());
    bench.reset("ForceRestart").await;
    bench.until_running(Running::System).await;
}

#[tokio::test]
async fn a_medium_of_an_earlier_attempt_is_refused() {
    let bench = Bench::new(
        "{faults: [{kind: hang, stage: disk, count: 1}, {kind: stale_medium, instead_of: media, after: 1}]}",
    )
    .await;
    bench.attempt().await;
    bench.until_happened(1, |what| matches!(what, Happening::Mishap { mishap: Mishap::Hang { .. } })).await;
    bench.finish().await;
    bench.controller.next_attempt();
    let before = bench.disk_digest();
    bench.attempt().await;
    refused(&bench, &before, Step::WorkflowPermit, "stale_attempt").await;
}

#[tokio::test]
async fn another_machine_behind_the_address_is_refused_before_the_controller_is_asked() {
    for text in [
        "{faults: [{kind: other_machine, serial: SB99999}]}",
        "{faults: [{kind: other_machine, serial: Default string, uuid: 00000000-0000-0000-0000-000000000001}]}",
    ] {
        let bench = Bench::new(text).await;
        let before = bench.disk_digest();
        bench.attempt().await;
        let code = if text.contains("SB99999") { "wrong_machine" } else { "identity_unproven" };
        refused(&bench, &before, Step::WorkflowIdentity, code).await;
        assert!(bench.controller.permit_requests().is_empty());
    }
}

#[tokio::test]
async fn two_disks_that_fit_are_refused() {
    let bench = Bench::new("{twin_disk: true}").await;
    let before = bench.disk_digest();
    bench.attempt().await;
    refused(&bench, &before, Step::WorkflowDisk, "disk_ambiguous").await;
    assert_eq!(bench.controller.permit_requests()[0]["matching_disks"], 2);
}

#[tokio::test]
async fn a_disk_that_is_too_small_is_refused() {
    let bench = Bench::new("{disk_bytes: 37748736}").await;
    let before = bench.disk_digest();
    let mut recipe = linux();
    recipe["partition_layout"][0]["size"] = json!("40M");
    bench.start(&bench.controller.task_for(SERIAL), &recipe).await;
    refused(&bench, &before, Step::WorkflowDisk, "disk_too_small").await;
}

#[tokio::test]
async fn a_disk_that_is_not_blank_is_seen_whatever_is_on_it() {
    for old in ["system", "gpt", "dos_table", "ext4", "lvm", "raid", "zfs", "noise"] {
        let text: &'static str = format!("{{old_contents: {old}}}").leak();
        let bench = Bench::new(text).await;
        let before = bench.disk_digest();
        let mut task = bench.controller.task_for(SERIAL);
        task["require_blank"] = json!(true);
        bench.start(&task, &linux()).await;
        refused(&bench, &before, Step::WorkflowDisk, "disk_not_blank").await;
        let disk = &bench.controller.permit_requests()[0]["disk"];
        assert_eq!(disk["blank"], false, "{old}");
        assert!(!disk["contents"].as_array().expect("a list").is_empty(), "{old}");
    }
}

#[tokio::test]
async fn an_old_system_is_overwritten_where_that_is_allowed() {
    let bench = Bench::new("{old_contents: system}").await;
    bench.attempt().await;
    bench.until_webhooks(1).await;
    let names: Vec<String> =
        bench.installed().expect("a table").partitions.into_iter().map(|partition| partition.name).collect();
    assert_eq!(names, ["esp", "swap", "root"]);
}

#[tokio::test]
async fn firmware_that_ignores_the_one_time_boot_starts_the_disk() {
    let bench = Bench::new("{old_contents: system, faults: [{kind: ignores_one_time_boot, count: 1}]}").await;
    bench.attempt().await;
    bench.until_running(Running::System).await;
    assert!(bench.controller.permit_requests().is_empty() && bench.disk_writes() == 0);
}

#[tokio::test]
async fn legacy_mode_does_not_boot_a_uefi_medium() {
    let options = Options { profile: &SMC_X13_SINGLE, ..Options::default() };
    let bench = Bench::with(Controller::plain().await, options).await;
    let composed = bench.controller.composed(&bench.controller.task_for(SERIAL), &linux());
    bench.insert(0, &composed).await;
    bench.boot_once_without_mode().await;
    bench.reset("On").await;
    bench.until_running(Running::NoBootDevice).await;
    assert_eq!(bench.disk_writes(), 0);
}

#[tokio::test]
async fn a_boot_medium_that_is_no_medium_starts_nothing() {
    let bench = Bench::new("{}").await;
    let url = bench.controller.serve("noise.iso", vec![7; 100_000].into());
    bench.insert(0, &url).await;
    bench.boot_once().await;
    bench.reset("On").await;
    bench.until_running(Running::NoBootDevice).await;
}

#[tokio::test]
async fn a_task_medium_that_never_shows_up_is_exit_10_and_nobody_is_told() {
    let bench = Bench::new("{faults: [{kind: misses_task_medium}]}").await;
    bench.attempt().await;
    bench
        .until_happened(1, |what| matches!(what, Happening::Dispatched { exit, .. } if exit.code() == 10))
        .await;
    assert!(bench.controller.webhooks().is_empty() && decisions(&bench).is_empty());
}

#[tokio::test]
async fn a_system_that_does_not_come_up_never_reports_it() {
    let bench = Bench::new("{faults: [{kind: system_hangs}]}").await;
    bench.attempt().await;
    bench.until_webhooks(1).await;
    bench.finish().await;
    bench.reset("On").await;
    bench.until_running(Running::SystemStuck).await;
    assert_ne!(bench.bmc().state().progress, shoal_testbed::bmc::BootProgress::OSRunning);
}
