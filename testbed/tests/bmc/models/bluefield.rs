// SPDX-License-Identifier: AGPL-3.0-or-later
//! BlueField: nothing to insert into, and HTTP boot.

use serde_json::json;
use shoal_testbed::bmc::BootDevice;
use shoal_testbed::bmc::profiles::BLUEFIELD;

use super::once;
use crate::behaviour_boot::{booted, power_on};
use crate::fixture::Fixture;

const SYSTEM: &str = "/redfish/v1/Systems/Bluefield";

#[tokio::test]
async fn there_is_no_virtual_media_and_no_cd_whatever_the_settings_list() {
    let fixture = Fixture::new(&BLUEFIELD).await;
    for path in [SYSTEM, "/redfish/v1/Managers/Bluefield_BMC"] {
        assert_eq!(fixture.client.get(path).await.expect(200).json().get("VirtualMedia"), None);
        fixture.client.get(&format!("{path}/VirtualMedia")).await.expect(404);
    }
    let system = fixture.client.get(SYSTEM).await.json();
    assert_eq!(
        (system.get("UUID"), &system["SerialNumber"]),
        (None, &json!(fixture.bmc().identity().serial))
    );
    let settings = fixture.client.get(&format!("{SYSTEM}/Settings")).await.expect(200).json();
    let listed = &settings["Boot"]["BootSourceOverrideTarget@Redfish.AllowableValues"];
    assert!(listed.as_array().expect("a list").contains(&json!("Cd")), "as recorded");
    for path in [SYSTEM.to_owned(), format!("{SYSTEM}/Settings")] {
        fixture.client.patch(&path, once("Cd")).await.expect(400);
    }
}

#[tokio::test]
async fn http_boot_takes_an_address_and_forgets_it_after_the_boot() {
    let fixture = Fixture::new(&BLUEFIELD).await;
    let idle = fixture.client.get(SYSTEM).await.json()["Boot"].clone();
    assert_eq!(idle["HttpBootUri"], "");
    let mut boot = once("UefiHttp");
    boot["Boot"]["HttpBootUri"] = json!("http://192.0.2.1/m/token/boot.iso");
    fixture.client.patch(SYSTEM, boot).await.expect(200);
    power_on(&fixture).await;
    let uri = Some("http://192.0.2.1/m/token/boot.iso".to_owned());
    assert_eq!(booted(&fixture, 1).await.device, BootDevice::UefiHttp { uri });
    let after = fixture.client.get(SYSTEM).await.json()["Boot"].clone();
    assert_eq!(
        (&after["HttpBootUri"], &after["BootSourceOverrideEnabled"]),
        (&json!(""), &json!("Disabled"))
    );
}
