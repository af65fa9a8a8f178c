// SPDX-License-Identifier: AGPL-3.0-or-later
//! Virtual media: collections, slots, and the ActionInfo of InsertMedia.

use serde_json::{Map, Value, json};

use super::View;
use crate::bmc::profiles::{Listing, SlotView};
use crate::bmc::routes::{Action, Resource};

pub(super) fn collection(view: &View<'_>, of: SlotView) -> Map<String, Value> {
    let slots = view.profile.slots;
    let in_view = (0..slots.len()).filter(|index| slots[*index].view == of);
    let mut members: Vec<usize> = in_view.collect();
    if let (SlotView::Manager, Some(order)) = (of, view.profile.media.manager_order) {
        members.sort_by_key(|index| order.iter().position(|id| *id == slots[*index].id));
    }
    let members: Vec<Resource> = members.into_iter().map(Resource::Slot).collect();
    let mut map =
        view.collection(&Resource::Media(of), "VirtualMediaCollection", "Virtual Media Services", &members);
    map.insert("Description".into(), json!("Collection of Virtual Media"));
    map
}

pub(super) fn slot(view: &View<'_>, index: usize) -> Map<String, Value> {
    let model = &view.profile.slots[index];
    let habits = &view.profile.media;
    let resource = Resource::Slot(index);
    let version = view.profile.versions.virtual_media;
    let mut map = view.entity(&resource, "VirtualMedia", version, model.id, model.name);
    map.insert("MediaTypes".into(), json!(model.media_types));

    let shown = view.state.slots[index].shown(view.elapsed);
    let url = shown.map(|medium| medium.url.as_str());
    let empty_image = if habits.empty_image_is_string { json!("") } else { Value::Null };
    map.insert("Inserted".into(), json!(shown.is_some()));
    map.insert("Image".into(), url.map_or(empty_image, |url| json!(url)));
    map.insert("ImageName".into(), url.map_or(Value::Null, |url| json!(file_name(url))));
    map.insert("ConnectedVia".into(), json!(if shown.is_some() { "URI" } else { "NotConnected" }));
    map.insert("TransferMethod".into(), shown.map_or(Value::Null, |_| json!("Stream")));
    map.insert("TransferProtocolType".into(), url.map_or(Value::Null, |url| json!(protocol(url))));
    let write_protected = shown.map_or(model.idle_write_protected, |medium| Some(medium.write_protected));
    map.insert("WriteProtected".into(), json!(write_protected));

    let target = |action: Action| Resource::Action(action).path(view.profile);
    let mut actions = Map::new();
    let mut insert = json!({"target": target(Action::Insert { slot: index, oem: false })});
    if habits.insert_listing == Listing::ActionInfo {
        insert["@Redfish.ActionInfo"] = json!(Resource::InsertActionInfo(index).path(view.profile));
    }
    actions.insert("#VirtualMedia.InsertMedia".into(), insert);
    if shown.is_some() || !habits.eject_hidden_when_empty {
        let eject = json!({"target": target(Action::Eject { slot: index, oem: false })});
        actions.insert("#VirtualMedia.EjectMedia".into(), eject);
    }
    map.insert("Actions".into(), Value::Object(actions));
    map
}

pub(super) fn insert_action_info(view: &View<'_>, index: usize) -> Map<String, Value> {
    let parameter = |name: &&str| {
        let data_type = if matches!(*name, "Inserted" | "WriteProtected") { "Boolean" } else { "String" };
        json!({"Name": name, "Required": *name == "Image", "DataType": data_type})
    };
    let parameters: Value = view.profile.media.insert_parameters.iter().map(parameter).collect();
    view.action_info(&Resource::InsertActionInfo(index), "InsertMediaActionInfo", parameters)
}

fn file_name(url: &str) -> &str {
    let path = url.split(['?', '#']).next().unwrap_or(url);
    path.rsplit('/').next().unwrap_or(path)
}

fn protocol(url: &str) -> &'static str {
    if url.starts_with("https:") { "HTTPS" } else { "HTTP" }
}
