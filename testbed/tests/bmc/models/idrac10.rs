// SPDX-License-Identifier: AGPL-3.0-or-later
//! iDRAC10: the Settings resource, the second slot, tags, the 409 after power off.

use std::sync::Arc;
use std::time::Duration;

use http::Method;
use jiff::Timestamp;
use serde_json::{Value, json};
use shoal_testbed::bmc::profiles::IDRAC10;
use shoal_testbed::bmc::{BootDevice, ManualClock, Power};

use super::{members, once, patch_with};
use crate::behaviour_boot::{booted, power_on};
use crate::behaviour_power::reset;
use crate::fixture::{Fixture, Options};
use crate::image_server::ImageServer;
use crate::route::{insert, set_boot, slot_path};

const SYSTEM: &str = "/redfish/v1/Systems/System.Embedded.1";
const SETTINGS: &str = "/redfish/v1/Systems/System.Embedded.1/Settings";

#[tokio::test]
async fn the_system_takes_no_override_and_lists_no_targets_and_the_settings_do_both() {
    let fixture = Fixture::new(&IDRAC10).await;
    let system = fixture.client.get(SYSTEM).await.expect(200).json();
    assert_eq!(system["Boot"].get("BootSourceOverrideTarget@Redfish.AllowableValues"), None);
    assert_eq!(system["@Redfish.Settings"]["SettingsObject"]["@odata.id"], SETTINGS);
    let refused = fixture.client.patch(SYSTEM, once("Cd")).await.expect(400);
    assert_eq!(refused.message_id(), "Base.1.18.PropertyNotWritable");
    assert!(refused.body.contains("Boot"), "{}", refused.body);

    let settings = fixture.client.get(SETTINGS).await.expect(200).json();
    let targets = settings["Boot"]["BootSourceOverrideTarget@Redfish.AllowableValues"].clone();
    assert!(targets.as_array().expect("a list").contains(&json!("Cd")), "{targets}");
    fixture.client.patch(SETTINGS, once("Cd")).await.expect(200);
    let system = fixture.client.get(SYSTEM).await.json();
    assert_eq!(system["Boot"]["BootSourceOverrideTarget"], "Cd");
    let legacy = json!({"Boot": {"BootSourceOverrideMode": "Legacy"}});
    fixture.client.patch(SETTINGS, legacy).await.expect(400);
}

#[tokio::test]
async fn the_second_slot_is_listed_first_and_boots_nothing() {
    let images = ImageServer::start(4096).await;
    let fixture = Fixture::new(&IDRAC10).await;
    assert_eq!(members(&fixture, &format!("{SYSTEM}/VirtualMedia")).await, ["2", "1"]);
    let manager = fixture.client.get("/redfish/v1/Managers/iDRAC.Embedded.1").await.json();
    assert_eq!(manager.get("VirtualMedia"), None);

    let second = slot_path(&fixture, 1);
    insert(&fixture, &second, &images.url("boot.iso")).await;
    set_boot(&fixture, "Once", "Cd").await.expect(200);
    power_on(&fixture).await;
    assert_eq!(booted(&fixture, 1).await.device, BootDevice::Disk);
    insert(&fixture, &slot_path(&fixture, 0), &images.url("boot.iso")).await;
    set_boot(&fixture, "Once", "Cd").await.expect(200);
    reset(&fixture, "ForceRestart").await.expect(204);
    assert_eq!(booted(&fixture, 2).await.device, BootDevice::Cd { slot: 0 });
}

#[tokio::test]
async fn tags_are_against_the_grammar_and_taken_as_they_are() {
    let fixture = Fixture::new(&IDRAC10).await;
    let answer = fixture.client.get(SETTINGS).await;
    let tag = answer.header("etag").to_owned();
    assert!(tag.starts_with("W/'gen-") && tag.ends_with('\''), "{tag}");
    assert_eq!(answer.json()["@odata.etag"], Value::from(tag.as_str()));
    let quoted = tag.replace('\'', "\"");
    patch_with(&fixture, SETTINGS, &quoted, &once("Cd")).await.expect(412);
    patch_with(&fixture, SETTINGS, &tag, &once("Cd")).await.expect(200);
}

#[tokio::test]
async fn an_action_with_if_match_is_412_whatever_the_tag() {
    let fixture = Fixture::new(&IDRAC10).await;
    let tag = fixture.client.get(SYSTEM).await.header("etag").to_owned();
    let path = format!("{SYSTEM}/Actions/ComputerSystem.Reset");
    for tag in [tag.as_str(), "*"] {
        let request = fixture.client.request(Method::POST, &path).header("if-match", tag);
        fixture.client.send(request.json(&json!({"ResetType": "On"}))).await.expect(412);
    }
    assert_eq!(fixture.bmc().state().power, Power::Off);
    reset(&fixture, "On").await.expect(204);
}

#[tokio::test]
async fn on_is_refused_for_a_while_after_off() {
    let clock = Arc::new(ManualClock::starting_at(Timestamp::UNIX_EPOCH));
    let options =
        Options { clock: Some(clock.clone()), time_scale: 1.0, powered_on: true, ..Options::default() };
    let fixture = Fixture::with(&IDRAC10, options).await;
    reset(&fixture, "ForceOff").await.expect(204);
    while fixture.bmc().state().power != Power::Off {
        clock.advance(Duration::from_secs(1));
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let refused = reset(&fixture, "On").await.expect(409);
    assert_eq!(refused.message_id(), "Base.1.18.ActionParameterValueConflict");
    clock.advance(Duration::from_secs(11));
    reset(&fixture, "On").await.expect(204);
}
