// SPDX-License-Identifier: AGPL-3.0-or-later
//! What the plan says of a BMC before anybody agrees to an install: the way of the media, and what will
//! not work.

use std::time::Duration;

use serde_json::{Value, json};
use shoal_testbed::faults::FaultPlan;

use super::world::{World, client};

/// The fleet wants approvals, so that nothing starts; looks are frequent.
async fn looked_at(profiles: &[&str], faults: &[(usize, &str)]) -> World {
    let mut world = World::new(profiles).await;
    world.tweak = |settings| {
        settings.sweep = Duration::from_millis(200);
        // What stops an install is looked at again at once.
        settings.time_divisor = 5_000;
    };
    for (index, rules) in faults {
        world.set_faults(*index, rules);
    }
    world.write_fleet("approve");
    world.push("servers to approve");
    world.start().await;
    for index in 0..profiles.len() {
        world.wait_server(index, "what its BMC offers", |v| v["entry"]["preflight"].is_object()).await;
    }
    world
}

impl World {
    fn set_faults(&self, index: usize, rules: &str) {
        let plan = if rules.is_empty() { String::new() } else { format!("rules:\n  - {rules}") };
        self.farm.bmcs()[index].set_faults(FaultPlan::parse(&plan).unwrap()).unwrap();
    }

    async fn preflight(&self, index: usize) -> Value {
        self.get(&format!("/api/v1/servers/web-{index:02}")).await["entry"]["preflight"].clone()
    }

    async fn wait_hold(&self, index: usize, code: &str) -> Value {
        let holds = |view: &Value| view["entry"]["holds"].as_array().cloned().unwrap_or_default();
        let view =
            self.wait_server(index, code, |view| holds(view).iter().any(|hold| hold["code"] == code)).await;
        holds(&view).into_iter().find(|hold| hold["code"] == code).unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_rung_is_told_with_its_scheme_and_its_boot_target() {
    let mut world = looked_at(&["idrac9-6", "ilo5", "smc-x13-single", "smc-x12", "bluefield"], &[]).await;
    for (index, rung, boots_by) in [
        (0, "two-cd", "Cd"),
        (1, "cd-usb", "Cd"),
        (2, "single", "UsbCd"),
        (3, "single", "UsbCd"),
        (4, "uefi-http", "UefiHttp"),
    ] {
        let preflight = world.preflight(index).await;
        let wanted = json!({"rung": rung, "scheme": "http", "bootsBy": boots_by});
        assert_eq!(preflight, wanted, "{index}");
    }
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bmc_that_takes_https_alone_is_held_until_the_fleet_offers_that() {
    let mut world = looked_at(&["openbmc-gb200"], &[]).await;
    let hold = world.wait_hold(0, "no-route").await;
    assert_eq!(hold["message"], "the BMC takes images over https, and mediaUrls offers http");
    assert!(hold["hint"].as_str().unwrap().contains("mediaUrls"), "{hold}");
    assert!(world.preflight(0).await["scheme"].is_null());
    // The status branch says so too, so that the plan in CI does.
    world
        .wait_status("servers/rack-a/web-00.json", "the obstacle", |s| {
            s["bmc"]["obstacles"][0]["code"] == "no-media-address"
        })
        .await;
    let path = world.path("work/shoal.yaml");
    let mut fleet: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    fleet["spec"]["mediaUrls"] = json!([{"url": "http://10.0.0.1:8081"}, {"url": "https://10.0.0.1:8444"}]);
    world.write_json("shoal.yaml", &fleet);
    world.push("media over https, too");
    let view = world.wait_server(0, "a way", |view| view["entry"]["preflight"]["scheme"] == "https").await;
    assert!(!view["entry"]["holds"].to_string().contains("no-route"), "{view:#}");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_licence_holds_and_lets_go_once_it_is_there() {
    let unlicensed = "{name: unlicensed, methods: [GET], path: '**/VirtualMedia/*', fault: {kind: refuse, why: unlicensed}}";
    let mut world = looked_at(&["smc-x12"], &[(0, unlicensed)]).await;
    let hold = world.wait_hold(0, "no-route").await;
    assert!(hold["message"].as_str().unwrap().contains("for want of a licence"), "{hold}");
    assert!(hold["hint"].as_str().unwrap().contains("SFT-OOB-LIC"), "{hold}");
    assert_eq!(world.preflight(0).await["rung"], "none");
    // As a user sees it.
    let plan = client().get(world.api("/api/v1/plan")).send().await.unwrap().text().await.unwrap();
    let plan: shoal_schema::plan::Plan = serde_json::from_str(&plan).unwrap();
    let text = shoal_core::plan::text::render(&plan);
    assert!(text.contains("    media: no way (none)") && text.contains("for want of a licence"), "{text}");
    let comment = shoal_core::plan::markdown::render(&plan, 60_000);
    assert!(
        comment.contains("- **will not work**: 1 server: no slot is shown for want of a licence"),
        "{comment}"
    );
    // It is installed on the BMC: nobody has to restart anything.
    world.set_faults(0, "");
    world
        .wait_server(0, "a way", |view| {
            view["entry"]["preflight"]["rung"] == "single"
                && !view["entry"]["holds"].to_string().contains("no-route")
        })
        .await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn disabled_media_the_boot_mode_and_an_occupied_slot_are_told_before() {
    // What this emulated manager does not have by itself: a network protocol with media switched off.
    let disabled = |manager: &str| {
        let protocol = format!("{manager}/NetworkProtocol");
        let says = json!({"@odata.id": manager, "Id": "1", "NetworkProtocol": {"@odata.id": protocol}});
        let off = json!({"@odata.id": protocol, "VirtualMedia": {"ProtocolEnabled": false}});
        format!(
            "{{name: manager, methods: [GET], path: {manager}, fault: {{kind: status, status: 200, body: {says}}}}}\n  \
             - {{name: off, methods: [GET], path: {protocol}, fault: {{kind: status, status: 200, body: {off}}}}}"
        )
    };
    let disabled = disabled("/redfish/v1/Managers/iDRAC.Embedded.1");
    let legacy = "{name: legacy, methods: [GET], path: /redfish/v1/Systems/1, fault: {kind: alter, pointer: /Boot/BootSourceOverrideMode, value: Legacy}}";
    let occupied = "{name: theirs, methods: [GET], path: /redfish/v1/Managers/1/VirtualMedia/2, fault: {kind: alter, pointer: /Inserted, value: true}}";
    let mut world =
        looked_at(&["idrac9-6", "ilo5", "ilo5"], &[(0, &disabled), (1, legacy), (2, occupied)]).await;
    let warnings = |preflight: &Value| preflight["warnings"].to_string();
    // Nothing can be put in: that holds, until somebody switches them on.
    let hold = world.wait_hold(0, "no-route").await;
    assert!(hold["message"].as_str().unwrap().contains("virtual media are disabled"), "{hold}");
    world.set_faults(0, "");
    world
        .wait_server(0, "media that are on", |view| !view["entry"]["holds"].to_string().contains("no-route"))
        .await;
    let shown = warnings(&world.preflight(1).await);
    assert!(shown.contains("the boot mode is Legacy: it is set to UEFI for our boot"), "{shown}");
    let view = world.get("/api/v1/servers/web-02").await;
    let notes = view["entry"]["notes"].to_string();
    assert!(notes.contains("the install takes them out"), "{notes}");
    // Somebody changes the mode: no plan goes on saying what was.
    world.set_faults(1, "");
    world
        .wait_server(1, "no word of the mode", |view| {
            view["entry"]["preflight"].is_object() && view["entry"]["preflight"]["warnings"].is_null()
        })
        .await;
    world.stop().await;
}
