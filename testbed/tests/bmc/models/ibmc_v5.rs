// SPDX-License-Identifier: AGPL-3.0-or-later
//! Huawei iBMC: one action for both ways, tasks, schemes, and a login with a domain.

use serde_json::json;
use shoal_testbed::bmc::profiles::IBMC_V5;

use crate::client::Client;
use crate::fixture::{Fixture, Options, PASSWORD, USER};
use crate::image_server::ImageServer;
use crate::route::ended;

const CD: &str = "/redfish/v1/Managers/1/VirtualMedia/CD";
const CONTROL: &str = "/redfish/v1/Managers/1/VirtualMedia/CD/Oem/Huawei/Actions/VirtualMedia.VmmControl";
const SESSIONS: &str = "/redfish/v1/SessionService/Sessions";

#[tokio::test]
async fn one_action_connects_and_disconnects() {
    let images = ImageServer::https(4096).await;
    let fixture = Fixture::new(&IBMC_V5).await;
    assert_eq!(fixture.client.get(CD).await.expect(200).json()["Actions"], json!({}));
    let connect = json!({"VmmControlType": "Connect", "Image": images.url("a.iso")});
    let answer = fixture.client.post(CONTROL, connect.clone()).await.expect(202);
    ended(&fixture, answer).await.expect(200);
    assert_eq!(fixture.client.get(CD).await.json()["Image"], images.url("a.iso"));

    let occupied = fixture.client.post(CONTROL, connect).await.expect(202);
    let occupied = ended(&fixture, occupied).await.expect(400);
    assert_eq!(occupied.message_id(), "iBMC.1.0.ConnectionOccupied");
    fixture.client.post(CONTROL, json!({"VmmControlType": "Disconnect"})).await.expect(200);
    assert_eq!(fixture.client.get(CD).await.json()["Inserted"], false);
    for body in [json!({"VmmControlType": "Reconnect"}), json!({}), json!({"VmmControlType": 1})] {
        fixture.client.post(CONTROL, body).await.expect(400);
    }
}

#[tokio::test]
async fn http_is_refused_and_the_stick_takes_nothing() {
    let images = ImageServer::start(4096).await;
    let fixture = Fixture::new(&IBMC_V5).await;
    let connect = json!({"VmmControlType": "Connect", "Image": images.url("a.iso")});
    let refused = fixture.client.post(CONTROL, connect).await.expect(400);
    assert_eq!(refused.message_id(), "iBMC.1.0.FileTransferProtocolMismatch");
    let stick = CONTROL.replace("/CD/", "/USBStick/");
    fixture.client.post(&stick, json!({"VmmControlType": "Disconnect"})).await.expect(404);
}

#[tokio::test]
async fn a_login_without_the_domain_is_like_one_with_a_wrong_password() {
    let fixture = Fixture::with(&IBMC_V5, Options { tls: true, ..Options::default() }).await;
    let nobody = Client::nobody(fixture.bmc());
    let mut body = json!({"UserName": USER, "Password": PASSWORD});
    nobody.post(SESSIONS, body.clone()).await.expect(401);
    body["Oem"] = json!({"Huawei": {"Domain": "LocaliBMC"}});
    nobody.post(SESSIONS, body).await.expect(201);
}
