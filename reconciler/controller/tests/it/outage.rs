// SPDX-License-Identifier: AGPL-3.0-or-later
//! A controller that may not act yet, or not any more: Git is away, another controller took over, it is
//! drained.

use serde_json::{Value, json};

use super::puppet::Script;
use super::world::{World, client};

/// Asks for the permit of the task that the machine has read.
async fn ask(world: &World, task: &Value) -> Value {
    let identity = world.farm.bmcs()[0].identity().clone();
    let body = json!({
        "attempt": task["attempt"], "epoch": task["epoch"], "boot_id": "boot-of-this-test",
        "identity": {"serial": identity.serial},
        "disk": {
            "path": "/dev/sda", "serial": identity.disks[0].serial, "size_bytes": 64_u64 << 30,
            "blank": true, "contents": [],
        },
        "matching_disks": 1, "dispatcher_version": "0.0.0",
    });
    let path = format!("/api/v1/jobs/{}/permit", task["job_id"].as_str().unwrap());
    let request = client().post(world.api(&path)).bearer_auth(task["token"].as_str().unwrap());
    request.json(&body).send().await.unwrap().json().await.unwrap()
}

/// A job whose machine has read its medium and says nothing by itself.
pub(crate) async fn waiting_for_its_permit(world: &mut World) -> Value {
    world.puppets[0].set(Script { never_asks: true, ..Script::default() });
    world.push("one server");
    world.start().await;
    world.wait_server(0, "a job under way", |view| view["job"]["status"] == "provisioning").await;
    loop {
        if let Some(task) = world.puppets[0].seen().task {
            return task;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_controller_that_has_not_read_git_yet_ends_no_job_and_plans_nothing() {
    let mut world = World::new(&["ilo5"]).await;
    world.tweak = |settings| settings.budgets.boot_ms = 60_000;
    let task = waiting_for_its_permit(&mut world).await;
    world.stop().await;
    std::fs::rename(world.path("repo.git"), world.path("away.git")).unwrap();
    world.start().await;
    let answer = ask(&world, &task).await;
    assert_eq!(answer["decision"], "wait", "{answer}");
    let plan = client().get(world.api("/api/v1/plan")).send().await.unwrap();
    assert_eq!(plan.status().as_u16(), 503);
    let view = world.get("/api/v1/servers/web-00").await;
    assert_eq!(view["job"]["status"], "provisioning", "{view:#}");
    std::fs::rename(world.path("away.git"), world.path("repo.git")).unwrap();
    let end = tokio::time::Instant::now() + std::time::Duration::from_secs(20);
    let mut answer = Value::Null;
    while tokio::time::Instant::now() < end && answer["decision"] != "granted" {
        answer = ask(&world, &task).await;
        assert_ne!(answer["decision"], "refused", "{answer}");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert_eq!(answer["decision"], "granted", "{answer}");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_controller_whose_branch_is_another_ones_leaves_its_own_jobs_alone() {
    let mut world = World::new(&["ilo5"]).await;
    world.tweak = |settings| settings.budgets.boot_ms = 500;
    waiting_for_its_permit(&mut world).await;
    world.stop().await;
    // Another controller took over meanwhile.
    world.git(&["clone", "-q", "-b", "shoal/status", "repo.git", "status"]);
    let path = world.path("status/summary.json");
    let mut summary: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    let ours = summary["ledger"].as_str().unwrap().to_owned();
    let theirs: String = ours
        .chars()
        .map(|c| {
            if c == '0' {
                '1'
            } else if c == '1' {
                '0'
            } else {
                c
            }
        })
        .collect();
    assert_ne!(ours, theirs);
    summary["ledger"] = theirs.into();
    std::fs::write(&path, serde_json::to_vec_pretty(&summary).unwrap()).unwrap();
    world.git(&["-C", "status", "commit", "-q", "-a", "-m", "taken over"]);
    world.git(&["-C", "status", "push", "-q", "origin", "shoal/status"]);
    let before = world.farm.bmcs()[0].state().counters;
    world.start().await;
    let end = tokio::time::Instant::now() + std::time::Duration::from_secs(20);
    while world.get("/api/v1/status").await["observe_only"] != true {
        assert!(tokio::time::Instant::now() < end, "the other ledger was never noticed");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    // Three budgets of an attempt.
    tokio::time::sleep(std::time::Duration::from_millis(1_500)).await;
    let view = world.get("/api/v1/servers/web-00").await;
    assert_eq!(view["job"]["attempt"], 1, "{view:#}");
    assert_eq!(format!("{before:?}"), format!("{:?}", world.farm.bmcs()[0].state().counters));
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_controller_finds_at_its_next_fetch_that_a_copy_of_its_database_is_at_work() {
    let mut world = World::new(&["ilo5"]).await;
    waiting_for_its_permit(&mut world).await;
    world
        .wait_status("servers/rack-a/web-00.json", "the job", |s| s["job"]["status"] == "provisioning")
        .await;
    // A copy that took the job up published that it did.
    world.git(&["clone", "-q", "-b", "shoal/status", "repo.git", "status"]);
    let path = world.path("status/summary.json");
    let mut summary: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    summary["counter"] = (summary["counter"].as_u64().unwrap() + 1).into();
    summary["incarnation"] = "the copy's".into();
    std::fs::write(&path, serde_json::to_vec_pretty(&summary).unwrap()).unwrap();
    world.git(&["-C", "status", "commit", "-q", "-a", "-m", "the copy"]);
    world.git(&["-C", "status", "push", "-q", "origin", "shoal/status"]);
    // Nothing is to be published here: the fetch alone finds it.
    assert_eq!(world.get("/api/v1/status").await["observe_only"], false);
    world.post("/api/v1/reconcile", json!({})).await;
    assert_eq!(world.get("/api/v1/status").await["observe_only"], true);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_status_branch_that_was_put_back_is_published_anew_at_the_next_fetch() {
    let mut world = World::new(&["ilo5"]).await;
    world.push("one server");
    world.start().await;
    world.wait_job_complete(0, "succeeded").await;
    let installed = |s: &Value| s["record"]["state"] == "installed" && s["job"]["status"] == "complete";
    world.wait_status("servers/rack-a/web-00.json", "it", installed).await;
    world.git(&[
        "--git-dir",
        "repo.git",
        "update-ref",
        "refs/heads/shoal/status",
        "refs/heads/shoal/status~1",
    ]);
    world.post("/api/v1/reconcile", json!({})).await;
    world.wait_status("servers/rack-a/web-00.json", "it again", installed).await;
    assert_eq!(world.get("/api/v1/status").await["observe_only"], false);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_permit_is_not_handed_out_before_the_status_branch_knows_of_it() {
    let mut world = World::new(&["ilo5"]).await;
    let task = waiting_for_its_permit(&mut world).await;
    // Somebody else writes there, and does not come to an end.
    let lock = world.path("repo.git/refs/heads/shoal/status.lock");
    std::fs::write(&lock, "").unwrap();
    let answer = ask(&world, &task).await;
    assert_eq!(answer["decision"], "wait", "{answer}");
    assert!(answer["reason"].as_str().unwrap().contains("not known on the status branch yet"), "{answer}");
    let view = world.get("/api/v1/servers/web-00").await;
    assert_ne!(view["status"]["record"]["state"], "dirty", "no permit was kept: {view:#}");
    std::fs::remove_file(&lock).unwrap();
    let answer = ask(&world, &task).await;
    assert_eq!(answer["decision"], "granted", "{answer}");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drained_controller_starts_no_job_for_anybody() {
    let mut world = World::new(&["ilo5"]).await;
    world.tweak = |settings| settings.worker_concurrency = 0;
    world.push("one server");
    world.start().await;
    let view = world.wait_server(0, "an entry that waits", |view| view["waits"].is_string()).await;
    let serial = view["entry"]["machine"].as_str().unwrap();
    let body = json!({"server_serial": serial, "recipe": world.recipe(0)});
    let (code, answer) = world.post("/api/v1/jobs", body).await;
    assert_eq!((code, answer["error"].as_str()), (409, Some("not_started")), "{answer}");
    assert!(answer["message"].as_str().unwrap().contains("draining"), "{answer}");
    assert_eq!(world.get("/api/v1/jobs").await, json!([]));
    world.stop().await;
}
