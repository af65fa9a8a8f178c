// SPDX-License-Identifier: AGPL-3.0-or-later
//! XCC before it had slots: a list of images that is mounted, and a slot that is there only while it is full.

use serde_json::json;
use shoal_testbed::bmc::profiles::XCC_18D;

use super::members;
use crate::fixture::Fixture;
use crate::image_server::ImageServer;

const SERVICE: &str = "/redfish/v1/Managers/1/Oem/Lenovo/RemoteMap";
const SLOTS: &str = "/redfish/v1/Managers/1/VirtualMedia";

#[tokio::test]
async fn an_image_is_listed_then_mounted_then_unmounted_and_taken_off() {
    let images = ImageServer::start(4096).await;
    let fixture = Fixture::new(&XCC_18D).await;
    let client = &fixture.client;
    let manager = client.get("/redfish/v1/Managers/1").await.expect(200).json();
    assert_eq!(manager["Oem"]["Lenovo"]["RemoteMap"]["@odata.id"], SERVICE);
    assert!(members(&fixture, SLOTS).await.is_empty());

    let list = format!("{SERVICE}/MountImages");
    let url = images.url("a.iso");
    let made = client.post(&list, json!({"FilePath": url, "Type": "HTTP"})).await.expect(201);
    let image = made.header("location").to_owned();
    assert_eq!(client.get(&image).await.expect(200).json()["Mounted"], false);
    assert!(members(&fixture, SLOTS).await.is_empty(), "listed is not mounted");

    let act = |verb: &str| format!("{SERVICE}/Actions/LenovoRemoteMapService.{verb}");
    client.post(&act("Mount"), json!({})).await.expect(204);
    assert_eq!(client.get(&image).await.json()["Mounted"], true);
    assert_eq!(members(&fixture, SLOTS).await, ["1"]);
    client.delete(&image).await.expect(400);

    client.post(&act("UMount"), json!({})).await.expect(204);
    assert!(members(&fixture, SLOTS).await.is_empty());
    assert_eq!(members(&fixture, &list).await.len(), 1, "it stays on the list");
    client.delete(&image).await.expect(204);
    client.delete(&image).await.expect(404);
}

#[tokio::test]
async fn an_image_from_elsewhere_than_the_service_knows_is_refused() {
    let fixture = Fixture::new(&XCC_18D).await;
    let list = format!("{SERVICE}/MountImages");
    let https = json!({"FilePath": "https://127.0.0.1/a.iso", "Type": "HTTPS"});
    fixture.client.post(&list, https).await.expect(400);
    fixture.client.post(&list, json!({"FilePath": "http://127.0.0.1/a.iso"})).await.expect(400);
}
