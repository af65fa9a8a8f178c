// SPDX-License-Identifier: AGPL-3.0-or-later
//! AMI on a DGX H100: `/SD`, tags, users for images, members that are none.

use serde_json::{Value, json};
use shoal_testbed::bmc::profiles::AMI_DGX;

use super::{members, once, patch_with};
use crate::behaviour_boot::{booted, power_on};
use crate::fixture::{Fixture, Options};
use crate::image_server::ImageServer;
use crate::route::{patch, set_boot};

const SYSTEM: &str = "/redfish/v1/Systems/DGX";
const SD: &str = "/redfish/v1/Systems/DGX/SD";
const SLOT: &str = "/redfish/v1/Managers/BMC/VirtualMedia/CD1";

#[tokio::test]
async fn overrides_go_to_sd_with_the_tag_of_sd_and_the_system_does_not_show_them() {
    let fixture = Fixture::new(&AMI_DGX).await;
    patch(&fixture, SYSTEM, once("Cd")).await.expect(400);
    fixture.client.patch(SD, once("Cd")).await.expect(428);
    let of_system = fixture.client.get(SYSTEM).await.header("etag").to_owned();
    patch_with(&fixture, SD, &of_system, &once("Cd")).await.expect(412);
    let of_sd = fixture.client.get(SD).await.header("etag").to_owned();
    assert!(of_sd.len() == 12 && of_sd.starts_with("\"1"), "{of_sd}");
    patch_with(&fixture, SD, &of_sd, &once("Cd")).await.expect(204);

    let system = fixture.client.get(SYSTEM).await.json()["Boot"].clone();
    assert_eq!(system["BootSourceOverrideEnabled"], "Disabled");
    assert_eq!(system["BootSourceOverrideMode"], Value::Null);
    assert_eq!(system.get("BootSourceOverrideTarget@Redfish.AllowableValues"), None);
    let sd = fixture.client.get(SD).await.json()["Boot"].clone();
    assert_eq!(
        (&sd["BootSourceOverrideEnabled"], &sd["BootSourceOverrideTarget"]),
        (&json!("Once"), &json!("Cd"))
    );
}

#[tokio::test]
async fn while_the_machine_starts_sd_is_not_there() {
    let fixture = Fixture::with(&AMI_DGX, Options { time_scale: 0.01, ..Options::default() }).await;
    power_on(&fixture).await;
    fixture.until("in POST", |fixture| fixture.bmc().state().in_post).await;
    let busy = set_boot(&fixture, "Once", "Cd").await.expect(503);
    assert!(busy.message_id().ends_with("ServiceTemporarilyUnavailable"));
    booted(&fixture, 1).await;
    set_boot(&fixture, "Once", "Cd").await.expect(204);
}

#[tokio::test]
async fn an_insertion_wants_a_user_and_a_password_for_nothing() {
    let images = ImageServer::start(4096).await;
    let fixture = Fixture::new(&AMI_DGX).await;
    let slot = fixture.client.get(SLOT).await.json();
    assert_eq!(slot.get("MediaTypes"), None);
    let action =
        slot["Actions"]["#VirtualMedia.InsertMedia"]["target"].as_str().expect("a target").to_owned();
    let image = images.url("a.iso");
    for lacking in [json!({"Image": image}), json!({"Image": image, "UserName": "none"})] {
        let refused = fixture.client.post(&action, lacking).await.expect(400);
        assert!(refused.message_id().ends_with("ActionParameterMissing"));
        assert!(refused.body.contains("UserName and Password"), "{}", refused.body);
    }
    let body = json!({"Image": image, "UserName": "none", "Password": "none"});
    fixture.client.post(&action, body).await.expect(204);
}

#[tokio::test]
async fn a_collection_lists_what_is_not_there_and_managers_do_not_say_whose_they_are() {
    let fixture = Fixture::new(&AMI_DGX).await;
    assert_eq!(members(&fixture, "/redfish/v1/Systems").await, ["DGX", "HGX_Baseboard_0", "Self"]);
    fixture.client.get("/redfish/v1/Systems/Self").await.expect(404);
    let managers = members(&fixture, "/redfish/v1/Managers").await;
    assert_eq!(managers, ["BMC", "HGX_BMC_0", "HGX_FabricManager_0"]);
    let baseboard = fixture.client.get("/redfish/v1/Managers/HGX_BMC_0").await.expect(200).json();
    assert_eq!(baseboard["Id"], "bmc", "another id than its address");
    let own = fixture.client.get("/redfish/v1/Managers/BMC").await.expect(200).json();
    assert_eq!(own["Links"].get("ManagerForServers"), None);
}
