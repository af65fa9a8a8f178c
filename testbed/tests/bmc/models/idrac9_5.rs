// SPDX-License-Identifier: AGPL-3.0-or-later
//! iDRAC9 before 6.00: `Cd` is the physical drive, an import names the virtual one, one image at a time.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};
use shoal_testbed::bmc::profiles::IDRAC9_5;
use shoal_testbed::bmc::{BootDevice, ManualClock};

use crate::behaviour_boot::{booted, power_on};
use crate::client::Answer;
use crate::fixture::{Fixture, Options};
use crate::image_server::ImageServer;
use crate::route::{ended, insert, set_boot, try_insert};

const MANAGER: &str = "/redfish/v1/Managers/iDRAC.Embedded.1";
const CD: &str = "/redfish/v1/Managers/iDRAC.Embedded.1/VirtualMedia/CD";
const DISK: &str = "/redfish/v1/Managers/iDRAC.Embedded.1/VirtualMedia/RemovableDisk";

fn profile(between: &str) -> Value {
    let attribute =
        |name: &str, value: &str| format!("<Attribute Name=\"ServerBoot.1#{name}\">{value}</Attribute>");
    let (once, device) = (attribute("BootOnce", "Enabled"), attribute("FirstBootDevice", "VCD-DVD"));
    let component = format!("<Component FQDD=\"iDRAC.Embedded.1\">{once}{between}{device}</Component>");
    let buffer = format!("<SystemConfiguration>{component}</SystemConfiguration>");
    json!({"ShareParameters": {"Target": "ALL"}, "ImportBuffer": buffer})
}

async fn import(fixture: &Fixture, body: Value) -> Answer {
    let action = format!("{MANAGER}/Actions/Oem/EID_674_Manager.ImportSystemConfiguration");
    fixture.client.post(&action, body).await
}

async fn attribute(fixture: &Fixture, name: &str) -> Value {
    let manager = fixture.client.get(MANAGER).await.json();
    let path = manager["Links"]["Oem"]["Dell"]["DellAttributes"][0]["@odata.id"]
        .as_str()
        .expect("a link")
        .to_owned();
    fixture.client.get(&path).await.expect(200).json()["Attributes"][name].clone()
}

#[tokio::test]
async fn an_import_starts_the_virtual_cd_once_and_an_override_does_not() {
    let images = ImageServer::start(4096).await;
    for imported in [false, true] {
        let fixture = Fixture::new(&IDRAC9_5).await;
        insert(&fixture, CD, &images.url("boot.iso")).await;
        set_boot(&fixture, "Once", "Cd").await.expect(200);
        if imported {
            let answer = import(&fixture, profile("")).await.expect(202);
            ended(&fixture, answer).await.expect(200);
            assert_eq!(attribute(&fixture, "ServerBoot.1.BootOnce").await, "Enabled");
        }
        power_on(&fixture).await;
        let device = booted(&fixture, 1).await.device;
        let expected = if imported { BootDevice::Cd { slot: 1 } } else { BootDevice::Disk };
        assert_eq!(device, expected);
        assert_eq!(attribute(&fixture, "ServerBoot.1.BootOnce").await, "Disabled");
    }
}

#[tokio::test]
async fn white_space_between_elements_fails_the_import() {
    let fixture = Fixture::new(&IDRAC9_5).await;
    let answer = import(&fixture, profile("\n  ")).await.expect(202);
    ended(&fixture, answer).await.expect(400);
    assert_eq!(attribute(&fixture, "ServerBoot.1.BootOnce").await, "Disabled");
    import(&fixture, json!({"ShareParameters": {"Target": "ALL"}})).await.expect(400);
}

#[tokio::test]
async fn a_task_is_gone_a_minute_after_its_end() {
    let clock = Arc::new(ManualClock::starting_at(Timestamp::UNIX_EPOCH));
    let options = Options { clock: Some(clock.clone()), time_scale: 0.0, ..Options::default() };
    let fixture = Fixture::with(&IDRAC9_5, options).await;
    let answer = import(&fixture, profile("")).await.expect(202);
    let task = answer.json()["@odata.id"].as_str().expect("a task").to_owned();
    ended(&fixture, answer).await.expect(200);
    fixture.client.get(&task).await.expect(200);
    clock.advance(Duration::from_secs(61));
    fixture.client.get(&task).await.expect(404);
}

#[tokio::test]
async fn the_second_image_fails_whichever_comes_first() {
    let images = ImageServer::start(4096).await;
    for (first, second) in [(CD, DISK), (DISK, CD)] {
        let fixture = Fixture::new(&IDRAC9_5).await;
        insert(&fixture, first, &images.url("a.img")).await;
        assert_eq!(try_insert(&fixture, second, &images.url("b.img")).await.status, 500);
    }
}
