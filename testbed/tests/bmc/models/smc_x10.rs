// SPDX-License-Identifier: AGPL-3.0-or-later
//! Supermicro X10: an address that is configured and then mounted, a CD that comes and goes, targets that hold the mode.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::json;
use shoal_testbed::bmc::profiles::SMC_X10;
use shoal_testbed::bmc::{BootDevice, ManualClock};

use super::members;
use crate::behaviour_boot::{booted, power_on};
use crate::fixture::{Fixture, Options};
use crate::image_server::ImageServer;
use crate::route::{insert, set_boot};

const MEDIA: &str = "/redfish/v1/Managers/1/VM1";
const CD: &str = "/redfish/v1/Managers/1/VM1/CD1";
const CONFIG: &str = "/redfish/v1/Managers/1/VM1/CfgCD";

#[tokio::test]
async fn what_was_configured_is_mounted_a_moment_later_and_the_cd_is_there_meanwhile() {
    let images = ImageServer::start(4096).await;
    let clock = Arc::new(ManualClock::starting_at(Timestamp::UNIX_EPOCH));
    let options = Options { clock: Some(clock.clone()), time_scale: 1.0, ..Options::default() };
    let fixture = Fixture::with(&SMC_X10, options).await;
    let collection = fixture.client.get(MEDIA).await.expect(200).json();
    assert_eq!(collection["Oem"]["Supermicro"]["VirtualMediaConfig"]["@odata.id"], CONFIG);
    assert!(members(&fixture, MEDIA).await.is_empty());
    fixture.client.get(CD).await.expect(404);

    let image = json!({"Host": format!("http://{}", images.address), "Path": "/m/t/a.iso"});
    fixture.client.patch(CONFIG, image.clone()).await.expect(200);
    assert_eq!(fixture.client.get(CONFIG).await.json()["Host"], "", "it takes a moment");
    fixture.client.post(&format!("{CONFIG}/Actions/IsoConfig.Mount"), json!({})).await.expect(400);
    clock.advance(Duration::from_secs(2));
    assert_eq!(fixture.client.get(CONFIG).await.json()["Host"], image["Host"]);
}

#[tokio::test]
async fn only_the_target_under_uefi_starts_the_cd() {
    let images = ImageServer::start(4096).await;
    for (target, starts) in [("Cd", false), ("UsbCd", false), ("UefiUsbCd", true)] {
        let fixture = Fixture::new(&SMC_X10).await;
        insert(&fixture, CD, &images.url("boot.iso")).await;
        assert_eq!(members(&fixture, MEDIA).await, ["CD1"]);
        set_boot(&fixture, "Once", target).await.expect(200);
        power_on(&fixture).await;
        let device = booted(&fixture, 1).await.device;
        assert_eq!(device == BootDevice::Cd { slot: 0 }, starts, "{target}: {device:?}");
    }
}
