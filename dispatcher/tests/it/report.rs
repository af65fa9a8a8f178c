// SPDX-License-Identifier: AGPL-3.0-or-later
//! The units behind the target telling the controller how it ended.

use crate::support::controller::Controller;
use crate::support::machine::Machine;
use crate::support::media::{TOKEN, files, granted, iso, recipe, task};
use serde_json::json;
use shoal_dispatcher::exit::Exit;
use shoal_dispatcher::report::{Ended, report};
use shoal_dispatcher::run::run;
use shoal_dispatcher::run_log::RunLog;
use shoal_dispatcher::settings::Settings;
use shoal_dispatcher::why::UnitEnd;

/// A machine whose target was started.
async fn handed_over() -> (Controller, Machine) {
    let controller = Controller::plain().await;
    controller.permits([(200, granted("#cloud-config\npassword: canary-password\n"))]);
    let machine = Machine::with_medium(&iso(&files(&task(&controller.url(), &[]), &recipe())).bytes);
    assert_eq!(run(&machine, &Settings::default()).await.exit, Exit::HandedOff);
    (controller, machine)
}

fn failed(unit: &str) -> Ended {
    Ended::Failed { unit: unit.to_owned(), code: None, message: None }
}

#[tokio::test]
async fn success_is_told_with_everything_that_identifies_it() {
    let (controller, machine) = handed_over().await;
    let told =
        report(&machine, &Settings::default(), &Ended::Success, &mut RunLog::default()).await.expect("told");
    assert_eq!(told.exit, Exit::HandedOff);
    let seen = &controller.webhooks_seen()[0];
    assert_eq!((seen.subject.as_str(), seen.credential.as_deref()), ("SERIAL1", Some(TOKEN)));
    assert_eq!(seen.body["status"], "success");
    assert_eq!(seen.body["task_target"], "install-linux.target");
    assert_eq!(
        (&seen.body["attempt"], &seen.body["boot_id"]),
        (&json!(1), &json!("6f1c1d2e-0000-4000-8000-000000000001"))
    );
    assert_eq!(seen.body["schema_id"], shoal_schema::wire::recipe::RECIPE_SCHEMA_ID);
}

#[tokio::test]
async fn tries_are_ten_seconds_apart_with_one_delivery_id() {
    let (controller, machine) = handed_over().await;
    let down = (503, json!({"error": "down", "message": "down"}));
    controller.webhooks([down.clone(), down.clone(), down, (200, json!({"ok": true, "idempotent": true}))]);
    let before = *machine.time.lock().unwrap();
    let told =
        report(&machine, &Settings::default(), &Ended::Success, &mut RunLog::default()).await.expect("told");
    let delivery = told.delivery.expect("delivered");
    assert_eq!((delivery.tries, delivery.accepted, delivery.idempotent), (4, true, true));
    assert_eq!(machine.time.lock().unwrap().saturating_sub(before).as_secs(), 30);
    let ids: Vec<_> =
        controller.webhooks_seen().iter().map(|seen| seen.body["delivery_id"].clone()).collect();
    assert_eq!(ids, vec![json!(delivery.delivery_id); 4]);
}

#[tokio::test]
async fn a_refusal_is_final() {
    let (controller, machine) = handed_over().await;
    controller.webhooks([(404, json!({"error": "not_found", "message": "no job is active"}))]);
    let told =
        report(&machine, &Settings::default(), &Ended::Success, &mut RunLog::default()).await.expect("told");
    assert_eq!(told.exit, Exit::Unreported);
    assert_eq!(controller.webhooks_seen().len(), 1);
}

#[tokio::test]
async fn the_first_failing_unit_is_the_one_that_is_told() {
    let (controller, machine) = handed_over().await;
    let settings = Settings::default();
    let first = report(&machine, &settings, &failed("partition.service"), &mut RunLog::default())
        .await
        .expect("told");
    // systemd starts the failure unit for what depended on it, too; and the first one may be tried again.
    let next = report(&machine, &settings, &failed("image-linux.service"), &mut RunLog::default())
        .await
        .expect("told");
    let again = report(&machine, &settings, &failed("partition.service"), &mut RunLog::default())
        .await
        .expect("told");
    assert!(next.delivery.is_none());
    assert_eq!(
        first.delivery.expect("delivered").delivery_id,
        again.delivery.expect("delivered").delivery_id
    );
    let told = controller.webhooks_seen();
    assert_eq!(told.len(), 2);
    assert!(told.iter().all(|seen| seen.body["failed_step"] == "partition.service"));
}

#[tokio::test]
async fn a_units_log_is_told_without_the_secrets_of_the_grant() {
    let (controller, mut machine) = handed_over().await;
    machine.unit_log =
        format!("[partition] start\nbad line: canary-password\n{TOKEN}\ncanary-registry-token\nthe end");
    report(&machine, &Settings::default(), &failed("config-drive.service"), &mut RunLog::default())
        .await
        .expect("told");
    let body = &controller.webhooks_seen()[0].body;
    let tail = body["error"]["log_tail"].as_str().expect("a log");
    assert!(tail.starts_with("[partition] start") && tail.ends_with("the end"), "{tail}");
    assert!(!body.to_string().contains("canary"), "{body}");
}

#[tokio::test]
async fn a_steps_own_words_are_told_without_the_secrets_of_the_grant() {
    let (controller, mut machine) = handed_over().await;
    let long = "x".repeat(980);
    let left = json!({
        "step": "config-drive",
        "code": "seed_failed",
        "message": format!("the template has canary-password and {TOKEN} {long} canary-registry-token"),
        "hint": "look at canary-password",
    });
    machine.failure = Some(left.to_string().into_bytes());
    report(&machine, &Settings::default(), &failed("config-drive.service"), &mut RunLog::default())
        .await
        .expect("told");
    let body = &controller.webhooks_seen()[0].body;
    let error = &body["error"];
    assert_eq!((&error["code"], &error["hint"]), (&json!("seed_failed"), &json!("look at (redacted)")));
    assert!(error["message"].as_str().expect("a message").starts_with("the template has (redacted)"));
    assert!(!body.to_string().contains("canary"), "{body}");
}

#[tokio::test]
async fn a_unit_that_left_nothing_of_use_is_told_as_the_service_manager_saw_it_end() {
    let other = json!({"step": "partition", "code": "disk_full", "message": "of another step"});
    for left in [None, Some(b"{garbage".to_vec()), Some(vec![0xff; 300]), Some(other.to_string().into())] {
        let (controller, mut machine) = handed_over().await;
        machine.failure = left;
        machine.unit_end =
            UnitEnd { result: "timeout".to_owned(), timeout: "1h 30min".to_owned(), ..UnitEnd::default() };
        let mut log = RunLog::default();
        report(&machine, &Settings::default(), &failed("image-linux.service"), &mut log).await.expect("told");
        let error = &controller.webhooks_seen()[0].body["error"];
        assert_eq!(error["code"], "unit_timed_out");
        assert_eq!(error["message"], "image-linux.service timed out after 1h 30min");
        assert!(error["hint"].is_null(), "{error}");
    }
}

#[tokio::test]
async fn without_a_task_there_is_nobody_to_tell() {
    let machine = Machine::with_medium(&[]);
    let error = report(&machine, &Settings::default(), &Ended::Success, &mut RunLog::default())
        .await
        .expect_err("nobody");
    assert_eq!(error.exit(), Exit::Unreported);
}
