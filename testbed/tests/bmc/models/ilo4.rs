// SPDX-License-Identifier: AGPL-3.0-or-later
//! iLO 4: the actions of `Oem.Hp` or a PATCH of `Image`, targets by another name, no boot mode.

use serde_json::json;
use shoal_testbed::bmc::profiles::ILO4;

use crate::fixture::Fixture;
use crate::image_server::ImageServer;
use crate::route::set_boot;

const CD: &str = "/redfish/v1/Managers/1/VirtualMedia/2";
const INSERT: &str =
    "/redfish/v1/Managers/1/VirtualMedia/2/Actions/Oem/Hp/HpiLOVirtualMedia.InsertVirtualMedia/";

#[tokio::test]
async fn an_image_goes_in_by_the_oem_action_with_nothing_but_itself() {
    let images = ImageServer::start(4096).await;
    let fixture = Fixture::new(&ILO4).await;
    let slot = fixture.client.get(CD).await.expect(200).json();
    assert!(slot.get("Actions").is_none(), "{slot}");
    let action = &slot["Oem"]["Hp"]["Actions"]["#HpiLOVirtualMedia.InsertVirtualMedia"]["target"];
    assert_eq!(action, INSERT.trim_end_matches('/'));
    fixture.client.post(&format!("{CD}/Actions/VirtualMedia.InsertMedia"), json!({})).await.expect(404);

    let image = images.url("a.iso");
    let refused = fixture.client.post(INSERT, json!({"Image": image, "Inserted": true})).await.expect(400);
    assert!(refused.message_id().ends_with("ActionParameterUnknown"), "{}", refused.body);
    fixture.client.post(INSERT, json!({"Image": image})).await.expect(200);
    assert_eq!(fixture.client.get(CD).await.json()["Inserted"], true);
}

/// As OpenStack's proliantutils does it.
#[tokio::test]
async fn an_image_goes_in_and_out_by_a_patch_of_image_and_of_nothing_else() {
    let images = ImageServer::start(4096).await;
    let fixture = Fixture::new(&ILO4).await;
    let image = images.url("a.iso");
    let refused = fixture.client.patch(CD, json!({"Image": image, "Inserted": true})).await.expect(400);
    assert!(refused.message_id().ends_with("PropertyNotWritableOrUnknown"), "{}", refused.body);
    assert_eq!(fixture.client.get(CD).await.json()["Inserted"], false);

    let once = json!({"Image": image, "Oem": {"Hp": {"BootOnNextServerReset": true}}});
    fixture.client.patch(CD, once).await.expect(200);
    let slot = fixture.client.get(CD).await.json();
    assert_eq!(
        (&slot["Inserted"], &slot["Oem"]["Hp"]["BootOnNextServerReset"]),
        (&json!(true), &json!(true))
    );
    fixture.client.patch(CD, json!({"Image": null})).await.expect(200);
    assert_eq!(fixture.client.get(CD).await.json()["Inserted"], false);
}

#[tokio::test]
async fn the_override_has_no_mode_and_its_targets_are_called_supported() {
    let fixture = Fixture::new(&ILO4).await;
    let boot = fixture.client.get("/redfish/v1/Systems/1").await.json()["Boot"].clone();
    assert!(boot["BootSourceOverrideSupported"].as_array().is_some_and(|list| list.contains(&json!("Cd"))));
    assert!(boot.get("BootSourceOverrideMode").is_none(), "{boot}");
    assert!(boot.get("BootSourceOverrideTarget@Redfish.AllowableValues").is_none(), "{boot}");
    set_boot(&fixture, "Once", "Cd").await.expect(200);
    let mode = json!({"Boot": {"BootSourceOverrideTarget": "Cd", "BootSourceOverrideMode": "UEFI"}});
    fixture.client.patch("/redfish/v1/Systems/1", mode).await.expect(400);
}
