// SPDX-License-Identifier: AGPL-3.0-or-later
//! Databases that are lost, restored or somebody else's.

use serde_json::{Value, json};
use shoal_controller::outside::SystemRandom;
use shoal_store::{Aside, Opening, RedbStore, Restore};

use super::puppet::Script;
use super::world::{World, client};

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_database_installs_nothing_and_voids_every_approval() {
    let mut world = World::new(&["ilo5"]).await;
    world.push("one server");
    world.start().await;
    world.wait_job_complete(0, "succeeded").await;
    world.write_server(0, "13.1");
    world.push("bump");
    world.approve(0, "install").await;
    world
        .wait_server(0, "the new version", |view| {
            view["status"]["record"]["installed"]["version"] == "13.1" && view["job"]["status"] == "complete"
        })
        .await;
    world
        .wait_status("servers/rack-a/web-00.json", "it", |s| s["record"]["installed"]["version"] == "13.1")
        .await;
    let before = world.get("/api/v1/status").await["ledger"].clone();
    world.stop().await;
    std::fs::remove_dir_all(world.path("state")).unwrap();
    world.start().await;
    let view = world
        .wait_server(0, "a restored record and its plan", |view| {
            view["status"]["record"]["state"] == "restored" && !view["entry"].is_null()
        })
        .await;
    assert_eq!(view["entry"]["reason"], "restored", "{view:#}");
    assert_eq!(view["entry"]["approval"]["state"], "needed", "{view:#}");
    assert_ne!(world.get("/api/v1/status").await["ledger"], before);
    assert_eq!(world.puppets[0].seen().maintenance_boots, 2);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_that_a_job_of_a_lost_database_may_be_writing_is_left_alone_until_somebody_says_retry() {
    let mut world = World::new(&["ilo5"]).await;
    world.puppets[0].set(Script { never_asks: true, ..Script::default() });
    world.push("one server");
    world.start().await;
    world.wait_server(0, "a job under way", |view| view["job"]["status"] == "provisioning").await;
    world
        .wait_status("servers/rack-a/web-00.json", "the job", |s| s["job"]["status"] == "provisioning")
        .await;
    let boots = || world.puppets[0].seen().maintenance_boots;
    let end = tokio::time::Instant::now() + std::time::Duration::from_secs(20);
    while boots() == 0 {
        assert!(tokio::time::Instant::now() < end, "it never booted");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    world.stop().await;
    std::fs::remove_dir_all(world.path("state")).unwrap();
    world.start().await;
    // It seemed never to have been installed: by now it may be.
    let view = world.wait_server(0, "an entry", |view| view["entry"].is_object()).await;
    assert_eq!(view["status"]["record"]["state"], "restored", "{view:#}");
    world.approve(0, "install").await;
    let alone = |view: &Value| view["waits"].as_str().is_some_and(|why| why.contains("left alone"));
    let view = world.wait_server(0, "that it is left alone", alone).await;
    assert!(view["status"]["nextTry"].is_string(), "{view:#}");
    let bmc = world.farm.bmcs()[0].state();
    assert!(bmc.slots.iter().any(|slot| slot.image.is_some()), "its medium may be in use: {bmc:?}");
    assert_eq!(world.puppets[0].seen().maintenance_boots, 1);
    world.puppets[0].set(Script::default());
    let (code, body) = world.post("/api/v1/servers/web-00/retry", json!({})).await;
    assert_eq!(code, 200, "{body}");
    world.wait_job_complete(0, "succeeded").await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_copy_of_a_database_is_found_out() {
    let mut world = World::new(&["ilo5"]).await;
    world.write_fleet("approve");
    world.push("one server");
    world.start().await;
    world.wait_server(0, "an entry", |v| v["entry"]["approval"]["state"] == "needed").await;
    world.stop().await;
    std::fs::create_dir(world.path("copy")).unwrap();
    std::fs::copy(world.path("state/db/shoal.redb"), world.path("copy/shoal.redb")).unwrap();
    world.start().await;
    world.approve(0, "install").await;
    world.wait_job_complete(0, "succeeded").await;
    world.stop().await;
    // The copy never saw the job: the approval would still be unused there.
    std::fs::copy(world.path("copy/shoal.redb"), world.path("state/db/shoal.redb")).unwrap();
    world.start().await;
    let view = world
        .wait_server(0, "a restored record and its plan", |view| {
            view["status"]["record"]["state"] == "restored" && !view["entry"].is_null()
        })
        .await;
    assert_eq!(view["entry"]["approval"]["state"], "needed", "{view:#}");
    assert_eq!(world.puppets[0].seen().maintenance_boots, 1);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rewritten_branch_is_refused_until_it_is_accepted() {
    let mut world = World::new(&["ilo5"]).await;
    let good = world.push("one server");
    world.start().await;
    world.wait_job_complete(0, "succeeded").await;
    world.git(&["-C", "work", "commit", "-q", "--amend", "-m", "rewritten"]);
    world.git(&["-C", "work", "push", "-q", "--force", "origin", "main"]);
    let summary = world.wait_status("summary.json", "the refusal", |s| s["refused"].is_object()).await;
    assert_eq!(summary["commit"], good.as_str());
    let refused = summary["refused"]["commit"].as_str().unwrap().to_owned();
    let (code, _) = world.post("/api/v1/accept", serde_json::json!({"revision": "0000000"})).await;
    assert_eq!(code, 409);
    let (code, body) = world.post("/api/v1/accept", serde_json::json!({"revision": refused})).await;
    assert_eq!(code, 200, "{body}");
    world.wait_status("summary.json", "the accepted commit", |s| s["commit"] == refused.as_str()).await;
    world.stop().await;
}

/// Puts a backup into the place of the database, as `shoal restore` does.
fn restore(world: &World, backup: &[u8]) -> shoal_controller::restored::Renewed {
    let path = world.path("state/db/shoal.redb");
    let now = jiff::Timestamp::now();
    let restore = Restore { path: &path, aside: Aside::Any, opening: Opening::new("test", now) };
    let renew = |store: &RedbStore| shoal_controller::restored::renew(store, &SystemRandom, now);
    RedbStore::restore(&restore, backup, renew).unwrap().made
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_that_was_installed_after_the_backup_is_not_one_that_nobody_ever_met() {
    let mut world = World::new(&["ilo5"]).await;
    world.write_fleet("approve");
    world.push("one server");
    world.start().await;
    world.wait_server(0, "an entry", |v| v["entry"]["approval"]["state"] == "needed").await;
    let answer = client().get(world.api("/api/v1/backup")).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    let backup = answer.bytes().await.unwrap();
    world.approve(0, "install").await;
    world.wait_job_complete(0, "succeeded").await;
    world.wait_status("servers/rack-a/web-00.json", "it", |s| s["record"]["state"] == "installed").await;
    let before = world.get("/api/v1/status").await["ledger"].clone();
    world.stop().await;

    let renewed = restore(&world, &backup);
    assert_eq!((renewed.servers, renewed.jobs_over), (1, 0));
    // Whoever is new may be looked at without being asked: booted, that is.
    world.write_fleet("blankOnly");
    world.push("new machines install themselves");
    world.start().await;
    let view = world
        .wait_server(0, "a restored record and its plan", |view| {
            view["status"]["record"]["state"] == "restored" && !view["entry"].is_null()
        })
        .await;
    assert_eq!(view["entry"]["approval"]["state"], "needed", "{view:#}");
    assert_eq!(view["status"]["record"]["installed"]["version"], "12.8", "{view:#}");
    let status = world.get("/api/v1/status").await;
    assert_ne!(status["ledger"], before);
    assert_eq!(status["observe_only"], false);
    world.wait_status("summary.json", "the new ledger", |s| s["ledger"] == status["ledger"]).await;
    // It is learnt once.
    world.stop().await;
    world.start().await;
    world.wait_server(0, "the same", |view| view["status"]["record"]["state"] == "restored").await;
    assert_eq!(world.get("/api/v1/status").await["ledger"], status["ledger"]);
    assert_eq!(world.puppets[0].seen().maintenance_boots, 1, "it was booted");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_was_active_in_a_backup_is_over_and_its_approval_void() {
    let mut world = World::new(&["ilo5"]).await;
    world.write_fleet("approve");
    world.push("one server");
    world.puppets[0].set(Script { silent_after_permit: true, ..Script::default() });
    world.start().await;
    world.approve(0, "install").await;
    let view = world.wait_server(0, "a job", |view| view["job"]["status"] == "provisioning").await;
    let job = view["job"]["job_id"].as_str().unwrap().to_owned();
    let backup = client().get(world.api("/api/v1/backup")).send().await.unwrap().bytes().await.unwrap();
    world.crash().await;
    assert_eq!(restore(&world, &backup).jobs_over, 1);
    world.start().await;
    let view = world.wait_server(0, "an entry", |view| view["entry"]["approval"]["state"] == "needed").await;
    assert_ne!(view["job"]["status"], "provisioning", "{view:#}");
    let ended = world.get(&format!("/api/v1/jobs/{job}")).await;
    assert_eq!((&ended["status"], &ended["outcome"]), (&"complete".into(), &"failed".into()), "{ended:#}");
    assert_eq!(ended["error"]["code"], "restored", "{ended:#}");
    world.stop().await;
}
