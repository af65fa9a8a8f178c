// SPDX-License-Identifier: AGPL-3.0-or-later
//! How far a machine is: heard from the right one, shown while it is at work, and kept nowhere.

use serde_json::{Value, json};

use super::puppet::Script;
use super::world::{World, client};

/// A number that nothing else would write down.
const BYTES: u64 = 52_428_917;

/// A machine that has its permit, and what it would say of itself.
async fn at_work() -> (World, Machine) {
    let mut world = World::new(&["ilo5"]).await;
    world.puppets[0].set(Script { silent_after_permit: true, ..Script::default() });
    world.push("one server");
    world.start().await;
    world.wait_server(0, "a machine at work", |view| view["status"]["record"]["state"] == "dirty").await;
    let seen = world.puppets[0].seen();
    let (task, boot_id) = (seen.task.unwrap(), seen.boot_id.unwrap());
    (world, Machine { task, boot_id })
}

struct Machine {
    task: Value,
    boot_id: String,
}

impl Machine {
    fn body(&self) -> Value {
        json!({
            "attempt": self.task["attempt"], "boot_id": self.boot_id, "step": "image-linux",
            "bytes": BYTES, "total": 121_634_816, "written": 7, "rate": 31_457_280, "done": false,
        })
    }

    async fn says(&self, world: &World, body: &Value) -> (u16, Value) {
        let path = format!("/api/v1/jobs/{}/progress", self.task["job_id"].as_str().unwrap());
        let request = client().post(world.api(&path)).bearer_auth(self.task["token"].as_str().unwrap());
        let answer = request.json(body).send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }

    async fn reports(&self, world: &World) {
        let path = format!("/api/v1/status-webhook/{}", world.farm.bmcs()[0].identity().serial);
        let token = self.task["token"].as_str().unwrap();
        let request = client().post(world.api(&path)).header("x-webhook-secret", token);
        let body = json!({"status": "success", "boot_id": self.boot_id, "attempt": self.task["attempt"]});
        assert_eq!(request.json(&body).send().await.unwrap().status().as_u16(), 200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn progress_is_shown_while_the_machine_is_at_work_and_is_in_no_database_and_no_commit() {
    let (mut world, machine) = at_work().await;
    assert_eq!(machine.says(&world, &machine.body()).await, (200, json!({"ok": true})));
    let id = machine.task["job_id"].as_str().unwrap().to_owned();
    let job = world.get(&format!("/api/v1/jobs/{id}")).await;
    let shown = &job["progress"];
    assert_eq!((&shown["step"], &shown["bytes"]), (&json!("image-linux"), &json!(BYTES)));
    assert_eq!((&shown["total"], &shown["rate"]), (&json!(121_634_816), &json!(31_457_280)));
    assert!(shown["at"].is_string(), "{shown}");
    assert_eq!(world.get("/api/v1/jobs").await[0]["progress"]["bytes"], BYTES);
    assert_eq!(world.get("/api/v1/servers").await[0]["job"]["progress"]["bytes"], BYTES);
    assert_eq!(world.get("/api/v1/servers/web-00").await["job"]["progress"]["bytes"], BYTES);
    machine.reports(&world).await;
    let job = world.get(&format!("/api/v1/jobs/{id}")).await;
    assert!(job["progress"].is_null(), "the machine is done: {job}");
    let (code, answer) = machine.says(&world, &machine.body()).await;
    assert_eq!((code, answer["error"].as_str()), (409, Some("not_at_work")));
    world.wait_job_complete(0, "succeeded").await;
    world.wait_status("servers/rack-a/web-00.json", "its end", |s| s["job"]["outcome"] == "succeeded").await;
    world.stop().await;
    let database = std::fs::read(world.path("state/db/shoal.redb")).unwrap();
    let history = world.git(&["--git-dir", "repo.git", "log", "-p", "shoal/status"]);
    let number = BYTES.to_string();
    assert!(!history.contains(&number));
    assert!(!database.windows(number.len()).any(|window| window == number.as_bytes()));
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_boot_and_the_attempt_that_have_the_permit_are_heard_and_only_in_the_right_words() {
    let (mut world, machine) = at_work().await;
    let with = |field: &str, value: Value| {
        let mut body = machine.body();
        body[field] = value;
        body
    };
    for (body, wanted) in [
        (with("boot_id", json!("another")), (409, "another_boot")),
        (with("attempt", json!(2)), (409, "stale_attempt")),
        (with("step", json!("x".repeat(65))), (400, "invalid_request")),
        (with("step", json!("\u{1b}[31m")), (400, "invalid_request")),
        (with("bytes", json!(1_u64 << 53)), (400, "invalid_request")),
        (with("bytes", json!(-1)), (400, "invalid_request")),
        (with("more", json!(true)), (400, "invalid_request")),
    ] {
        let (code, answer) = machine.says(&world, &body).await;
        assert_eq!((code, answer["error"].as_str().unwrap()), wanted, "{body}: {answer}");
    }
    let job = world.get(&format!("/api/v1/jobs/{}", machine.task["job_id"].as_str().unwrap())).await;
    assert!(job["progress"].is_null(), "{job}");
    world.stop().await;
}
