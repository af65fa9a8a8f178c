// SPDX-License-Identifier: AGPL-3.0-or-later
//! xFusion iBMC: tasks and how they end, protocols, the address without its port.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};
use shoal_testbed::bmc::ManualClock;
use shoal_testbed::bmc::profiles::IBMC_XFUSION;

use super::{members, once};
use crate::behaviour_power::reset;
use crate::client::Answer;
use crate::fixture::{Fixture, Options};
use crate::image_server::ImageServer;

const CD: &str = "/redfish/v1/Managers/1/VirtualMedia/CD";
const CD_OF_SYSTEM: &str = "/redfish/v1/Systems/1/VirtualMedia/CD";

async fn ask(fixture: &Fixture, url: &str) -> Answer {
    let body = json!({"Image": url, "Inserted": true, "TransferProtocolType": "HTTPS"});
    fixture.client.post(&format!("{CD}/Actions/VirtualMedia.InsertMedia"), body).await
}

/// Lets the clock run until the task has ended.
async fn ended(fixture: &Fixture, clock: &ManualClock, answer: &Answer) -> Value {
    let task = answer.json()["@odata.id"].as_str().expect("a task").to_owned();
    loop {
        let task = fixture.client.get(&task).await.expect(200).json();
        if task["TaskState"] != "Running" {
            return task;
        }
        clock.advance(Duration::from_secs(1));
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

async fn with_clock() -> (Fixture, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::starting_at(Timestamp::UNIX_EPOCH));
    let options = Options { clock: Some(clock.clone()), time_scale: 1.0, ..Options::default() };
    (Fixture::with(&IBMC_XFUSION, options).await, clock)
}

#[tokio::test]
async fn an_insertion_is_a_task_whose_monitor_is_named_twice_and_served_once() {
    let images = ImageServer::https(4096).await;
    let (fixture, clock) = with_clock().await;
    let answer = ask(&fixture, &images.url("a.iso")).await.expect(202);
    let task = answer.json();
    assert_eq!((&task["TaskState"], &task["Messages"]), (&json!("Running"), &json!([])));
    assert_eq!(answer.header("location"), "/redfish/v1/TaskService/Tasks/1/Monitor");
    fixture.client.get(answer.header("location")).await.expect(200);
    fixture.client.get(task["TaskMonitor"].as_str().expect("a path")).await.expect(404);
    assert_eq!(fixture.client.get(CD).await.json()["Inserted"], false);

    let task = ended(&fixture, &clock, &answer).await;
    assert_eq!((&task["TaskState"], &task["TaskStatus"]), (&json!("Completed"), &json!("OK")));
    let shown = fixture.client.get(CD_OF_SYSTEM).await.json();
    let port = format!(":{}", images.address.port());
    assert_eq!(shown["Image"], images.url("a.iso").replace(&port, ""));
    assert_eq!(fixture.bmc().state().slots[0].image, Some(images.url("a.iso")));
}

#[tokio::test]
async fn failures_are_told_by_the_task_as_one_message() {
    let images = ImageServer::https(4096).await;
    let (fixture, clock) = with_clock().await;
    let missing = format!("https://{}/nowhere/a.iso", images.address);
    let answer = ask(&fixture, &missing).await.expect(202);
    let task = ended(&fixture, &clock, &answer).await;
    assert_eq!((&task["TaskState"], &task["TaskStatus"]), (&json!("Exception"), &json!("Warning")));
    assert_eq!(task["Messages"]["MessageId"], "iBMC.1.0.ConnectionFailed");

    let answer = ask(&fixture, &images.url("a.iso")).await.expect(202);
    ended(&fixture, &clock, &answer).await;
    let answer = ask(&fixture, &images.url("b.iso")).await.expect(202);
    assert_eq!(answer.json()["TaskState"], "Running", "it is not told at once");
    let task = ended(&fixture, &clock, &answer).await;
    assert_eq!(task["Messages"]["MessageId"], "iBMC.1.0.ConnectionOccupied");
}

#[tokio::test]
async fn an_image_is_still_there_right_after_the_eject_was_accepted() {
    let images = ImageServer::https(4096).await;
    let (fixture, clock) = with_clock().await;
    let answer = ask(&fixture, &images.url("a.iso")).await.expect(202);
    ended(&fixture, &clock, &answer).await;
    let eject = format!("{CD}/Actions/VirtualMedia.EjectMedia");
    let ejecting = fixture.client.post(&eject, json!({})).await.expect(202);
    assert_eq!(fixture.client.get(CD).await.json()["Inserted"], true);
    let early = ask(&fixture, &images.url("b.iso")).await.expect(202);
    assert_eq!(ended(&fixture, &clock, &early).await["TaskState"], "Exception");
    assert_eq!(ended(&fixture, &clock, &ejecting).await["TaskState"], "Completed");
    assert_eq!(fixture.client.get(CD).await.json()["Inserted"], false);
}

#[tokio::test]
async fn the_protocol_is_required_and_http_is_none() {
    let plain = ImageServer::start(4096).await;
    let images = ImageServer::https(4096).await;
    let fixture = Fixture::new(&IBMC_XFUSION).await;
    let action = format!("{CD}/Actions/VirtualMedia.InsertMedia");
    for wrong in [
        json!({"Image": images.url("a.iso")}),
        json!({"Image": images.url("a.iso"), "TransferProtocolType": "HTTP"}),
        json!({"Image": plain.url("a.iso"), "TransferProtocolType": "HTTP"}),
    ] {
        let refused = fixture.client.post(&action, wrong).await.expect(400);
        assert_eq!(refused.message_id(), "Base.1.0.ActionParameterValueFormatError");
    }
    let lying = json!({"Image": plain.url("a.iso"), "TransferProtocolType": "HTTPS"});
    let refused = fixture.client.post(&action, lying).await.expect(400);
    assert_eq!(refused.message_id(), "iBMC.1.0.FileTransferProtocolMismatch");
    let info = fixture.client.get(&format!("{CD}/InsertMediaActionInfo")).await.expect(200).json();
    let protocol = info["Parameters"].as_array().expect("a list").iter();
    let protocol: Vec<&Value> = protocol.filter(|one| one["Name"] == "TransferProtocolType").collect();
    assert_eq!(protocol[0]["AllowableValues"], json!(["Nfs", "Cifs", "https", "NFS", "CIFS", "HTTPS"]));
}

#[tokio::test]
async fn a_device_cannot_be_patched_and_the_other_two_have_no_actions() {
    let fixture = Fixture::new(&IBMC_XFUSION).await;
    let refused = fixture.client.patch(CD, json!({"VerifyCertificate": true})).await.expect(501);
    assert_eq!(refused.message_id(), "iBMC.1.0.PropertyModificationNotSupported");
    for view in ["/redfish/v1/Systems/1/VirtualMedia", "/redfish/v1/Managers/1/VirtualMedia"] {
        assert_eq!(members(&fixture, view).await, ["CD", "USBStick", "iBMAUSBStick"]);
        let stick = fixture.client.get(&format!("{view}/USBStick")).await.json();
        assert_eq!(stick.get("Actions"), None);
    }
}

#[tokio::test]
async fn a_boot_patch_answers_with_the_system_and_a_reset_with_a_message() {
    let fixture = Fixture::new(&IBMC_XFUSION).await;
    let system = fixture.client.patch("/redfish/v1/Systems/1", once("Cd")).await.expect(200).json();
    assert_eq!(system["Boot"]["BootSourceOverrideTarget"], "Cd");
    let on = reset(&fixture, "On").await.expect(200);
    assert_eq!(on.message_id(), "Base.1.0.Success");
    reset(&fixture, "ForceOn").await.expect(400);
    let system = fixture.client.get("/redfish/v1/Systems/1").await.json();
    let inline = &system["Actions"]["#ComputerSystem.Reset"]["ResetType@Redfish.AllowableValues"];
    let info = fixture.client.get("/redfish/v1/Systems/1/ResetActionInfo").await.json();
    let info = &info["Parameters"][0]["AllowableValues"];
    let has = |list: &Value| list.as_array().expect("a list").contains(&json!("PowerCycle"));
    assert_eq!((has(inline), has(info)), (true, false));
}
