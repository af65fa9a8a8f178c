// SPDX-License-Identifier: AGPL-3.0-or-later
//! iRMC S5: the resource that takes the override, its precondition, and the protocol that is required.

use serde_json::json;
use shoal_testbed::bmc::profiles::IRMC_S5;

use super::{once, patch_with};
use crate::fixture::Fixture;
use crate::image_server::ImageServer;

const SYSTEM: &str = "/redfish/v1/Systems/0";
const CONFIG: &str = "/redfish/v1/Systems/0/Oem/ts_fujitsu/BootConfig";
const INSERT: &str = "/redfish/v1/Managers/iRMC/VirtualMedia/0/Actions/VirtualMedia.InsertMedia";

#[tokio::test]
async fn the_override_is_set_in_a_resource_of_its_own_and_shown_by_the_system() {
    let fixture = Fixture::new(&IRMC_S5).await;
    let system = fixture.client.get(SYSTEM).await.expect(200).json();
    assert_eq!(system["Oem"]["ts_fujitsu"]["BootConfig"]["@odata.id"], CONFIG);
    patch_with(&fixture, SYSTEM, "*", &once("Cd")).await.expect(400);

    let body = json!({"BootDevice": "Cd", "BootType": "UEFI", "NextBootOnlyEnabled": true});
    fixture.client.patch(CONFIG, body.clone()).await.expect(428);
    let tag = fixture.client.get(CONFIG).await.expect(200).header("etag").to_owned();
    patch_with(&fixture, CONFIG, &tag, &body).await.expect(200);
    let boot = fixture.client.get(SYSTEM).await.json()["Boot"].clone();
    assert_eq!(
        (&boot["BootSourceOverrideEnabled"], &boot["BootSourceOverrideTarget"]),
        (&json!("Once"), &json!("Cd"))
    );

    patch_with(&fixture, CONFIG, "*", &json!({"BootDevice": "None"})).await.expect(200);
    assert_eq!(fixture.client.get(SYSTEM).await.json()["Boot"]["BootSourceOverrideEnabled"], "Disabled");
    patch_with(&fixture, CONFIG, "*", &json!({"BootDevice": "Tape"})).await.expect(400);
}

#[tokio::test]
async fn the_protocol_is_required_and_http_is_none() {
    let images = ImageServer::https(4096).await;
    let fixture = Fixture::new(&IRMC_S5).await;
    let url = images.url("a.iso");
    fixture.client.post(INSERT, json!({"Image": url})).await.expect(400);
    fixture.client.post(INSERT, json!({"Image": url, "TransferProtocolType": "HTTP"})).await.expect(400);
    fixture.client.post(INSERT, json!({"Image": url, "TransferProtocolType": "HTTPS"})).await.expect(204);
}
