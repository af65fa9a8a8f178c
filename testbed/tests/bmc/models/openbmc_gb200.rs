// SPDX-License-Identifier: AGPL-3.0-or-later
//! OpenBMC on a GB200: which of two systems, which of three slots, and HTTPS.

use serde_json::json;
use shoal_testbed::bmc::profiles::OPENBMC_GB200;

use super::{members, once};
use crate::fixture::Fixture;
use crate::image_server::ImageServer;

const SYSTEM: &str = "/redfish/v1/Systems/System_0";
const MEDIA: &str = "/redfish/v1/Managers/BMC_0/VirtualMedia";

#[tokio::test]
async fn one_of_two_systems_can_be_started_and_knows_only_its_uuid() {
    let fixture = Fixture::new(&OPENBMC_GB200).await;
    assert_eq!(members(&fixture, "/redfish/v1/Systems").await, ["System_0", "HGX_Baseboard_0"]);
    let baseboard = fixture.client.get("/redfish/v1/Systems/HGX_Baseboard_0").await.expect(200).json();
    assert_eq!((baseboard.get("Boot"), baseboard.get("Actions")), (None, None));
    let host = fixture.client.get(SYSTEM).await.expect(200).json();
    assert!(host["Boot"].is_object() && host["Actions"]["#ComputerSystem.Reset"].is_object());
    for absent in ["SerialNumber", "Manufacturer", "Model", "EthernetInterfaces"] {
        assert_eq!(host.get(absent), None, "{absent}");
    }
    assert_eq!(host["UUID"], fixture.bmc().identity().uuid.to_string());
}

#[tokio::test]
async fn the_slot_for_the_console_comes_first_and_has_no_action() {
    let fixture = Fixture::new(&OPENBMC_GB200).await;
    assert_eq!(members(&fixture, MEDIA).await, ["Slot_0", "USB2", "USB1"]);
    let slot = fixture.client.get(&format!("{MEDIA}/Slot_0")).await.expect(200).json();
    assert_eq!(slot.get("Actions"), None);
    let action = format!("{MEDIA}/Slot_0/Actions/VirtualMedia.InsertMedia");
    fixture.client.post(&action, json!({"Image": "https://192.0.2.1/a.iso"})).await.expect(404);
}

#[tokio::test]
async fn images_are_taken_over_https_and_as_a_stream() {
    let plain = ImageServer::start(4096).await;
    let images = ImageServer::https(4096).await;
    let fixture = Fixture::new(&OPENBMC_GB200).await;
    let usb = format!("{MEDIA}/USB1");
    let action = format!("{usb}/Actions/VirtualMedia.InsertMedia");
    let empty = fixture.client.get(&usb).await.json();
    assert_eq!((empty.get("Image"), &empty["TransferMethod"]), (None, &json!("Stream")));
    let refused = fixture.client.post(&action, json!({"Image": plain.url("a.iso")})).await.expect(400);
    assert!(refused.message_id().ends_with("ResourceAtUriInUnknownFormat"), "{}", refused.body);
    let image = images.url("a.iso");
    for wrong in [
        json!({"Image": image, "Inserted": false}),
        json!({"Image": image, "TransferMethod": "Upload"}),
        json!({"Image": image, "TransferProtocolType": "HTTP"}),
        json!({"Image": image, "TransferProtocolType": "CIFS"}),
    ] {
        fixture.client.post(&action, wrong).await.expect(400);
    }
    assert!(plain.ranges().is_empty() && images.ranges().is_empty());
    let right = json!({
        "Image": image, "Inserted": true, "WriteProtected": true,
        "TransferMethod": "Stream", "TransferProtocolType": "HTTPS",
    });
    fixture.client.post(&action, right).await.expect(204);
    assert_eq!(fixture.client.get(&usb).await.json()["Image"], image);
}

#[tokio::test]
async fn system_and_settings_take_the_same_override() {
    let fixture = Fixture::new(&OPENBMC_GB200).await;
    let settings = format!("{SYSTEM}/Settings");
    let boot = |mode: bool| {
        let mut boot = once("Cd");
        if !mode {
            boot["Boot"].as_object_mut().expect("an object").remove("BootSourceOverrideMode");
        }
        boot
    };
    fixture.client.patch(&settings, boot(false)).await.expect(200);
    for path in [SYSTEM, settings.as_str()] {
        let shown = fixture.client.get(path).await.json()["Boot"].clone();
        assert_eq!(shown["BootSourceOverrideTarget"], "Cd", "{path}");
        assert_eq!(shown.get("BootSourceOverrideMode"), None, "{path}");
    }
    assert_eq!(fixture.client.get(SYSTEM).await.json().get("@odata.etag"), None, "header only");
}
