// SPDX-License-Identifier: AGPL-3.0-or-later
//! Supermicro X12: the image and nothing else, names that stay, `Cd` that boots nothing.

use serde_json::json;
use shoal_testbed::bmc::profiles::SMC_X12;
use shoal_testbed::bmc::{BootDevice, BootMode};

use crate::behaviour_boot::{booted, power_on};
use crate::behaviour_power::reset;
use crate::fixture::{Fixture, Options};
use crate::image_server::ImageServer;
use crate::route::{eject, insert, set_boot};

const SLOT: &str = "/redfish/v1/Managers/1/VirtualMedia/CD1";
const INSERT: &str = "/redfish/v1/Managers/1/VirtualMedia/CD1/Actions/VirtualMedia.InsertMedia";

#[tokio::test]
async fn inserted_and_write_protected_are_no_valid_properties() {
    let images = ImageServer::start(4096).await;
    let fixture = Fixture::new(&SMC_X12).await;
    for name in ["Inserted", "WriteProtected"] {
        let body = json!({"Image": images.url("a.iso"), name: true});
        let refused = fixture.client.post(INSERT, body).await.expect(400);
        assert!(refused.message_id().ends_with("PropertyUnknown"), "{}", refused.body);
        let said = format!("The property {name} is not in the list of valid properties for the resource.");
        assert!(refused.body.contains(&said), "{}", refused.body);
    }
    for bad in ["a.iso?x=1", "a.iso?x", "a=b.iso"] {
        fixture.client.post(INSERT, json!({"Image": images.url(bad)})).await.expect(400);
    }
    assert!(images.ranges().is_empty());
    fixture.client.post(INSERT, json!({"Image": images.url("a.iso")})).await.expect(200);
}

#[tokio::test]
async fn the_name_of_an_image_outlives_it() {
    let images = ImageServer::start(4096).await;
    let fixture = Fixture::new(&SMC_X12).await;
    insert(&fixture, SLOT, &images.url("a.iso")).await;
    eject(&fixture, SLOT).await;
    let slot = fixture.client.get(SLOT).await.json();
    assert_eq!((&slot["Image"], &slot["ImageName"]), (&json!(images.url("a.iso")), &json!("a.iso")));
    assert_eq!((&slot["Inserted"], &slot["ConnectedVia"]), (&json!(false), &json!("NotConnected")));
    insert(&fixture, SLOT, &images.url("a.iso")).await;
    assert_eq!(fixture.client.get(SLOT).await.json()["Inserted"], true);
}

#[tokio::test]
async fn cd_boots_the_disk_and_usb_cd_the_image_and_without_a_mode_it_is_legacy() {
    let images = ImageServer::start(4096).await;
    let fixture = Fixture::new(&SMC_X12).await;
    insert(&fixture, SLOT, &images.url("a.iso")).await;
    set_boot(&fixture, "Once", "Cd").await.expect(200);
    power_on(&fixture).await;
    assert_eq!(booted(&fixture, 1).await.device, BootDevice::Disk);
    let without_enabled = json!({"Boot": {"BootSourceOverrideTarget": "UsbCd"}});
    fixture.client.patch("/redfish/v1/Systems/1", without_enabled).await.expect(400);
    let without_mode =
        json!({"Boot": {"BootSourceOverrideTarget": "UsbCd", "BootSourceOverrideEnabled": "Once"}});
    fixture.client.patch("/redfish/v1/Systems/1", without_mode).await.expect(200);
    reset(&fixture, "ForceRestart").await.expect(200);
    let plan = booted(&fixture, 2).await;
    assert_eq!((plan.device, plan.mode), (BootDevice::Cd { slot: 0 }, BootMode::Legacy));
}

#[tokio::test]
async fn without_a_licence_even_reads_say_so() {
    let faults =
        "rules: [{name: no licence, path: '**/VirtualMedia/**', fault: {kind: refuse, why: unlicensed}}]";
    let fixture = Fixture::with(&SMC_X12, Options { faults, ..Options::default() }).await;
    let refused = fixture.client.get(SLOT).await.expect(403);
    assert_eq!(refused.message_id(), "SMC.1.0.OemLicenseNotPassed");
}
