// SPDX-License-Identifier: AGPL-3.0-or-later
//! From a push to an installed machine and a status commit, and the ways in which that ends otherwise.

use shoal_testbed::bmc::{Record, What};
use shoal_testbed::faults::FaultPlan;

use super::puppet::Script;
use super::world::{World, approval};

const EVERY_PROFILE: [&str; 3] = ["idrac9-6", "ilo5", "smc-x13-single"];

#[tokio::test(flavor = "multi_thread")]
async fn a_push_installs_a_machine_over_each_rung_and_the_status_branch_says_so() {
    let mut world = World::new(&EVERY_PROFILE).await;
    let commit = world.push("three servers");
    world.start().await;
    for index in 0..3 {
        let view = world.wait_job_complete(index, "succeeded").await;
        assert_eq!(view["status"]["record"]["state"], "installed", "{view:#}");
        let status = world
            .wait_status(&format!("servers/rack-a/web-{index:02}.json"), "an installed machine", |status| {
                status["record"]["state"] == "installed" && status["job"]["outcome"] == "succeeded"
            })
            .await;
        assert_eq!(status["record"]["installed"]["version"], "12.8");
        let seen = world.puppets[index].seen();
        assert_eq!(seen.maintenance_boots, 1, "booted the maintenance OS once");
        assert_eq!(seen.answers.last().unwrap()["decision"], "granted");
        assert!(seen.answers.last().unwrap()["user_data"].as_str().unwrap().contains(super::world::OS_HASH));
        let bmc = world.farm.bmcs()[index].state();
        assert!(bmc.slots.iter().all(|slot| slot.image.is_none()), "media are out: {:?}", bmc.slots);
        assert_eq!(bmc.open_sessions, 0, "sessions are closed");
    }
    let summary = world.wait_status("summary.json", "the commit", |s| s["commit"] == commit.as_str()).await;
    assert!(summary["ledger"].is_string());
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_without_slots_is_installed_over_http_and_its_address_is_taken_back() {
    // The second one never starts: what was set for its start has to go.
    const NO_START: &str = "rules:
      - {name: no start, methods: [POST], path: '**/ComputerSystem.Reset', after: 1, fault: {kind: status, status: 400}}";
    let mut world = World::new(&["bluefield", "bluefield"]).await;
    world.farm.bmcs()[1].set_faults(FaultPlan::parse(NO_START).unwrap()).unwrap();
    world.push("two servers");
    world.start().await;
    let view = world.wait_job_complete(0, "succeeded").await;
    assert_eq!(view["status"]["record"]["state"], "installed", "{view:#}");
    let view =
        world.wait_server(0, "a look at it", |view| view["status"]["bmc"]["rung"] == "uefi-http").await;
    assert_ne!(view["status"]["bmc"]["bootOverride"], true, "{view:#}");
    let seen = world.puppets[0].seen();
    assert_eq!(seen.maintenance_boots, 1);
    assert_eq!(seen.answers.last().unwrap()["decision"], "granted");
    world.wait_job_complete(1, "failed").await;
    let set = world.farm.bmcs()[1].log(0).iter().filter(|record| sets_http(record)).count();
    assert!(set >= 1, "an address was set");
    for bmc in world.farm.bmcs() {
        let state = bmc.state();
        assert_eq!(state.boot_override.http_boot_uri, None, "{:?}", state.boot_override);
        assert_eq!(format!("{:?}", state.boot_override.enabled), "Disabled");
        assert_eq!(state.open_sessions, 0, "sessions are closed");
    }
    world.stop().await;
}

fn sets_http(record: &Record) -> bool {
    matches!(&record.what, What::Request(request) if request.method == "PATCH"
        && request.body.as_ref().is_some_and(|body| body["Boot"]["HttpBootUri"].is_string()))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_bump_is_held_until_it_is_approved_and_the_approval_works_once() {
    let mut world = World::new(&["idrac9-6"]).await;
    world.push("one server");
    world.start().await;
    world.wait_job_complete(0, "succeeded").await;
    world.write_server(0, "13.1");
    world.push("bump");
    let view = world
        .wait_server(0, "a held reinstall", |view| {
            view["entry"]["action"] == "reinstall" && view["entry"]["approval"]["state"] == "needed"
        })
        .await;
    assert_eq!(view["entry"]["class"], "destructive");
    assert_eq!(world.puppets[0].seen().maintenance_boots, 1, "nothing happened yet");
    world.approve(0, "install").await;
    let view = world
        .wait_server(0, "the new version", |view| {
            view["status"]["record"]["installed"]["version"] == "13.1" && view["job"]["status"] == "complete"
        })
        .await;
    assert!(view["entry"].is_null(), "as wanted: {:#}", view["entry"]);
    // Back and forth: the approval in history names an older record and never fires again.
    world.write_server(0, "12.8");
    world.push("back");
    world.wait_server(0, "a held way back", |view| view["entry"]["approval"]["state"] == "needed").await;
    world.write_server(0, "13.1");
    world.push("forth");
    world.wait_server(0, "nothing to do", |view| view["entry"].is_null()).await;
    assert_eq!(world.puppets[0].seen().maintenance_boots, 2);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_unit_is_named_with_its_step_and_the_machine_is_left_off_without_media() {
    let mut world = World::new(&["ilo5"]).await;
    world.puppets[0]
        .set(Script { fails_in: Some(("bootloader-linux.service", "missing_esp")), ..Script::default() });
    world.push("one server");
    world.start().await;
    let view = world.wait_job_complete(0, "failed").await;
    assert_eq!(view["job"]["failed_step"], "workflow.bootloader-linux");
    assert_eq!(view["job"]["error"]["unit"], "bootloader-linux.service");
    let error = &view["job"]["error"];
    assert_eq!((&error["code"], &error["hint"]), (&"missing_esp".into(), &"add one to the layout".into()));
    assert_eq!(error["message"], "bootloader-linux.service did not work");
    assert_eq!(error["logTail"], "last line");
    let status = world
        .wait_status("servers/rack-a/web-00.json", "the reason", |s| s["lastError"]["code"] == "missing_esp")
        .await;
    assert_eq!(status["record"]["state"], "dirty");
    assert!(status["lastError"]["logTail"].is_null());
    let bmc = world.farm.bmcs()[0].state();
    assert!(bmc.slots.iter().all(|slot| slot.image.is_none()));
    assert_eq!(format!("{:?}", bmc.power), "Off");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_wrong_machine_behind_an_address_is_refused_and_nothing_is_written() {
    let mut world = World::new(&["ilo5"]).await;
    world.puppets[0].set(Script { serial: Some("SOMEBODYELSE1".into()), ..Script::default() });
    world.push("one server");
    world.start().await;
    let view = world.wait_job_complete(0, "failed").await;
    assert_eq!(view["job"]["failed_step"], "workflow.identity", "{view:#}");
    assert_eq!(view["status"]["record"]["state"], "unknown");
    let answers = world.puppets[0].seen().answers;
    assert!(answers.iter().all(|answer| answer["decision"] == "refused"), "{answers:?}");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_is_not_blank_is_not_written_without_an_approval() {
    let mut world = World::new(&["ilo5"]).await;
    world.puppets[0].set(Script { disk_in_use: true, ..Script::default() });
    world.push("one server");
    world.start().await;
    let view = world.wait_job_complete(0, "failed").await;
    assert_eq!(view["job"]["error"]["code"], "not_blank");
    let hint = view["job"]["error"]["hint"].as_str().unwrap_or_default();
    assert!(hint.contains("shoal approve"), "{hint}");
    assert_eq!(view["job"]["failed_step"], "workflow.disk");
    // With firstInstall: approve and an approval the same machine is installed.
    world.write_fleet("approve");
    world.push("approve first installs");
    world
        .wait_server(0, "an entry that needs approval", |v| v["entry"]["approval"]["state"] == "needed")
        .await;
    world.approve(0, "install").await;
    world.wait_job_complete(0, "succeeded").await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_adopted_machine_is_never_touched() {
    let mut world = World::new(&["ilo5"]).await;
    world.write_fleet("approve");
    world.push("one server");
    world.start().await;
    let view = world.wait_server(0, "an entry", |v| v["entry"]["approval"]["state"] == "needed").await;
    let key = serde_json::json!({
        "server": "web-00", "machine": view["entry"]["machine"], "action": "adopt",
        "desired": view["entry"]["desiredDigest"], "observed": view["entry"]["observedDigest"],
        "record": view["entry"]["record"], "ledger": world.get("/api/v1/status").await["ledger"],
    });
    let digest = shoal_schema::Sha256::of_value(&key).unwrap();
    world.write_json("approvals/adopt.yaml", &approval("web-00", "adopt", &digest.to_string()));
    world.push("adopt");
    let view = world
        .wait_server(0, "an adopted machine", |view| view["status"]["record"]["state"] == "adopted")
        .await;
    assert!(view["job"].is_null());
    let bmc = world.farm.bmcs()[0].state();
    assert_eq!(bmc.counters.boots, 0, "{:?}", bmc.counters);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_that_comes_twice_changes_nothing_the_second_time() {
    let mut world = World::new(&["ilo5"]).await;
    world.puppets[0].set(Script { reports_twice: true, ..Script::default() });
    world.push("one server");
    world.start().await;
    world.wait_job_complete(0, "succeeded").await;
    // The machine is switched off as soon as the first report is in, so the second may not leave it.
    let reports = world.puppets[0].seen().reports;
    assert_eq!(reports[0], serde_json::json!({"ok": true}));
    for second in &reports[1..] {
        assert_eq!(*second, serde_json::json!({"ok": true, "idempotent": true}));
    }
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_left_git_is_released_and_more_than_a_share_is_held() {
    let mut world = World::new(&["ilo5", "ilo5", "ilo5"]).await;
    world.push("three servers");
    world.start().await;
    for index in 0..3 {
        world.wait_job_complete(index, "succeeded").await;
    }
    std::fs::remove_file(world.path("work/servers/rack-a/web-00.yaml")).unwrap();
    world.push("one leaves");
    let view = world
        .wait_server(0, "a released server", |view| view["status"]["record"]["state"] == "released")
        .await;
    assert_eq!(view["in_git"], false);
    for index in 1..3 {
        std::fs::remove_file(world.path(&format!("work/servers/rack-a/web-0{index}.yaml"))).unwrap();
    }
    world.push("everything leaves");
    world
        .wait_server(1, "a held release", |view| {
            view["entry"]["holds"].as_array().is_some_and(|holds| holds.iter().any(|h| h["code"] == "guard"))
        })
        .await;
    assert_eq!(world.get("/api/v1/servers/web-01").await["status"]["record"]["state"], "installed");
    world.stop().await;
}
