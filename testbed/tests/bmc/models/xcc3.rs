// SPDX-License-Identifier: AGPL-3.0-or-later
//! XCC3: a PATCH of a slot is answered 202, and its task tells how it ends.

use serde_json::json;
use shoal_testbed::bmc::profiles::XCC3;

use crate::fixture::Fixture;
use crate::image_server::ImageServer;
use crate::route::{ended, patch};

const SLOT: &str = "/redfish/v1/Systems/1/VirtualMedia/EXT1";

#[tokio::test]
async fn a_mount_and_its_end_are_told_by_tasks() {
    let images = ImageServer::start(4096).await;
    let fixture = Fixture::new(&XCC3).await;
    let body = |image: &str| json!({"Image": image, "Inserted": true, "WriteProtected": true});
    let answer = patch(&fixture, SLOT, body(&images.url("a.iso"))).await.expect(202);
    assert!(answer.header("location").ends_with("/Monitor"));
    ended(&fixture, answer).await.expect(200);
    assert_eq!(fixture.client.get(SLOT).await.json()["Inserted"], true);

    let occupied = patch(&fixture, SLOT, body(&images.url("b.iso"))).await.expect(202);
    let occupied = ended(&fixture, occupied).await.expect(400);
    assert!(occupied.message_id().ends_with("ResourceInUse"), "{}", occupied.body);
    let answer = patch(&fixture, SLOT, json!({"Image": null, "Inserted": false})).await.expect(202);
    ended(&fixture, answer).await.expect(200);
    assert_eq!(fixture.client.get(SLOT).await.json()["Inserted"], false);
}
