// SPDX-License-Identifier: AGPL-3.0-or-later
//! The whole run, on a machine in memory, against a controller on a loopback port.

use std::time::Duration;

use crate::support::controller::Controller;
use crate::support::machine::{Machine, disk};
use crate::support::media::{JOB, TOKEN, digest, files, granted, iso, recipe, stamp, task};
use serde_json::{Value, json};
use shoal_dispatcher::exit::Exit;
use shoal_dispatcher::run::{End, Report, run};
use shoal_dispatcher::settings::{SerialSource, Settings};
use shoal_schema::network::Mac;
use shoal_schema::step::Step;
use shoal_taskiso::ReadAt as _;

/// A controller that grants, and a machine with a good medium.
async fn good() -> (Controller, Machine) {
    changed(|_, _| {}).await
}

/// The same with another task or recipe.
async fn changed(change: impl FnOnce(&mut Value, &mut Value)) -> (Controller, Machine) {
    let controller = Controller::plain().await;
    controller.permits([(200, granted("#cloud-config\npassword: canary-password\n"))]);
    let (mut task, mut recipe) = (task(&controller.url(), &[]), recipe());
    change(&mut task, &mut recipe);
    let machine = Machine::with_medium(&iso(&files(&task, &recipe)).bytes);
    (controller, machine)
}

fn failure(report: &Report) -> (&'static str, &str, &str) {
    match &report.end {
        End::Failed { unit, code, message } => (unit, code, message),
        _ => panic!("it did not fail: {}", report.log.text()),
    }
}

/// Nothing was started, and the controller was told once, with this unit and code.
fn refused(report: &Report, machine: &Machine, controller: &Controller, exit: Exit, unit: &str, code: &str) {
    assert_eq!(report.exit, exit, "{}", report.log.text());
    assert!(machine.started.lock().unwrap().is_empty());
    for file in ["recipe.env", "secret/user-data", "handed-off"] {
        assert!(machine.file(file).is_none(), "{file} was written");
    }
    let told = controller.webhooks_seen();
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(told[0].credential.as_deref(), Some(TOKEN));
    assert_eq!(told[0].body["failed_step"], unit);
    assert_eq!(told[0].body["error"]["code"], code);
    assert_eq!(failure(report).0, unit);
}

#[tokio::test]
async fn a_granted_permit_ends_in_files_and_a_started_target() {
    let (controller, machine) = good().await;
    let report = run(&machine, &Settings::default()).await;
    assert_eq!(report.exit, Exit::HandedOff, "{}", report.log.text());
    assert_eq!(*machine.started.lock().unwrap(), ["install-linux.target"]);
    assert!(controller.webhooks_seen().is_empty(), "the steps report, not the dispatcher");

    let asked = &controller.permits_seen()[0];
    assert_eq!(
        (asked.subject.as_str(), asked.credential.as_deref()),
        (JOB, Some(format!("Bearer {TOKEN}").as_str()))
    );
    assert_eq!(asked.body["boot_id"], "6f1c1d2e-0000-4000-8000-000000000001");
    assert_eq!(asked.body["identity"]["serial"], "SERIAL1");
    assert_eq!((&asked.body["attempt"], &asked.body["epoch"]), (&json!(1), &json!(3)));
    assert_eq!((&asked.body["matching_disks"], &asked.body["disk"]["serial"]), (&json!(1), &json!("DISK1")));
    assert_eq!(asked.body["disk"]["blank"], true);

    let env = machine.file("recipe.env").expect("written");
    for line in [
        "TASK_TARGET=\"install-linux.target\"",
        "TARGET_DISK=\"/dev/sda\"",
        "SERIAL_NUMBER=\"SERIAL1\"",
        &format!("WEBHOOK_URL=\"{}/api/v1/status-webhook/SERIAL1\"", controller.url()),
    ] {
        assert!(env.contains(line), "{env}");
    }
    let layout: Value = serde_json::from_str(&machine.file("layout.json").expect("written")).expect("JSON");
    assert_eq!(
        (&layout["disk"]["serial"], &layout["partitions"][0]["label"]),
        (&json!("DISK1"), &json!("esp"))
    );
    let kept: Value = serde_json::from_str(&machine.file("stamp.json").expect("written")).expect("JSON");
    assert_eq!(kept, stamp());
    assert_eq!(
        machine.file("meta-data").expect("written"),
        "instance-id: \"SERIAL1\"\nlocal-hostname: \"web-01\"\n"
    );
    assert!(machine.file("secret/user-data").expect("written").contains("canary-password"));
    assert_eq!(machine.file("secret/registry-token").expect("written"), "canary-registry-token");
    assert_eq!(machine.clock.lock().unwrap().expect("set").to_string(), "2026-03-01T12:00:00Z");
}

#[tokio::test]
async fn no_secret_is_in_a_public_file_or_in_the_log() {
    let (_controller, machine) = good().await;
    let report = run(&machine, &Settings::default()).await;
    for (name, content) in machine.files.lock().unwrap().iter() {
        let content = String::from_utf8_lossy(content);
        assert!(name.starts_with("secret/") || !content.contains("canary"), "{name}: {content}");
    }
    assert!(!report.log.text().contains("canary"), "{}", report.log.text());
}

#[tokio::test]
async fn a_medium_that_shows_up_late_is_waited_for_and_one_that_never_does_is_exit_10() {
    let (_controller, mut machine) = good().await;
    machine.media[0].1 = Duration::from_secs(7);
    assert_eq!(run(&machine, &Settings::default()).await.exit, Exit::HandedOff);

    let machine = Machine { media: Vec::new(), ..Machine::with_medium(&[]) };
    let report = run(&machine, &Settings::default()).await;
    assert_eq!((report.exit, failure(&report).1), (Exit::MediumNotFound, "medium_not_found"));
    assert_eq!(*machine.time.lock().unwrap(), Duration::from_secs(120));
}

#[tokio::test]
async fn the_same_medium_may_be_in_sight_twice_and_two_that_differ_are_refused() {
    let (controller, mut machine) = good().await;
    let copy = machine.media[0].2.clone();
    machine.media.push(("/dev/sdb", Duration::ZERO, copy));
    assert_eq!(run(&machine, &Settings::default()).await.exit, Exit::HandedOff);

    // The label names the job, not the attempt: a medium of an earlier attempt has the same one.
    let (other, mut machine) = good().await;
    let mut stale = task(&other.url(), &[]);
    stale["attempt"] = json!(2);
    machine.media.push(("/dev/sdb", Duration::ZERO, iso(&files(&stale, &recipe())).bytes.to_vec()));
    let report = run(&machine, &Settings::default()).await;
    assert_eq!((report.exit, failure(&report).1), (Exit::MountFailed, "several_media"));
    assert!(other.permits_seen().is_empty() && machine.started.lock().unwrap().is_empty());
    drop(controller);
}

#[tokio::test]
async fn a_damaged_medium_is_exit_11() {
    let (_controller, mut machine) = good().await;
    machine.media[0].2.truncate(20 * 2048);
    let report = run(&machine, &Settings::default()).await;
    assert_eq!((report.exit, failure(&report).1), (Exit::MountFailed, "medium_unreadable"));
}

#[tokio::test]
async fn a_task_at_the_end_of_the_maintenance_medium_is_found() {
    let (controller, mut machine) = good().await;
    let task_iso = iso(&files(&task(&controller.url(), &[]), &recipe()));
    let mut set = shoal_taskiso::TaskFiles::new();
    set.insert("vmlinuz", "kernel").expect("a legal name");
    let maintenance = shoal_taskiso::build_volume("SHOAL_MAINTENANCE", &set, 0, 0, 1 << 20).expect("small");
    let composed = shoal_taskiso::Composed::new(maintenance.bytes, &task_iso).expect("composed");
    let mut content = vec![0; composed.len() as usize];
    assert_eq!(composed.read_at(0, &mut content).expect("in memory"), content.len());
    machine.media = vec![("/dev/sr0", Duration::ZERO, content)];
    assert_eq!(run(&machine, &Settings::default()).await.exit, Exit::HandedOff);
}

#[tokio::test]
async fn documents_that_are_wrong_have_their_own_exit_codes() {
    let replace = |name: &'static str, content: Option<String>| {
        move |set: &mut Vec<(&'static str, String)>| {
            set.retain(|(known, _)| *known != name);
            set.extend(content.map(|content| (name, content)));
        }
    };
    type Change = Box<dyn FnOnce(&mut Vec<(&'static str, String)>)>;
    let mut with_secret = recipe();
    with_secret["user_data"] = json!("#cloud-config");
    let mut invalid = recipe();
    invalid["partition_layout"][0]["size"] = json!("canary-size");
    let strict = json!({"$id": "https://example/v9", "properties": {"oci_url": {"pattern": "^never$"}}});
    let cases: Vec<(Change, Exit, &str)> = vec![
        (Box::new(replace("recipe.schema.json", None)), Exit::Schema, "schema_unreadable"),
        (Box::new(replace("recipe.schema.json", Some("{".into()))), Exit::Schema, "schema_unreadable"),
        (
            Box::new(replace("recipe.schema.json", Some(r#"{"type": 7}"#.into()))),
            Exit::Schema,
            "schema_unreadable",
        ),
        (Box::new(replace("recipe.json", None)), Exit::RecipeUnreadable, "document_missing"),
        (
            Box::new(replace("recipe.json", Some("not json".into()))),
            Exit::RecipeUnreadable,
            "document_unreadable",
        ),
        (Box::new(replace("recipe.json", Some(invalid.to_string()))), Exit::RecipeInvalid, "recipe_invalid"),
        (Box::new(replace("recipe.json", Some("{}".into()))), Exit::RecipeInvalid, "recipe_invalid"),
        (
            Box::new(replace("recipe.json", Some(with_secret.to_string()))),
            Exit::RecipeInvalid,
            "secret_on_medium",
        ),
        (
            Box::new(replace("recipe.schema.json", Some(strict.to_string()))),
            Exit::RecipeInvalid,
            "recipe_invalid",
        ),
    ];
    for (change, exit, code) in cases {
        let (controller, mut machine) = good().await;
        let mut set = files(&task(&controller.url(), &[]), &recipe());
        change(&mut set);
        machine.media[0].2 = iso(&set).bytes.to_vec();
        let report = run(&machine, &Settings::default()).await;
        refused(&report, &machine, &controller, exit, "shoal-dispatcher.service", code);
        assert!(!failure(&report).2.contains("canary"), "{}", failure(&report).2);
        assert!(controller.permits_seen().is_empty(), "{code}: the controller was asked");
    }
}

#[tokio::test]
async fn a_task_that_cannot_be_used_is_exit_13_and_nobody_is_told() {
    type Change = fn(&mut Value);
    let cases: [(Change, &str); 5] = [
        (|task| task["format"] = json!(2), "task_format"),
        (|task| task["surprise"] = json!(true), "document_unreadable"),
        (|task| task["token"] = json!(null), "document_unreadable"),
        (|task| task["callback"] = json!({"url": "http://10.0.0.1"}), "callback_unusable"),
        (|task| task["callback"] = json!({"url": "https://127.0.0.1"}), "callback_unusable"),
    ];
    for (change, code) in cases {
        let (controller, machine) = changed(|task, _| change(task)).await;
        let report = run(&machine, &Settings::default()).await;
        assert_eq!((report.exit, failure(&report).1), (Exit::RecipeUnreadable, code));
        assert!(!failure(&report).2.contains(TOKEN));
        assert!(controller.webhooks_seen().is_empty() && controller.permits_seen().is_empty());
    }
}

#[tokio::test]
async fn another_machine_is_exit_19_and_an_unknown_one_exit_18() {
    let mac = |text: &str| Mac::parse(text).expect("a MAC");
    type Change = Box<dyn FnOnce(&mut Value, &mut Machine)>;
    let cases: Vec<(Change, Exit, &str)> = vec![
        (Box::new(|_, m| m.identity.serial = Some("SERIAL2".into())), Exit::WrongMachine, "wrong_machine"),
        (
            Box::new(|task, m| {
                task["identity"]["uuid"] = json!("00112233-4455-6677-8899-aabbccddeeff");
                m.identity.uuid = Some("ffeeddcc-bbaa-9988-7766-554433221100".into());
            }),
            Exit::WrongMachine,
            "wrong_machine",
        ),
        (
            Box::new(move |task, m| {
                task["identity"]["macs"] = json!(["02:00:00:00:00:01"]);
                m.identity.macs = vec![mac("02:00:00:00:00:02")];
            }),
            Exit::WrongMachine,
            "wrong_machine",
        ),
        (Box::new(|_, m| m.identity.serial = None), Exit::SerialUnknown, "identity_unproven"),
        (
            Box::new(|_, m| m.identity.serial = Some("To Be Filled By O.E.M.".into())),
            Exit::SerialUnknown,
            "identity_unproven",
        ),
        (Box::new(|_, m| m.boot_id = None), Exit::SerialUnknown, "boot_id_unreadable"),
    ];
    for (change, exit, code) in cases {
        let controller = Controller::plain().await;
        let mut task = task(&controller.url(), &[]);
        let mut machine = Machine::with_medium(&[]);
        change(&mut task, &mut machine);
        machine.media[0].2 = iso(&files(&task, &recipe())).bytes.to_vec();
        let report = run(&machine, &Settings::default()).await;
        refused(&report, &machine, &controller, exit, "identity.service", code);
        assert_eq!(Step::of_unit(failure(&report).0), Step::WorkflowIdentity);
        assert!(controller.permits_seen().is_empty());
        // The report reaches the job that went astray, not some job of the machine that it runs on.
        assert_eq!(controller.webhooks_seen()[0].subject, "SERIAL1");
    }
}

#[tokio::test]
async fn a_uuid_in_the_other_byte_order_proves_the_machine_where_the_serial_is_unknown() {
    let (_controller, mut machine) = changed(|task, _| {
        task["identity"] = json!({"serial": "SERIAL1", "uuid": "00112233-4455-6677-8899-aabbccddeeff"});
    })
    .await;
    machine.identity.serial = Some("Default string".to_owned());
    machine.identity.uuid = Some("33221100-5544-7766-8899-aabbccddeeff".to_owned());
    assert_eq!(run(&machine, &Settings::default()).await.exit, Exit::HandedOff);
}

#[tokio::test]
async fn a_serial_from_the_environment_counts_only_when_it_was_asked_for() {
    for (given, exit, code) in [
        (Some("SERIAL1"), Exit::HandedOff, ""),
        (Some("SERIAL2"), Exit::WrongMachine, "wrong_machine"),
        (Some("unknown"), Exit::SerialUnknown, "serial_not_given"),
        (Some(" "), Exit::SerialUnknown, "serial_not_given"),
        (None, Exit::SerialUnknown, "serial_not_given"),
    ] {
        let (_controller, mut machine) = good().await;
        machine.identity.serial = None;
        let serial = SerialSource::Given(given.map(str::to_owned));
        let report = run(&machine, &Settings { serial, ..Settings::default() }).await;
        assert_eq!(report.exit, exit, "{given:?}: {}", report.log.text());
        if exit != Exit::HandedOff {
            assert_eq!(failure(&report).1, code, "{given:?}");
        }
    }
}

#[tokio::test]
async fn a_disk_that_is_missing_or_ambiguous_is_reported_with_the_request_and_never_written() {
    for (disks, code, matching) in
        [(Vec::new(), "disk_not_found", 0), (vec!["DISK1", "DISK1"], "disk_ambiguous", 2)]
    {
        for decision in [granted(""), json!({"decision": "refused", "code": "disk", "message": "which one?"})]
        {
            let (controller, mut machine) = good().await;
            controller.permits([(200, decision)]);
            let names = ["/dev/sda", "/dev/sdb"];
            machine.disks = disks
                .iter()
                .zip(names)
                .map(|(serial, path)| (disk(path, serial, 64), vec![0; 64 << 20]))
                .collect();
            let report = run(&machine, &Settings::default()).await;
            refused(&report, &machine, &controller, Exit::Disk, "disk.service", code);
            let asked = &controller.permits_seen()[0].body;
            assert_eq!(asked["matching_disks"], matching);
            assert!(asked.get("disk").is_none());
            assert_eq!(asked["disks"].as_array().expect("a list").len(), matching);
        }
    }
}

#[tokio::test]
async fn a_disk_must_fit_the_plans_choice_and_the_recipes() {
    let (controller, machine) = changed(|task, _| task["disk"] = json!({"serial": "DISK9"})).await;
    let report = run(&machine, &Settings::default()).await;
    refused(&report, &machine, &controller, Exit::Disk, "disk.service", "disk_not_found");
}

#[tokio::test]
async fn a_disk_that_is_too_small_or_not_blank_is_refused_even_with_a_permit() {
    let (controller, machine) =
        changed(|_, recipe| recipe["partition_layout"][0]["size"] = json!("1G")).await;
    let report = run(&machine, &Settings::default()).await;
    refused(&report, &machine, &controller, Exit::Disk, "disk.service", "disk_too_small");

    let (controller, mut machine) = changed(|task, _| task["require_blank"] = json!(true)).await;
    machine.disks[0].1[5 << 20] = 1;
    let report = run(&machine, &Settings::default()).await;
    refused(&report, &machine, &controller, Exit::Disk, "disk.service", "disk_not_blank");
    assert_eq!(controller.permits_seen()[0].body["disk"]["blank"], false);

    let (_controller, machine) = changed(|task, _| task["require_blank"] = json!(true)).await;
    assert_eq!(run(&machine, &Settings::default()).await.exit, Exit::HandedOff);
}

#[tokio::test]
async fn a_refused_permit_writes_nothing_and_says_the_controllers_word() {
    let (controller, machine) = good().await;
    controller.permits([(
        200,
        json!({"decision": "refused", "code": "stale_attempt", "message": "attempt 2 runs"}),
    )]);
    let report = run(&machine, &Settings::default()).await;
    refused(&report, &machine, &controller, Exit::PermitRefused, "permit.service", "stale_attempt");
}

#[tokio::test]
async fn a_dead_token_is_final() {
    for status in [401, 403, 404, 409] {
        let (controller, machine) = good().await;
        controller.permits([(status, json!({"error": "gone", "message": "no such job"}))]);
        let report = run(&machine, &Settings::default()).await;
        assert_eq!(report.exit, Exit::PermitRefused, "{status}");
        assert_eq!(controller.permits_seen().len(), 1, "{status} was tried again");
    }
}

#[tokio::test]
async fn waiting_goes_on_until_told_otherwise_and_failures_on_the_way_do_not_end_it() {
    let (controller, machine) = good().await;
    let wait = json!({"decision": "wait", "reason": "no fetch for 16 min", "retry_after_seconds": 60});
    controller.permits([
        (200, wait.clone()),
        (503, json!({"error": "starting", "message": "not yet"})),
        (200, json!("captive portal")),
        (200, wait),
        (200, granted("")),
    ]);
    let report = run(&machine, &Settings::default()).await;
    assert_eq!(report.exit, Exit::HandedOff, "{}", report.log.text());
    let asked = controller.permits_seen();
    assert_eq!(asked.len(), 5);
    assert!(asked.windows(2).all(|pair| pair[0].body == pair[1].body), "the request changed between tries");
}

#[tokio::test]
async fn a_budget_without_an_answer_ends_with_nothing_written() {
    let (controller, machine) = good().await;
    controller.permits([(200, json!({"decision": "wait", "reason": "paused", "retry_after_seconds": 120}))]);
    let report = run(&machine, &Settings::default()).await;
    refused(&report, &machine, &controller, Exit::PermitRefused, "permit.service", "permit_timeout");
    let waited = *machine.time.lock().unwrap();
    assert!(waited <= Duration::from_secs(110 * 60) && waited > Duration::from_secs(100 * 60), "{waited:?}");
    assert!(failure(&report).2.contains("paused"), "{}", failure(&report).2);
}

#[tokio::test]
async fn a_grant_for_something_else_is_no_permit() {
    for (field, value) in [
        ("job_id", json!("0".repeat(32))),
        ("ledger", json!("1".repeat(32))),
        ("entry_digest", json!(digest('9'))),
    ] {
        let (controller, machine) = good().await;
        let mut answer = granted("");
        answer["stamp"][field] = value;
        controller.permits([(200, answer)]);
        let report = run(&machine, &Settings::default()).await;
        refused(&report, &machine, &controller, Exit::PermitRefused, "permit.service", "permit_mismatch");
    }
}

#[tokio::test]
async fn what_is_installed_already_is_a_success_with_nothing_written() {
    let (controller, machine) = good().await;
    controller.permits([(200, json!({"decision": "already_installed"}))]);
    let report = run(&machine, &Settings::default()).await;
    assert_eq!(report.exit, Exit::HandedOff);
    assert!(matches!(report.end, End::AlreadyInstalled));
    assert!(machine.started.lock().unwrap().is_empty() && machine.file("recipe.env").is_none());
    let told = controller.webhooks_seen();
    assert_eq!((told.len(), &told[0].body["status"]), (1, &json!("success")));
}

#[tokio::test]
async fn an_outcome_that_nobody_takes_is_exit_23() {
    let (controller, machine) = good().await;
    controller.permits([(200, json!({"decision": "already_installed"}))]);
    controller.webhooks([(503, json!({"error": "down", "message": "down"}))]);
    let report = run(&machine, &Settings::default()).await;
    assert_eq!(report.exit, Exit::Unreported);
    let told = controller.webhooks_seen();
    assert_eq!(told.len(), 10);
    assert!(told.iter().all(|seen| seen.body == told[0].body), "the body changed between tries");
}

#[tokio::test]
async fn a_success_that_was_not_heard_is_told_again_by_the_next_run() {
    let (controller, machine) = good().await;
    controller.permits([(200, json!({"decision": "already_installed"}))]);
    controller.webhooks([(404, json!({})), (503, json!({})), (200, json!({"ok": true}))]);
    assert_eq!(run(&machine, &Settings::default()).await.exit, Exit::Unreported);
    assert_eq!(run(&machine, &Settings::default()).await.exit, Exit::HandedOff);
    let told = controller.webhooks_seen();
    assert!(told.len() == 3 && told.iter().all(|seen| seen.body == told[0].body), "{told:?}");
    assert_eq!(controller.permits_seen().len(), 1);
}

#[tokio::test]
async fn a_target_that_is_not_shipped_is_refused_before_the_controller_is_asked() {
    for target in ["poweroff.target", "install-windows.target"] {
        let (controller, machine) = changed(|_, recipe| recipe["task_target"] = json!(target)).await;
        let report = run(&machine, &Settings::default()).await;
        refused(
            &report,
            &machine,
            &controller,
            Exit::TargetRefused,
            "shoal-dispatcher.service",
            "unknown_target",
        );
        assert!(controller.permits_seen().is_empty());
    }
    let (controller, mut machine) = good().await;
    machine.targets = None;
    let report = run(&machine, &Settings::default()).await;
    refused(
        &report,
        &machine,
        &controller,
        Exit::TargetRefused,
        "shoal-dispatcher.service",
        "unknown_target",
    );
}

#[tokio::test]
async fn files_that_cannot_be_written_are_exit_15_and_a_refused_target_exit_16() {
    let (controller, mut machine) = good().await;
    machine.unwritable.insert("layout.json");
    let report = run(&machine, &Settings::default()).await;
    assert_eq!((report.exit, failure(&report).1), (Exit::Outputs, "output_unwritable"));
    assert!(machine.started.lock().unwrap().is_empty());
    assert_eq!(controller.webhooks_seen().len(), 1);

    let (controller, mut machine) = good().await;
    machine.start_refused = true;
    let report = run(&machine, &Settings::default()).await;
    assert_eq!((report.exit, failure(&report).1), (Exit::TargetRefused, "target_refused"));
    assert_eq!(controller.webhooks_seen()[0].body["error"]["code"], "target_refused");
}

#[tokio::test]
async fn without_a_start_everything_else_is_done() {
    let (_controller, machine) = good().await;
    let report = run(&machine, &Settings { start: false, ..Settings::default() }).await;
    assert_eq!(report.exit, Exit::HandedOff);
    assert!(machine.started.lock().unwrap().is_empty() && machine.file("recipe.env").is_some());
}

#[tokio::test]
async fn a_second_run_of_the_same_boot_starts_the_target_again_and_asks_nobody() {
    let (controller, machine) = good().await;
    run(&machine, &Settings::default()).await;
    let report = run(&machine, &Settings::default()).await;
    assert_eq!(report.exit, Exit::HandedOff);
    assert_eq!(*machine.started.lock().unwrap(), ["install-linux.target", "install-linux.target"]);
    assert_eq!(controller.permits_seen().len(), 1);
}

#[tokio::test]
async fn a_second_run_after_a_failure_delivers_the_same_outcome_with_the_same_id() {
    let (controller, machine) = good().await;
    controller.permits([(401, json!({"error": "unauthorized", "message": "dead"}))]);
    controller.webhooks([(503, json!({})), (200, json!({"ok": true}))]);
    let first = run(&machine, &Settings::default()).await;
    // Were it asked again, it would be granted now.
    controller.permits([(200, granted(""))]);
    let second = run(&machine, &Settings::default()).await;
    assert_eq!((first.exit, second.exit), (Exit::PermitRefused, Exit::PermitRefused));
    assert!(matches!(second.end, End::Repeated) && machine.started.lock().unwrap().is_empty());
    let told = controller.webhooks_seen();
    assert_eq!(told.len(), 3);
    assert!(told.iter().all(|seen| seen.body == told[0].body));
    assert_eq!(
        first.delivery.expect("delivered").delivery_id,
        second.delivery.expect("delivered").delivery_id
    );
}

#[tokio::test]
async fn a_report_carries_the_end_of_the_log_without_the_token() {
    let (controller, machine) = good().await;
    // A controller that quotes what it was sent.
    controller
        .permits([(403, json!({"error": "unauthorized", "message": format!("token {TOKEN} is dead")}))]);
    let report = run(&machine, &Settings::default()).await;
    let body = controller.webhooks_seen()[0].body.to_string();
    assert!(!body.contains(TOKEN) && body.contains("(redacted)"), "{body}");
    assert!(body.contains("task medium found"), "{body}");
    assert_eq!(failure(&report).0, "permit.service");
}
