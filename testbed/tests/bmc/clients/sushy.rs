// SPDX-License-Identifier: AGPL-3.0-or-later
//! `sushy`, by which OpenStack Ironic speaks Redfish, used as Ironic uses it. It knows the field: on every model with
//! media and overrides that standard Redfish reaches it comes through, and it has no words of makers.

use http::Method;
use serde_json::{Value, json};
use shoal_testbed::bmc::BootDevice;
use shoal_testbed::bmc::profiles::{
    AMI_DGX, BLUEFIELD, IBMC_V5, IBMC_XFUSION, IDRAC9_5, IDRAC9_6, IDRAC10, ILO5, IRMC_S5, OPENBMC_GB200,
    Profile, SMC_X10, SMC_X12, SMC_X13_SINGLE, XCC, XCC3,
};

use super::{Round, statuses};

const INSERT: &str = "/VirtualMedia.InsertMedia";
const EJECT: &str = "/VirtualMedia.EjectMedia";

/// A client at work on a model.
struct Sushy(Round);

impl Sushy {
    async fn start(profile: &'static Profile) -> Option<Self> {
        Round::start(profile, "sushy_steps.py", &[profile.system.id]).await.map(Self)
    }

    /// Makes a step that succeeds: what it says.
    async fn ok(&mut self, step: Value) -> Value {
        let said = self.0.steps.make(&step).await;
        assert!(said.get("ok").is_some(), "{step}: {said}");
        said["ok"].clone()
    }

    /// Makes a step that fails: what it says.
    async fn fails(&mut self, step: Value) -> String {
        let said = self.0.steps.make(&step).await;
        said["error"].as_str().unwrap_or_else(|| panic!("{step}: {said}")).to_owned()
    }

    /// Media, boot override, power on, power off, ejection: all of it comes to pass. `target` is what the BMC is
    /// overridden with when the CD is asked for.
    async fn boots_the_cd_in(mut self, slot: &str, target: &str) -> Self {
        let image = self.0.image();
        let seen = self.ok(json!({"step": "look"})).await;
        assert_eq!(seen["power"], "Off");

        self.ok(json!({"step": "insert", "slot": slot, "image": image})).await;
        self.0.is_inserted(slot).await;
        assert_eq!(self.ok(json!({"step": "media"})).await[slot]["inserted"], true);

        self.ok(json!({"step": "boot", "target": "Cd"})).await;
        self.0.is_overridden(target);
        self.ok(json!({"step": "reset", "type": "On"})).await;
        assert_eq!(self.0.boots(1).await, BootDevice::Cd { slot: self.0.index(slot) });

        self.ok(json!({"step": "reset", "type": "ForceOff"})).await;
        self.0.is_off().await;
        self.ok(json!({"step": "eject", "slot": slot})).await;
        self.0.is_empty().await;
        self
    }

    async fn ends(mut self) {
        self.ok(json!({"step": "leave"})).await;
        self.0.ends().await;
    }
}

#[tokio::test]
async fn sushy_goes_the_standard_way_through_an_idrac9() {
    let Some(client) = Sushy::start(&IDRAC9_6).await else { return };
    let mut client = client.boots_the_cd_in("1", "Cd").await;
    let seen = client.ok(json!({"step": "look"})).await;
    // Dell's service tag is the SKU, and its serial number the board's.
    let identity = client.0.fixture.bmc().identity().clone();
    assert_eq!((&seen["sku"], &seen["serial"]), (&json!(identity.serial), &json!(identity.board_serial)));
    assert_eq!(seen["uuid"], json!(identity.uuid));
    client.ends().await;
}

#[tokio::test]
async fn sushy_overrides_an_idrac10_in_its_settings() {
    let Some(client) = Sushy::start(&IDRAC10).await else { return };
    let client = client.boots_the_cd_in("1", "Cd").await;
    assert_eq!(statuses(&client.0.asked(Method::PATCH, "/Settings")), [200]);
    client.ends().await;
}

#[tokio::test]
async fn sushy_ejects_from_an_ilo5_at_the_second_try_with_a_body() {
    let Some(client) = Sushy::start(&ILO5).await else { return };
    let client = client.boots_the_cd_in("2", "Cd").await;
    assert_eq!(statuses(&client.0.asked(Method::POST, EJECT)), [415, 200]);
    client.ends().await;
}

#[tokio::test]
async fn sushy_patches_the_slots_of_an_xcc() {
    let Some(client) = Sushy::start(&XCC).await else { return };
    let client = client.boots_the_cd_in("EXT1", "Cd").await;
    let image = json!({"Image": client.0.image(), "Inserted": true, "WriteProtected": true});
    let patches: Vec<_> = client
        .0
        .asked(Method::PATCH, "/EXT1")
        .into_iter()
        .map(|request| request.body.expect("a body"))
        .collect();
    assert_eq!(patches, [image, json!({"Image": null, "Inserted": false})]);
    client.ends().await;
}

#[tokio::test]
async fn sushy_boots_supermicros_by_usbcd_where_cd_is_asked_for() {
    for (profile, slot) in [(&SMC_X12, "CD1"), (&SMC_X13_SINGLE, "VirtualMedia1")] {
        let Some(client) = Sushy::start(profile).await else { return };
        let client = client.boots_the_cd_in(slot, "UsbCd").await;
        let inserts = client.0.asked(Method::POST, INSERT);
        assert_eq!(inserts[0].body, Some(json!({"Image": client.0.image()})), "no more is taken");
        client.ends().await;
    }
}

#[tokio::test]
async fn sushy_finds_no_way_into_a_slot_of_openbmc_that_is_for_the_console() {
    let Some(mut client) = Sushy::start(&OPENBMC_GB200).await else { return };
    let insert = json!({"step": "insert", "slot": "Slot_0", "image": client.0.image()});
    // Ironic then tries the next one (`boot.py`).
    let said = client.fails(insert).await;
    assert!(said.starts_with("MissingActionError: "), "{said}");
    client.0.is_empty().await;
    client.boots_the_cd_in("USB1", "Cd").await.ends().await;
}

#[tokio::test]
async fn sushy_gives_a_dgx_a_user_when_asked_and_overrides_it_in_sd() {
    let Some(client) = Sushy::start(&AMI_DGX).await else { return };
    let client = client.boots_the_cd_in("CD1", "Cd").await;
    assert_eq!(statuses(&client.0.asked(Method::POST, INSERT)), [400, 204]);
    assert_eq!(statuses(&client.0.asked(Method::PATCH, "/SD")), [204]);
    client.ends().await;
}

#[tokio::test]
async fn sushy_names_the_protocol_when_an_xfusion_asks_for_it() {
    let Some(client) = Sushy::start(&IBMC_XFUSION).await else { return };
    let client = client.boots_the_cd_in("CD", "Cd").await;
    client.ends().await;
}

#[tokio::test]
async fn sushy_finds_no_media_on_a_bluefield_and_boots_it_over_http() {
    let Some(mut client) = Sushy::start(&BLUEFIELD).await else { return };
    let said = client.fails(json!({"step": "media"})).await;
    assert!(said.starts_with("MissingAttributeError: The attribute VirtualMedia"), "{said}");

    let uri = "http://192.0.2.1/boot.efi";
    client.ok(json!({"step": "boot", "target": "UefiHttp", "address": uri})).await;
    client.0.is_overridden("UefiHttp");
    client.ok(json!({"step": "reset", "type": "On"})).await;
    assert_eq!(client.0.boots(1).await, BootDevice::UefiHttp { uri: Some(uri.to_owned()) });
    client.ends().await;
}

#[tokio::test]
async fn sushy_does_not_mind_that_an_xcc3_answers_a_patch_with_a_task() {
    let Some(client) = Sushy::start(&XCC3).await else { return };
    let client = client.boots_the_cd_in("EXT1", "Cd").await;
    assert_eq!(statuses(&client.0.asked(Method::PATCH, "/EXT1")), [202, 202]);
    client.ends().await;
}

/// `Cd` is the physical drive (iDRAC-Redfish-Scripting #24); Ironic has a vendor's driver for the virtual one.
#[tokio::test]
async fn sushy_starts_an_older_idrac9_from_its_physical_drive() {
    let Some(mut client) = Sushy::start(&IDRAC9_5).await else { return };
    let image = client.0.image();
    client.ok(json!({"step": "insert", "slot": "CD", "image": image})).await;
    client.0.is_inserted("CD").await;
    client.ok(json!({"step": "boot", "target": "Cd"})).await;
    client.ok(json!({"step": "reset", "type": "On"})).await;
    assert_eq!(client.0.boots(1).await, BootDevice::Disk);
    client.ok(json!({"step": "reset", "type": "ForceOff"})).await;
    client.0.is_off().await;
    client.ok(json!({"step": "eject", "slot": "CD"})).await;
    client.0.is_empty().await;
    client.ends().await;
}

/// The override stands in `Oem/ts_fujitsu/BootConfig` (terraform-provider-irmc-redfish); Ironic has a vendor's driver.
#[tokio::test]
async fn sushy_gets_an_image_into_an_irmc_and_no_override() {
    let Some(mut client) = Sushy::start(&IRMC_S5).await else { return };
    let image = client.0.image();
    client.ok(json!({"step": "insert", "slot": "0", "image": image})).await;
    client.0.is_inserted("0").await;
    let said = client.fails(json!({"step": "boot", "target": "Cd"})).await;
    assert!(said.contains("PropertyNotWritable"), "{said}");
    client.0.is_not_overridden();
    client.ok(json!({"step": "eject", "slot": "0"})).await;
    client.0.is_empty().await;
    client.ends().await;
}

/// It has an action of the maker's in the place of InsertMedia (field notes of a 2288H V5), and takes no login without
/// a domain: sushy falls back to Basic.
#[tokio::test]
async fn sushy_has_no_words_for_an_ibmc() {
    let Some(mut client) = Sushy::start(&IBMC_V5).await else { return };
    let insert = json!({"step": "insert", "slot": "CD", "image": client.0.image()});
    let said = client.fails(insert).await;
    assert!(said.starts_with("MissingActionError: "), "{said}");
    client.0.is_empty().await;
    client.ends().await;
}

/// Nothing is listed before an image was mounted by `CfgCD` (badfish #394).
#[tokio::test]
async fn sushy_sees_no_slot_on_a_supermicro_x10() {
    let Some(mut client) = Sushy::start(&SMC_X10).await else { return };
    assert_eq!(client.ok(json!({"step": "media"})).await, json!({}));
    client.ends().await;
}
