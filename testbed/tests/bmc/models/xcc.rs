// SPDX-License-Identifier: AGPL-3.0-or-later
//! XCC: media by PATCH with `If-Match`, four slots of ten, the same device under two addresses.

use http::Method;
use serde_json::json;
use shoal_testbed::bmc::profiles::XCC;
use shoal_testbed::bmc::{BootMode, Enabled, MediumKind};

use super::{members, once, patch_with};
use crate::fixture::Fixture;
use crate::image_server::ImageServer;
use crate::route::{insert, patch, set_boot};

const SYSTEM: &str = "/redfish/v1/Systems/1";
const EXT1: &str = "/redfish/v1/Systems/1/VirtualMedia/EXT1";
const EXT1_OF_MANAGER: &str = "/redfish/v1/Managers/1/VirtualMedia/EXT1";

#[tokio::test]
async fn there_are_no_actions_and_posts_to_them_lead_nowhere() {
    let images = ImageServer::start(4096).await;
    let fixture = Fixture::new(&XCC).await;
    let slot = fixture.client.get(EXT1).await.expect(200);
    assert_eq!(slot.header("allow"), "GET, HEAD, PATCH");
    assert_eq!(slot.json().get("Actions"), None);
    let action = format!("{EXT1}/Actions/VirtualMedia.InsertMedia");
    fixture.client.post(&action, json!({"Image": images.url("a.iso")})).await.expect(404);
}

#[tokio::test]
async fn a_patch_wants_the_tag_and_image_and_inserted_together() {
    let images = ImageServer::start(4096).await;
    let fixture = Fixture::new(&XCC).await;
    let body = json!({"Image": images.url("a.iso"), "Inserted": true, "WriteProtected": true});
    let bare = fixture.client.patch(EXT1, body.clone()).await.expect(428);
    assert_eq!(bare.message_id(), "Base.1.12.PreconditionRequired");
    patch_with(&fixture, EXT1, "\"0123456789abcdef012\"", &body).await.expect(412);
    let image_alone = json!({"Image": images.url("a.iso")});
    let refused = patch(&fixture, EXT1, image_alone).await.expect(400);
    assert_eq!(refused.message_id(), "Base.1.12.PropertyMissing");
    assert!(fixture.bmc().state().slots.iter().all(|slot| slot.image.is_none()));

    let changed = patch(&fixture, EXT1, body).await.expect(200).json();
    assert_eq!((&changed["Id"], &changed["Inserted"]), (&json!("EXT1"), &json!(true)));
    assert_eq!(fixture.bmc().state().slots[0].kind, Some(MediumKind::Cd));
}

#[tokio::test]
async fn both_addresses_are_one_device() {
    let images = ImageServer::start(4096).await;
    let fixture = Fixture::new(&XCC).await;
    insert(&fixture, EXT1_OF_MANAGER, &images.url("a.iso")).await;
    assert_eq!(fixture.client.get(EXT1).await.json()["Image"], images.url("a.iso"));
    for out in [json!({"Inserted": false}), json!({"Image": null})] {
        patch(&fixture, EXT1, out).await.expect(200);
        assert_eq!(fixture.client.get(EXT1_OF_MANAGER).await.json()["Inserted"], false);
        insert(&fixture, EXT1, &images.url("b.iso")).await;
    }
}

#[tokio::test]
async fn slots_for_uploads_and_the_console_take_no_address() {
    let images = ImageServer::start(4096).await;
    let fixture = Fixture::new(&XCC).await;
    let listed = members(&fixture, "/redfish/v1/Systems/1/VirtualMedia").await;
    assert_eq!(listed.len(), 10);
    for id in listed.iter().filter(|id| !id.starts_with("EXT")) {
        let path = format!("/redfish/v1/Systems/1/VirtualMedia/{id}");
        let body = json!({"Image": images.url("a.iso"), "Inserted": true});
        patch(&fixture, &path, body).await.expect(400);
    }
    assert!(images.ranges().is_empty());
}

#[tokio::test]
async fn overrides_are_once_or_disabled_in_the_system_and_not_in_what_is_pending() {
    let fixture = Fixture::new(&XCC).await;
    set_boot(&fixture, "Continuous", "Cd").await.expect(400);
    let unconditional = fixture.client.request(Method::PATCH, SYSTEM).json(&once("Cd"));
    fixture.client.send(unconditional).await.expect(428);
    let pending = format!("{SYSTEM}/Pending");
    patch(&fixture, &pending, once("Cd")).await.expect(400);
    let http = json!({"Boot": {"BootSourceOverrideTarget": "UefiHttp"}});
    patch(&fixture, SYSTEM, http).await.expect(400);
    let changed = set_boot(&fixture, "Once", "Cd").await.expect(200).json();
    assert_eq!(changed["Boot"]["BootSourceOverrideTarget"], "Cd", "the answer is the system");
    let state = fixture.bmc().state().boot_override;
    assert_eq!((state.enabled, state.mode), (Enabled::Once, BootMode::Uefi));
}
