// SPDX-License-Identifier: AGPL-3.0-or-later
//! The proper route through each model: how media, boot override and power are asked for so that it works.
//!
//! Written from what each model's documentation says, without any client of the project: a client that goes this way
//! must get through.

use http::Method;
use serde_json::{Map, Value, json};
use shoal_testbed::bmc::profiles::{InsertRoute, Profile, Takes};

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
        InsertRoute::Patch => patch(fixture, slot, body).await,
    }
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
        InsertRoute::Patch => patch(fixture, slot, json!({"Image": null, "Inserted": false})).await,
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

/// Sets the boot override where the model takes it.
pub(crate) async fn set_boot(fixture: &Fixture, enabled: &str, target: &str) -> Answer {
    let boot = json!({"Boot": {
        "BootSourceOverrideEnabled": enabled,
        "BootSourceOverrideTarget": target,
        "BootSourceOverrideMode": "UEFI",
    }});
    patch(fixture, &fixture.bmc().profile().boot_path(), boot).await
}

/// What the resource says that takes the boot override.
pub(crate) async fn boot_shown(fixture: &Fixture) -> Value {
    fixture.client.get(&fixture.bmc().profile().boot_path()).await.expect(200).json()["Boot"].clone()
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
