// SPDX-License-Identifier: AGPL-3.0-or-later
//! Each kind of fault, as a client meets it.

use std::time::{Duration, Instant};

use http::Method;
use serde_json::json;
use shoal_testbed::bmc::profiles::{IDRAC9_6, ILO5, SMC_X13_SINGLE};
use shoal_testbed::bmc::{BootDevice, Enabled, Power, What};

use crate::behaviour_boot::booted;
use crate::behaviour_power::{reset, system};
use crate::client::Client;
use crate::fixture::{Fixture, Options, PASSWORD, USER};
use crate::image_server::ImageServer;
use crate::route::{cd_slot, insert, set_boot};

const SYSTEMS: &str = "/redfish/v1/Systems";

async fn with_faults(faults: &'static str) -> Fixture {
    Fixture::with(&IDRAC9_6, Options { faults, ..Options::default() }).await
}

#[tokio::test]
async fn latency_delays_the_answer() {
    let faults =
        "rules: [{name: slow, path: /redfish/v1/Systems, count: 1, fault: {kind: latency, ms: 150}}]";
    let fixture = with_faults(faults).await;
    let started = Instant::now();
    fixture.client.get(SYSTEMS).await.expect(200);
    assert!(started.elapsed() >= Duration::from_millis(150));
}

#[tokio::test]
async fn a_status_replaces_the_answer_and_the_effect() {
    let faults = "
rules:
  - name: sys518
    methods: [GET]
    path: /redfish/v1/Systems
    count: 1
    fault: {kind: status, status: 503, retry_after: 2, body: {error: {code: IDRAC.2.8.SYS518}}}
  - {name: no off, path: '**/ComputerSystem.Reset', count: 1, fault: {kind: status, status: 500}}
";
    let fixture = with_faults(faults).await;
    let busy = fixture.client.get(SYSTEMS).await.expect(503);
    assert_eq!(busy.header("retry-after"), "2");
    assert_eq!(busy.json()["error"]["code"], "IDRAC.2.8.SYS518");
    fixture.client.get(SYSTEMS).await.expect(200);
    let refused = reset(&fixture, "On").await.expect(500);
    assert!(refused.message_id().ends_with("GeneralError"));
    assert_eq!(fixture.bmc().state().power, Power::Off);
}

#[tokio::test]
async fn a_dropped_connection_gives_no_answer_with_or_without_effect() {
    let faults = "
rules:
  - {name: lost request, path: '**/ComputerSystem.Reset', count: 1, fault: {kind: drop}}
  - {name: lost answer, path: '**/ComputerSystem.Reset', after: 1, count: 1, fault: {kind: drop, after_effect: true}}
";
    let fixture = with_faults(faults).await;
    let action = format!("{}/Actions/ComputerSystem.Reset", system(&IDRAC9_6));
    let request = || fixture.client.request(Method::POST, &action).json(&json!({"ResetType": "On"}));
    fixture.client.try_send(request()).await.expect_err("the connection was closed");
    assert_eq!(fixture.bmc().state().power, Power::Off);
    fixture.client.try_send(request()).await.expect_err("the connection was closed");
    fixture.until("on", |fixture| fixture.bmc().state().power == Power::On).await;
}

#[tokio::test]
async fn a_stalled_request_is_never_answered_and_hinders_nobody_else() {
    let faults = "rules: [{name: stuck, path: /redfish/v1/Systems, count: 1, fault: {kind: stall}}]";
    let fixture = with_faults(faults).await;
    let request = fixture.client.request(Method::GET, SYSTEMS).timeout(Duration::from_millis(100));
    let error = fixture.client.try_send(request).await.expect_err("no answer");
    assert!(error.is_timeout(), "{error}");
    fixture.client.get(SYSTEMS).await.expect(200);
    tokio::time::timeout(Duration::from_secs(5), fixture.farm.shutdown())
        .await
        .expect("a stall does not block the end");
}

#[tokio::test]
async fn a_truncated_body_ends_before_its_length() {
    let faults =
        "rules: [{name: cut, path: /redfish/v1/Systems, count: 1, fault: {kind: truncate, bytes: 20}}]";
    let fixture = with_faults(faults).await;
    let response = fixture.client.request(Method::GET, SYSTEMS).send().await.expect("a head");
    assert!(response.content_length().is_some_and(|length| length > 20));
    response.bytes().await.expect_err("the body is short");
}

#[tokio::test]
async fn a_lie_claims_success_and_does_nothing() {
    let faults =
        "rules: [{name: liar, methods: [POST, PATCH], path: /redfish/v1/Systems/**, fault: {kind: lie}}]";
    let fixture = with_faults(faults).await;
    reset(&fixture, "On").await.expect(204);
    let boot = json!({"Boot": {"BootSourceOverrideEnabled": "Once", "BootSourceOverrideTarget": "Cd"}});
    let answer = fixture.client.patch(&system(&IDRAC9_6), boot).await;
    assert!((200..300).contains(&answer.status));
    let insert = format!("{}/Actions/VirtualMedia.InsertMedia", cd_slot(&fixture));
    let image = json!({"Image": "http://127.0.0.1:9/a.iso"});
    fixture.client.post(&insert, image).await.expect(204);
    let state = fixture.bmc().state();
    assert_eq!((state.power, state.boot_override.target.as_str()), (Power::Off, "None"));
    assert_eq!(state.slots[0].image, None);
}

#[tokio::test]
async fn slow_power_takes_its_multiple() {
    let faults = "rules: [{name: slow, count: 1, path: '**/ComputerSystem.Reset', fault: {kind: slow_power, factor: 50}}]";
    let fixture = with_faults(faults).await;
    let started = Instant::now();
    reset(&fixture, "On").await.expect(204);
    fixture.until("on", |fixture| fixture.bmc().state().power == Power::On).await;
    // 3 s, scaled to 3 ms, times fifty.
    assert!(started.elapsed() >= Duration::from_millis(150));
}

#[tokio::test]
async fn an_insertion_can_fail_though_the_image_is_there() {
    let images = ImageServer::start(4096).await;
    let faults = "rules: [{name: bad luck, count: 1, path: '**/VirtualMedia.InsertMedia', fault: {kind: insert_fails}}]";
    let fixture = with_faults(faults).await;
    let action = format!("{}/Actions/VirtualMedia.InsertMedia", cd_slot(&fixture));
    let body = json!({"Image": images.url("a.iso")});
    let answer = fixture.client.post(&action, body.clone()).await.expect(500);
    assert_eq!(answer.message_id(), "IDRAC.2.8.RAC0904");
    assert!(images.ranges().is_empty());
    fixture.client.post(&action, body).await.expect(204);
}

#[tokio::test]
async fn a_session_can_die_in_the_middle() {
    let faults = "rules: [{name: amnesia, path: /redfish/v1/Systems, after: 1, count: 1, fault: {kind: unauthorized}}]";
    let fixture = Fixture::with(&ILO5, Options { faults, ..Options::default() }).await;
    let (token, _) = fixture.client.login().await;
    let session = fixture.client.with_token(&token);
    session.get(SYSTEMS).await.expect(200);
    session.get(SYSTEMS).await.expect(401);
    session.get(SYSTEMS).await.expect(401);
    let (token, _) = fixture.client.login().await;
    fixture.client.with_token(&token).get(SYSTEMS).await.expect(200);
}

#[tokio::test]
async fn sessions_can_be_exhausted_by_others() {
    let faults = "rules: [{name: crowd, path: '**/Sessions', count: 1, fault: {kind: sessions_exhausted}}]";
    let fixture = Fixture::with(&SMC_X13_SINGLE, Options { faults, ..Options::default() }).await;
    let body = json!({"UserName": USER, "Password": PASSWORD});
    let nobody = Client::nobody(fixture.bmc());
    let answer = nobody.post("/redfish/v1/SessionService/Sessions", body).await.expect(503);
    assert!(answer.message_id().ends_with("SessionLimitExceeded"));
    nobody.login().await;
}

#[tokio::test]
async fn the_log_names_the_faults_that_fired() {
    let faults = "rules: [{name: lost, path: /redfish/v1/Systems, count: 1, fault: {kind: drop}}]";
    let fixture = with_faults(faults).await;
    let request = fixture.client.request(Method::GET, SYSTEMS);
    fixture.client.try_send(request).await.expect_err("dropped");
    fixture.client.get(SYSTEMS).await.expect(200);
    let seen: Vec<(u16, Vec<String>)> = fixture
        .bmc()
        .log(0)
        .into_iter()
        .filter_map(|record| match record.what {
            What::Request(request) => Some((request.status, request.faults)),
            What::Event(_) => None,
        })
        .collect();
    assert_eq!(seen, [(0, vec!["lost".to_owned()]), (200, vec![])]);
}

#[tokio::test]
async fn a_request_can_be_refused_in_the_models_own_words() {
    let faults = "rules: [{name: busy, path: /redfish/v1/Systems, count: 1, fault: {kind: refuse, why: not_ready, retry_after: 3}}]";
    let fixture = with_faults(faults).await;
    let busy = fixture.client.get(SYSTEMS).await.expect(503);
    assert_eq!((busy.message_id().as_str(), busy.header("retry-after")), ("IDRAC.2.8.SYS518", "3"));
    fixture.client.get(SYSTEMS).await.expect(200);
}

#[tokio::test]
async fn a_part_of_an_answer_can_be_another_than_the_truth() {
    let faults = "
rules:
  - {name: no list, path: /redfish/v1/Systems, count: 1, fault: {kind: alter, pointer: /Members, value: null}}
  - {name: more, path: /redfish/v1/Systems, count: 1, fault: {kind: alter, pointer: /Bogus, value: {a: 1}}}
  - {name: nowhere, path: /redfish/v1/Systems, count: 1, fault: {kind: alter, pointer: /No/Such/Part, value: 1}}
";
    let fixture = with_faults(faults).await;
    let told = fixture.client.get(SYSTEMS).await.expect(200).json();
    assert_eq!((&told["Members"], &told["Bogus"]["a"], told.get("No")), (&json!(null), &json!(1), None));
    assert_eq!(fixture.client.get(SYSTEMS).await.json()["Members"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn a_connection_can_be_dead_after_an_answer() {
    let faults =
        "rules: [{name: dead, path: /redfish/v1/Systems, count: 1, fault: {kind: forget_connection}}]";
    let fixture = with_faults(faults).await;
    let answer = fixture.client.get(SYSTEMS).await.expect(200);
    assert!(!answer.headers.contains_key("connection"), "it does not say so");
    let again = fixture.client.request(Method::POST, SYSTEMS).json(&json!({}));
    fixture.client.try_send(again).await.expect_err("nobody answers on the old connection");
    fixture.client.get(SYSTEMS).await.expect(200);
}

#[tokio::test]
async fn a_boot_can_miss_its_medium_and_use_the_override_up() {
    let images = ImageServer::start(4096).await;
    let faults =
        "rules: [{name: missed, path: '**/ComputerSystem.Reset', count: 1, fault: {kind: boot_fails}}]";
    let fixture = with_faults(faults).await;
    insert(&fixture, &cd_slot(&fixture), &images.url("boot.iso")).await;
    set_boot(&fixture, "Once", "Cd").await.expect(200);
    reset(&fixture, "On").await.expect(204);
    let plan = booted(&fixture, 1).await;
    assert_eq!((plan.device, plan.overridden, plan.media.len()), (BootDevice::Disk, false, 1));
    assert_eq!(fixture.bmc().state().boot_override.enabled, Enabled::Disabled);
}
