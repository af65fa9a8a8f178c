// SPDX-License-Identifier: AGPL-3.0-or-later
//! The proper route through each model: how media, boot override and power are asked for so that it works.
//!
//! Written from what each model's documentation says, without any client of the project: a client that goes this way
//! must get through.

use http::Method;
use serde_json::{Map, Value, json};
use shoal_testbed::bmc::profiles::{InsertRoute, OwnBoot, Profile, Takes};

use crate::client::Answer;
use crate::fixture::Fixture;
use crate::image_server::ImageServer;

/// Index of the slot that takes a boot CD.
pub(crate) fn cd_index(profile: &Profile) -> Option<usize> {
    let fits = |slot: &shoal_testbed::bmc::profiles::SlotModel| {
        slot.optical() && slot.boots && slot.takes == Takes::Address
    };
    profile.slots.iter().position(fits)
}

/// Path of the slot that takes a boot CD.
pub(crate) fn cd_slot(fixture: &Fixture) -> String {
    let index = cd_index(fixture.bmc().profile()).expect("a model with a CD");
    slot_path(fixture, index)
}

/// Path of a slot.
pub(crate) fn slot_path(fixture: &Fixture, index: usize) -> String {
    fixture.bmc().state().slots[index].path.clone()
}

/// A server of images in the scheme that the model takes.
pub(crate) async fn images(profile: &Profile, size: usize) -> ImageServer {
    if profile.media.schemes.contains(&"http") {
        ImageServer::start(size).await
    } else {
        ImageServer::https(size).await
    }
}

/// The body of an insertion.
pub(crate) fn insert_body(profile: &Profile, url: &str) -> Value {
    let mut body = Map::new();
    for name in profile.media.required_parameters {
        let value = match *name {
            "Image" => json!(url),
            "TransferProtocolType" if url.starts_with("https") => json!("HTTPS"),
            "TransferProtocolType" => json!("HTTP"),
            _ => json!("none"),
        };
        body.insert((*name).to_owned(), value);
    }
    if profile.media.route == InsertRoute::Patch {
        body.insert("Inserted".to_owned(), json!(true));
    }
    Value::Object(body)
}

/// Asks for an insertion and takes the answer as it is.
pub(crate) async fn try_insert(fixture: &Fixture, slot: &str, url: &str) -> Answer {
    let profile = fixture.bmc().profile();
    let body = insert_body(profile, url);
    match profile.media.route {
        InsertRoute::Action => {
            let action = format!("{slot}/Actions/VirtualMedia.InsertMedia");
            ended(fixture, fixture.client.post(&action, body).await).await
        }
        InsertRoute::Patch => ended(fixture, patch(fixture, slot, body).await).await,
        InsertRoute::OemPair => fixture.client.post(&own_action(profile, slot, true), body).await,
        InsertRoute::Control { .. } => {
            let body = json!({"VmmControlType": "Connect", "Image": url});
            ended(fixture, fixture.client.post(&own_action(profile, slot, true), body).await).await
        }
        InsertRoute::Configured => {
            let config = config_of(slot);
            let (host, path) = url.split_at(url.find("/m/").or(url.find("/nowhere/")).expect("a path"));
            accepted(&patch(fixture, &config, json!({"Host": host, "Path": path})).await);
            // It is taken over a moment later.
            while fixture.client.get(&config).await.expect(200).json()["Host"] != host {
                tokio::time::sleep(std::time::Duration::from_millis(2)).await;
            }
            fixture.client.post(&format!("{config}/Actions/IsoConfig.Mount"), json!({})).await
        }
        InsertRoute::Listed => {
            clear_list(fixture).await;
            let image = json!({"FilePath": url, "Type": "HTTP", "Readonly": true});
            fixture.client.post(&format!("{REMOTE_MAP}/MountImages"), image).await.expect(201);
            let mount = format!("{REMOTE_MAP}/Actions/LenovoRemoteMapService.Mount");
            fixture.client.post(&mount, json!({})).await
        }
    }
}

const REMOTE_MAP: &str = "/redfish/v1/Managers/1/Oem/Lenovo/RemoteMap";

/// Takes off the list of images what is not mounted.
async fn clear_list(fixture: &Fixture) {
    let list = fixture.client.get(&format!("{REMOTE_MAP}/MountImages")).await.expect(200).json();
    for member in list["Members"].as_array().expect("a list") {
        let path = member["@odata.id"].as_str().expect("a path");
        if fixture.client.get(path).await.expect(200).json()["Mounted"] == false {
            accepted(&fixture.client.delete(path).await);
        }
    }
}

/// The maker's own action of a slot.
fn own_action(profile: &Profile, slot: &str, inserts: bool) -> String {
    match (profile.media.route, &profile.media.oem_actions) {
        (InsertRoute::Control { vendor }, _) => {
            format!("{slot}/Oem/{vendor}/Actions/VirtualMedia.VmmControl")
        }
        (_, Some(oem)) => {
            format!("{slot}/Actions/Oem/{}/{}", oem.vendor, if inserts { oem.insert } else { oem.eject })
        }
        _ => panic!("{} has no action of its own", profile.name),
    }
}

fn config_of(slot: &str) -> String {
    format!("{}/CfgCD", slot.rsplit_once('/').expect("a path").0)
}

/// Inserts.
pub(crate) async fn insert(fixture: &Fixture, slot: &str, url: &str) {
    accepted(&try_insert(fixture, slot, url).await);
}

/// Asks for an ejection and takes the answer as it is.
pub(crate) async fn try_eject(fixture: &Fixture, slot: &str) -> Answer {
    match fixture.bmc().profile().media.route {
        InsertRoute::Action => {
            let action = format!("{slot}/Actions/VirtualMedia.EjectMedia");
            ended(fixture, fixture.client.post(&action, json!({})).await).await
        }
        InsertRoute::Patch => {
            let body = json!({"Image": null, "Inserted": false});
            ended(fixture, patch(fixture, slot, body).await).await
        }
        InsertRoute::OemPair => {
            fixture.client.post(&own_action(fixture.bmc().profile(), slot, false), json!({})).await
        }
        InsertRoute::Control { .. } => {
            let body = json!({"VmmControlType": "Disconnect"});
            fixture.client.post(&own_action(fixture.bmc().profile(), slot, false), body).await
        }
        InsertRoute::Configured => {
            let unmount = format!("{}/Actions/IsoConfig.UnMount", config_of(slot));
            fixture.client.post(&unmount, json!({})).await
        }
        InsertRoute::Listed => {
            let unmount = format!("{REMOTE_MAP}/Actions/LenovoRemoteMapService.UMount");
            let answer = fixture.client.post(&unmount, json!({})).await;
            clear_list(fixture).await;
            answer
        }
    }
}

/// Ejects.
pub(crate) async fn eject(fixture: &Fixture, slot: &str) {
    accepted(&try_eject(fixture, slot).await);
}

/// Changes a resource with the tag that it has.
pub(crate) async fn patch(fixture: &Fixture, path: &str, body: Value) -> Answer {
    let request = fixture.client.request(Method::PATCH, path).json(&body);
    let request = if fixture.bmc().profile().preconditions.patch_needs_if_match {
        let tag = fixture.client.get(path).await.expect(200).header("etag").to_owned();
        request.header("if-match", tag)
    } else {
        request
    };
    fixture.client.send(request).await
}

/// The body by which the model takes a boot override.
pub(crate) fn boot_body(profile: &Profile, enabled: &str, target: &str) -> Value {
    if let OwnBoot::Config { .. } = profile.boot.own {
        return json!({"BootDevice": target, "BootType": "UEFI", "NextBootOnlyEnabled": enabled == "Once"});
    }
    let mut boot = json!({
        "BootSourceOverrideEnabled": enabled,
        "BootSourceOverrideTarget": target,
    });
    if !profile.boot.modes.is_empty() {
        boot["BootSourceOverrideMode"] = json!("UEFI");
    }
    json!({"Boot": boot})
}

/// Sets the boot override where the model takes it.
pub(crate) async fn set_boot(fixture: &Fixture, enabled: &str, target: &str) -> Answer {
    let profile = fixture.bmc().profile();
    patch(fixture, &profile.boot_path(), boot_body(profile, enabled, target)).await
}

/// What the resource says that shows the boot override.
pub(crate) async fn boot_shown(fixture: &Fixture) -> Value {
    let profile = fixture.bmc().profile();
    let path = match profile.boot.own {
        OwnBoot::Config { .. } => format!("/redfish/v1/Systems/{}", profile.system.id),
        _ => profile.boot_path(),
    };
    fixture.client.get(&path).await.expect(200).json()["Boot"].clone()
}

pub(crate) fn accepted(answer: &Answer) {
    assert!((200..300).contains(&answer.status), "{answer:?}");
}

/// The end of the task that an answer names, as an answer; any other answer is the end itself.
pub(crate) async fn ended(fixture: &Fixture, answer: Answer) -> Answer {
    if answer.status != 202 {
        return answer;
    }
    let task = answer.json()["@odata.id"].as_str().expect("a task").to_owned();
    loop {
        let mut now = fixture.client.get(&task).await.expect(200);
        let body = now.json();
        match body["TaskState"].as_str().expect("a state") {
            "Running" => tokio::time::sleep(std::time::Duration::from_millis(2)).await,
            "Completed" => return now,
            _ => {
                // Worded as the refusal that it is.
                let message = &body["Messages"];
                let message = if message.is_array() { message[0].clone() } else { message.clone() };
                now.status = 400;
                now.body = json!({"error": {"@Message.ExtendedInfo": [message]}}).to_string();
                return now;
            }
        }
    }
}
