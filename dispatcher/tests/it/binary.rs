// SPDX-License-Identifier: AGPL-3.0-or-later
//! The program itself: exit codes as a service manager sees them. Its target is never started, its clock never set,
//! and its task has no disk, so that a test changes nothing on the machine that it runs on.

use std::path::{Path, PathBuf};
use std::process::Output;

use crate::support::controller::Controller;
use crate::support::media::{TOKEN, files, granted, iso, recipe, task};
use serde_json::{Value, json};

struct Bench {
    root: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        let root = tempfile::tempdir().expect("a directory");
        std::fs::write(root.path().join("targets"), "supermicro-update.target\n").expect("written");
        Self { root }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    fn medium(&self, set: &[(&'static str, String)]) {
        std::fs::write(self.path("task.iso"), iso(set).bytes).expect("written");
    }

    async fn run(&self, more: &[&str]) -> Output {
        let program = Path::new(env!("CARGO_BIN_EXE_shoal-dispatcher"));
        tokio::process::Command::new(program)
            .env_clear()
            // Where a measured binary tells what was run of it.
            .envs(std::env::var_os("LLVM_PROFILE_FILE").map(|file| ("LLVM_PROFILE_FILE", file)))
            .env("PROVISIONER_SERIAL", "SERIAL1")
            .args(["--no-start", "--keep-clock", "--udev-wait-seconds=0", "--webhook-interval=10ms"])
            .arg(format!("--task-iso-device={}", self.path("task.iso").display()))
            .arg(format!("--task-mount-point={}", self.path("mnt").display()))
            .arg(format!("--env-dir={}", self.path("provision").display()))
            .arg(format!("--targets-file={}", self.path("targets").display()))
            .args(more)
            .output()
            .await
            .expect("it runs")
    }

    async fn code(&self, more: &[&str]) -> i32 {
        let output = self.run(more).await;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!said.contains(TOKEN), "{said}");
        output.status.code().unwrap_or_else(|| panic!("killed: {said}"))
    }
}

/// A task that needs no disk.
fn firmware() -> Value {
    json!({"task_target": "supermicro-update.target", "firmware_url": "https://controller/fw.bin"})
}

const ENV: &str = "--serial-source=env";

#[tokio::test]
async fn exit_codes_are_those_of_the_contract() {
    let controller = Controller::plain().await;
    controller.permits([(200, granted("canary-user-data"))]);
    let task = task(&controller.url(), &[]);
    let good = files(&task, &firmware());

    let bench = Bench::new();
    assert_eq!(bench.code(&[ENV]).await, 10, "no medium");
    std::fs::write(bench.path("task.iso"), &iso(&good).bytes[..20 * 2048]).expect("written");
    assert_eq!(bench.code(&[ENV]).await, 11, "half a medium");

    for (name, content, code) in [
        ("recipe.schema.json", "{", 12),
        ("recipe.json", "{", 13),
        ("recipe.json", r#"{"task_target": "supermicro-update.target"}"#, 14),
        ("recipe.json", r#"{"task_target": "supermicro-update.target", "firmware_url": "a\u001bb"}"#, 15),
        ("recipe.json", r#"{"task_target": "poweroff.target"}"#, 16),
    ] {
        let bench = Bench::new();
        let mut set = good.clone();
        set.retain(|(known, _)| *known != name);
        set.push((name, content.to_owned()));
        bench.medium(&set);
        assert_eq!(bench.code(&[ENV]).await, code, "{content}");
    }

    let bench = Bench::new();
    bench.medium(&good);
    assert_eq!(bench.code(&[ENV, "--serial-env-key=UNSET"]).await, 18, "no serial");
    let bench = Bench::new();
    bench.medium(&good);
    assert_eq!(bench.code(&[ENV, "--serial-env-key=PATH"]).await, 18, "an empty serial");
    let bench = Bench::new();
    let mut other = task.clone();
    other["identity"]["serial"] = json!("SERIAL2");
    bench.medium(&files(&other, &firmware()));
    assert_eq!(bench.code(&[ENV]).await, 19, "another machine");

    let bench = Bench::new();
    bench.medium(&good);
    assert_eq!(bench.code(&[ENV]).await, 0, "handed over");
    let env = std::fs::read_to_string(bench.path("provision/recipe.env")).expect("written");
    assert!(env.contains("FIRMWARE_URL=\"https://controller/fw.bin\""), "{env}");
    let secret = std::fs::read_to_string(bench.path("provision/user-data")).expect("linked");
    assert_eq!(secret, "canary-user-data");

    controller.permits([(403, json!({"error": "unauthorized", "message": "dead"}))]);
    let bench = Bench::new();
    bench.medium(&good);
    assert_eq!(bench.code(&[ENV]).await, 21, "no permit");
    let bench = Bench::new();
    let mut with_disk = recipe();
    with_disk["task_target"] = json!("supermicro-update.target");
    with_disk["firmware_url"] = json!("https://controller/fw.bin");
    with_disk["target_disk"] = json!({"serial": "no disk of this host has this serial"});
    bench.medium(&files(&task, &with_disk));
    controller.permits([(200, granted(""))]);
    assert_eq!(bench.code(&[ENV]).await, 22, "no disk");
    assert_eq!(Bench::new().code(&["--no-such-flag"]).await, 2);
}

#[tokio::test]
async fn the_variable_does_not_count_unless_it_was_asked_for() {
    let controller = Controller::plain().await;
    controller.permits([(200, granted(""))]);
    let bench = Bench::new();
    let mut task = task(&controller.url(), &[]);
    // No host of a test has this serial, and one without any proves nothing.
    task["identity"]["serial"] = json!("SERIAL1");
    bench.medium(&files(&task, &firmware()));
    let code = bench.code(&[]).await;
    assert!(matches!(code, 18 | 19), "{code}");
    assert!(controller.permits_seen().is_empty());
}

#[tokio::test]
async fn the_webhook_command_tells_the_controller_once_and_says_so() {
    let controller = Controller::plain().await;
    controller.permits([(200, granted(""))]);
    let bench = Bench::new();
    bench.medium(&files(&task(&controller.url(), &[]), &firmware()));
    assert_eq!(bench.code(&[ENV]).await, 0);
    let webhook = async |more: &[&str]| {
        tokio::process::Command::new(env!("CARGO_BIN_EXE_shoal-dispatcher"))
            .env_clear()
            .arg("webhook")
            .args(more)
            .arg(format!("--env-dir={}", bench.path("provision").display()))
            .arg("--webhook-interval=10ms")
            .output()
            .await
            .expect("it runs")
    };
    let failed = webhook(&["--failed", "firmware-update.service", "--code", "bad_image"]).await;
    assert_eq!(failed.status.code(), Some(0), "{}", String::from_utf8_lossy(&failed.stderr));
    assert!(String::from_utf8_lossy(&failed.stderr).starts_with("[webhook] "));
    assert_eq!(webhook(&["--success"]).await.status.code(), Some(0), "the first outcome counts");
    let told = controller.webhooks_seen();
    assert_eq!(told.len(), 1);
    assert_eq!(
        (&told[0].body["failed_step"], &told[0].body["error"]["code"]),
        (&json!("firmware-update.service"), &json!("bad_image"))
    );
}

#[tokio::test]
async fn the_webhook_command_reads_what_the_step_left_and_survives_what_it_did_not() {
    let reason =
        json!({"step": "firmware-update", "code": "bad_image", "message": "no BIOS", "hint": "push another"});
    for (left, code) in [(reason.to_string(), "bad_image"), ("x".repeat(100_000), "unit_failed")] {
        let controller = Controller::plain().await;
        controller.permits([(200, granted(""))]);
        let bench = Bench::new();
        bench.medium(&files(&task(&controller.url(), &[]), &firmware()));
        assert_eq!(bench.code(&[ENV]).await, 0);
        std::fs::write(bench.path("failure.json"), left).expect("written");
        let told = tokio::process::Command::new(env!("CARGO_BIN_EXE_shoal-dispatcher"))
            .env_clear()
            .args(["webhook", "--failed", "firmware-update.service", "--webhook-interval=10ms"])
            .arg(format!("--env-dir={}", bench.path("provision").display()))
            .arg(format!("--failure-file={}", bench.path("failure.json").display()))
            .output()
            .await
            .expect("it runs");
        assert_eq!(told.status.code(), Some(0), "{}", String::from_utf8_lossy(&told.stderr));
        let seen = controller.webhooks_seen();
        let error = &seen[0].body["error"];
        assert_eq!(error["code"], code);
        if code == "bad_image" {
            assert_eq!((&error["message"], &error["hint"]), (&json!("no BIOS"), &json!("push another")));
        }
    }
}

#[tokio::test]
async fn a_file_that_is_there_before_is_in_the_way_of_nothing_but_itself() {
    let controller = Controller::plain().await;
    let bench = Bench::new();
    bench.medium(&files(&task(&controller.url(), &[]), &firmware()));
    std::fs::write(bench.path("provision"), "a file where the directory belongs").expect("written");
    assert_eq!(bench.code(&[ENV]).await, 15);
}
