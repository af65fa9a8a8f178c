// SPDX-License-Identifier: AGPL-3.0-or-later
//! Virtual media: collections, slots, and the ActionInfo of InsertMedia.

use serde_json::{Map, Value, json};

use super::{View, since};
use crate::bmc::profiles::{InsertRoute, Listing, SlotView, Takes};
use crate::bmc::routes::{Action, Place, Resource};

pub(super) fn collection(view: &View<'_>, of: SlotView) -> Map<String, Value> {
    let slots = view.profile.slots;
    let in_view = (0..slots.len()).filter(|index| slots[*index].is_in(of));
    let is_shown = |index: &usize| {
        !view.profile.media.hides_empty || view.state.slots[*index].shown(view.elapsed).is_some()
    };
    let mut members: Vec<usize> = in_view.filter(is_shown).collect();
    if let Some((_, order)) = view.profile.media.order.filter(|(ordered, _)| *ordered == of) {
        members.sort_by_key(|index| order.iter().position(|id| *id == slots[*index].id));
    }
    let members: Vec<Resource> =
        members.into_iter().map(|slot| Resource::Slot(Place { slot, view: of })).collect();
    let mut map =
        view.collection(&Resource::Media(of), "VirtualMediaCollection", "Virtual Media Services", &members);
    map.insert("Description".into(), json!("Collection of Virtual Media"));
    map
}

/// A slot; none while it is not there.
pub(super) fn slot(view: &View<'_>, place: Place) -> Option<Map<String, Value>> {
    let index = place.slot;
    let model = &view.profile.slots[index];
    let habits = &view.profile.media;
    let resource = Resource::Slot(place);
    let version = view.profile.versions.virtual_media;
    let mut map = view.entity(&resource, "VirtualMedia", version, model.id, model.name);
    map.insert("MediaTypes".into(), json!(model.media_types));

    let state = &view.state.slots[index];
    let shown = state.shown(view.elapsed);
    if habits.hides_empty && shown.is_none() {
        return None;
    }
    let url = shown.map(|medium| medium.url.as_str());
    // Firmware that does not clear the name shows that of the image before.
    let named = url.or(state.last_url.as_deref().filter(|_| habits.keeps_image_name));
    let echoed = named.map(|url| if habits.hides_port { without_port(url) } else { url.to_owned() });
    let empty_image = if habits.empty_image_is_string { json!("") } else { Value::Null };
    map.insert("Inserted".into(), json!(shown.is_some()));
    map.insert("Image".into(), echoed.map_or(empty_image, |url| json!(url)));
    map.insert("ImageName".into(), named.map_or(Value::Null, |url| json!(file_name(url))));
    map.insert("ConnectedVia".into(), json!(if shown.is_some() { "URI" } else { "NotConnected" }));
    if since(version, 3) {
        map.insert("TransferMethod".into(), shown.map_or(Value::Null, |_| json!("Stream")));
        map.insert("TransferProtocolType".into(), url.map_or(Value::Null, |url| json!(protocol(url))));
    }
    let write_protected = shown.map_or(model.idle_write_protected, |medium| Some(medium.write_protected));
    map.insert("WriteProtected".into(), json!(write_protected));

    if habits.route != InsertRoute::Action || model.takes == Takes::Nothing {
        return Some(map);
    }
    let target = |action: Action| Resource::Action(action).path(view.profile);
    let mut actions = Map::new();
    let mut insert = json!({"target": target(Action::Insert { place, oem: false })});
    if habits.insert_listing == Listing::ActionInfo {
        insert["@Redfish.ActionInfo"] = json!(Resource::InsertActionInfo(place).path(view.profile));
    }
    actions.insert("#VirtualMedia.InsertMedia".into(), insert);
    if shown.is_some() || !habits.eject_hidden_when_empty {
        let eject = json!({"target": target(Action::Eject { place, oem: false })});
        actions.insert("#VirtualMedia.EjectMedia".into(), eject);
    }
    map.insert("Actions".into(), Value::Object(actions));
    Some(map)
}

pub(super) fn insert_action_info(view: &View<'_>, place: Place) -> Map<String, Value> {
    let habits = &view.profile.media;
    let parameter = |name: &&str| {
        let data_type = if matches!(*name, "Inserted" | "WriteProtected") { "Boolean" } else { "String" };
        let required = habits.required_parameters.contains(name);
        let mut parameter = json!({"Name": name, "Required": required, "DataType": data_type});
        // Where the protocol can be told from the address, nothing is listed.
        if *name == "TransferProtocolType" && required {
            parameter["AllowableValues"] = json!(habits.protocols);
        }
        parameter
    };
    let parameters: Value = habits.insert_parameters.iter().map(parameter).collect();
    view.action_info(&Resource::InsertActionInfo(place), "InsertMediaActionInfo", parameters)
}

fn file_name(url: &str) -> &str {
    let path = url.split(['?', '#']).next().unwrap_or(url);
    path.rsplit('/').next().unwrap_or(path)
}

fn without_port(url: &str) -> String {
    let Ok(mut parsed) = url::Url::parse(url) else { return url.to_owned() };
    // It fails for addresses without a host only, and those have no port.
    let _ = parsed.set_port(None);
    parsed.to_string()
}

fn protocol(url: &str) -> &'static str {
    if url.starts_with("https:") { "HTTPS" } else { "HTTP" }
}
