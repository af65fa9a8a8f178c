// SPDX-License-Identifier: AGPL-3.0-or-later
//! Reports with no token, a wrong one, another machine's, one of an earlier attempt; twice, and late.

use serde_json::{Value, json};

use super::puppet::Script;
use super::world::{World, client};

/// A report, and what came of it.
async fn report(world: &World, serial: &str, headers: &[(&str, &str)], body: &Value) -> (u16, Value) {
    let mut request = client().post(world.api(&format!("/api/v1/status-webhook/{serial}"))).json(body);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

/// Machines that have their permits and say nothing by themselves, with what their media say.
async fn at_work(world: &mut World) -> Vec<Value> {
    world.tweak = |settings| settings.budgets.result_ms = 600_000;
    for puppet in &world.puppets {
        puppet.set(Script { silent_after_permit: true, ..Script::default() });
    }
    world.push("servers");
    world.start().await;
    let mut tasks = Vec::new();
    for index in 0..world.puppets.len() {
        world.wait_server(index, "a permit", |_| !world.puppets[index].seen().answers.is_empty()).await;
        tasks.push(world.puppets[index].seen().task.unwrap());
    }
    tasks
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_needs_the_token_of_its_own_machine_and_is_taken_once() {
    let mut world = World::new(&["ilo5", "ilo5"]).await;
    let tasks = at_work(&mut world).await;
    let (own, foreign) = (tasks[0]["token"].as_str().unwrap(), tasks[1]["token"].as_str().unwrap());
    let serial = world.farm.bmcs()[0].identity().serial.clone();
    let success = json!({"status": "success", "delivery_id": "one"});
    let swapped: String = own.chars().rev().collect();
    let (basic, bearer) = (format!("Basic {own}"), format!("Bearer {own}x"));
    let wrong: [&[(&str, &str)]; 9] = [
        &[],
        &[("x-webhook-secret", "")],
        &[("x-webhook-secret", "c4n4ry")],
        &[("x-webhook-secret", foreign)],
        &[("x-webhook-secret", &swapped)],
        &[("x-webhook-secret", &own[..own.len() - 1])],
        &[("authorization", own)],
        &[("authorization", &basic)],
        &[("authorization", &bearer)],
    ];
    for headers in wrong {
        let (status, answer) = report(&world, &serial, headers, &success).await;
        assert_eq!((status, &answer["error"]), (401, &json!("unauthorized")), "{headers:?}: {answer}");
        assert_eq!(answer["message"], "the token of the job's attempt is needed");
        assert!(answer["hint"].as_str().unwrap().contains("task.json"), "{answer}");
        assert!(!answer.to_string().contains("c4n4ry"), "{answer}");
    }
    for (serial, words) in
        [("NOSUCHSERIAL", "no job is active"), ("%00", "no job is active"), ("%20", "no job")]
    {
        let (status, answer) = report(&world, serial, &[("x-webhook-secret", own)], &success).await;
        assert_eq!((status, &answer["error"]), (404, &json!("not_found")), "{serial}: {answer}");
        assert!(
            answer["message"].as_str().unwrap().contains(words) && answer["hint"].is_string(),
            "{answer}"
        );
    }
    for (body, words) in [
        (json!({"status": "failed"}), "failed_step is required where status is failed"),
        (json!({"status": "failed", "failed_step": ""}), "failed_step is required where status is failed"),
        (json!({"status": "failed", "failed_step": "x".repeat(257)}), "failed_step has at most 256 bytes"),
        (json!({"status": "success", "delivery_id": "x".repeat(129)}), "delivery_id has at most 128 bytes"),
        (json!({"status": "success", "boot_id": "x".repeat(65)}), "boot_id has at most 64 bytes"),
        (json!({"status": "done"}), "/status: "),
        (json!({"status": "success", "attempt": -1}), "/attempt: "),
        (json!({"status": "success", "started_at": "yesterday"}), "/started_at: "),
        (json!({"status": "success", "job_id": "c4n4ry"}), "/job_id: "),
    ] {
        let (status, answer) = report(&world, &serial, &[("x-webhook-secret", own)], &body).await;
        assert_eq!((status, &answer["error"]), (400, &json!("invalid_request")), "{body}: {answer}");
        assert!(answer["message"].as_str().unwrap().contains(words), "{body}: {answer}");
        assert!(!answer.to_string().contains("c4n4ry"), "{answer}");
    }
    for boot_id in [String::new(), "x".repeat(65)] {
        let ask = json!({
            "attempt": 1, "epoch": 1, "boot_id": boot_id, "identity": {}, "matching_disks": 1,
            "dispatcher_version": "0",
        });
        let path = format!("/api/v1/jobs/{}/permit", tasks[0]["job_id"].as_str().unwrap());
        let permit = client().post(world.api(&path)).bearer_auth(own).json(&ask).send().await.unwrap();
        let answer: Value = permit.json().await.unwrap();
        assert_eq!(answer["message"], "boot_id must have 1 to 64 bytes", "{answer}");
    }
    let view = world.get("/api/v1/servers/web-00").await;
    assert_eq!((&view["job"]["status"], &view["job"]["outcome"]), (&json!("provisioning"), &Value::Null));
    // A report of an attempt that is not there yet, and of a boot that has no permit: nothing changes.
    for body in [
        json!({"status": "failed", "failed_step": "partition.service", "attempt": 2}),
        json!({"status": "failed", "failed_step": "partition.service", "boot_id": "another"}),
    ] {
        let (status, answer) = report(&world, &serial, &[("x-webhook-secret", own)], &body).await;
        assert_eq!((status, answer), (200, json!({"ok": true, "idempotent": true})));
    }
    let bearer = format!("bearer {own}");
    let (status, answer) = report(&world, &serial, &[("authorization", &bearer)], &success).await;
    assert_eq!((status, answer), (200, json!({"ok": true})));
    world.wait_job_complete(0, "succeeded").await;
    // Twice, and the contrary, after the job has ended.
    for late in [
        success,
        json!({"status": "failed", "failed_step": "partition.service", "delivery_id": "two"}),
        json!({"status": "failed", "failed_step": "partition.service"}),
    ] {
        let (status, answer) = report(&world, &serial, &[("x-webhook-secret", own)], &late).await;
        assert_eq!((status, answer), (200, json!({"ok": true, "idempotent": true})), "{late}");
    }
    let view = world.get("/api/v1/servers/web-00").await;
    assert_eq!((&view["job"]["status"], &view["job"]["outcome"]), (&json!("complete"), &json!("succeeded")));
    assert_eq!(world.get("/api/v1/servers/web-01").await["job"]["status"], "provisioning");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_token_of_an_earlier_attempt_changes_nothing_any_more() {
    let mut world = World::new(&["ilo5"]).await;
    world.tweak = |settings| settings.budgets.result_ms = 600_000;
    let passing = ("image-linux.service", "registry_unreachable");
    world.puppets[0].set(Script { fails_in: Some(passing), ..Script::default() });
    world.push("one server");
    world.start().await;
    let serial = world.farm.bmcs()[0].identity().serial.clone();
    world.wait_server(0, "a first report", |_| !world.puppets[0].seen().reports.is_empty()).await;
    let first = world.puppets[0].seen().task.unwrap();
    world.puppets[0].set(Script::default());
    assert_eq!(first["attempt"], 1);
    let view = world.wait_job_complete(0, "succeeded").await;
    assert_eq!(view["job"]["attempt"], 2, "{view:#}");
    let old = first["token"].as_str().unwrap();
    let body = json!({"status": "failed", "failed_step": "partition.service"});
    let (status, answer) = report(&world, &serial, &[("x-webhook-secret", old)], &body).await;
    assert_eq!((status, answer), (200, json!({"ok": true, "idempotent": true})));
    let path = format!("/api/v1/jobs/{}", view["job"]["job_id"].as_str().unwrap());
    let ask = json!({
        "attempt": 2, "epoch": first["epoch"], "boot_id": "late", "identity": {"serial": serial},
        "matching_disks": 1, "dispatcher_version": "0",
    });
    let permit = client().post(world.api(&format!("{path}/permit"))).bearer_auth(old).json(&ask);
    let answer: Value = permit.send().await.unwrap().json().await.unwrap();
    assert_eq!(
        (&answer["decision"], &answer["code"]),
        (&json!("refused"), &json!("stale_attempt")),
        "{answer}"
    );
    assert_eq!(answer["message"], "the token is of attempt 1, the request of attempt 2");
    assert_eq!(world.get(&path).await["outcome"], "succeeded");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_guesses_tokens_is_told_to_wait_and_the_machine_beside_him_is_not() {
    let mut world = World::new(&["ilo5"]).await;
    let tasks = at_work(&mut world).await;
    let serial = world.farm.bmcs()[0].identity().serial.clone();
    let body = json!({"status": "success"});
    let mut waits = 0;
    for guess in 0..40 {
        let guess = format!("guess-{guess}");
        let (status, answer) = report(&world, &serial, &[("x-webhook-secret", &guess)], &body).await;
        match status {
            401 => assert_eq!(waits, 0, "a wrong token after the limit is judged again"),
            429 => {
                assert_eq!(answer["error"], "too_many", "{answer}");
                waits += 1;
            }
            other => panic!("{other}: {answer}"),
        }
    }
    assert_eq!(waits, 10);
    let token = tasks[0]["token"].as_str().unwrap();
    let (status, answer) = report(&world, &serial, &[("x-webhook-secret", token)], &body).await;
    assert_eq!((status, answer), (200, json!({"ok": true})));
    world.stop().await;
}
