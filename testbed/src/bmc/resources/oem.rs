// SPDX-License-Identifier: AGPL-3.0-or-later
//! Resources of makers' own: configuration of a CD, a list of images, boot overrides, attributes of a manager.

use serde_json::{Map, Value, json};

use super::View;
use crate::bmc::routes::{Action, Resource};
use crate::bmc::state::Enabled;

pub(super) fn iso_config(view: &View<'_>) -> Map<String, Value> {
    let mut map = view.head(&Resource::IsoConfig, "#IsoConfig.IsoConfig");
    let (host, path) = view.state.configured.at(view.elapsed);
    map.insert("Id".into(), json!("1"));
    map.insert("Name".into(), json!("Virtual Media Config"));
    map.insert("Host".into(), json!(host));
    map.insert("Path".into(), json!(path));
    map.insert("Username".into(), json!(""));
    map.insert("Password".into(), json!("********"));
    let actions = json!({
        "#IsoConfig.Mount": view.action(Action::Mount),
        "#IsoConfig.UnMount": view.action(Action::Unmount),
    });
    map.insert("Actions".into(), actions);
    map
}

pub(super) fn remote_map(view: &View<'_>) -> Map<String, Value> {
    let (schema, version) = ("LenovoRemoteMapService", "v1_0_0");
    let mut map = view.entity(&Resource::RemoteMap, schema, version, "RemoteMap", "RemoteMapService");
    map.insert("ServiceEnabled".into(), json!(true));
    map.insert("MountImages".into(), view.link(&Resource::MountImages));
    let actions = json!({
        "#LenovoRemoteMapService.Mount": view.action(Action::MountList),
        "#LenovoRemoteMapService.UMount": view.action(Action::UnmountList),
    });
    map.insert("Actions".into(), actions);
    map
}

pub(super) fn mount_images(view: &View<'_>) -> Map<String, Value> {
    let images: Vec<Resource> =
        view.state.listed.images.iter().map(|image| Resource::MountImage(image.id)).collect();
    view.collection(&Resource::MountImages, "LenovoRemoteMapMediaCollection", "MountImages", &images)
}

pub(super) fn mount_image(view: &View<'_>, id: u64) -> Option<Map<String, Value>> {
    let image = view.state.listed.images.iter().find(|image| image.id == id)?;
    let (schema, name) = ("LenovoRemoteMapMedia", "Remote Map Media");
    let mut map = view.entity(&Resource::MountImage(id), schema, "v1_0_0", &id.to_string(), name);
    map.insert("FilePath".into(), json!(image.path));
    map.insert("Type".into(), json!(image.protocol));
    map.insert("Readonly".into(), json!(true));
    map.insert("Mounted".into(), json!(image.is_mounted));
    Some(map)
}

pub(super) fn boot_config(view: &View<'_>) -> Map<String, Value> {
    let mut map = view.head(&Resource::BootConfig, "#FTSBootConfig.v1_0_0.FTSBootConfig");
    let current = &view.state.boot_override;
    map.insert("Id".into(), json!("BootConfig"));
    map.insert("Name".into(), json!("Boot Configuration"));
    map.insert("BootDevice".into(), json!(current.target));
    map.insert("BootType".into(), json!(current.mode));
    map.insert("NextBootOnlyEnabled".into(), json!(current.enabled == Enabled::Once));
    map
}

pub(super) fn attributes(view: &View<'_>) -> Map<String, Value> {
    let id = view.profile.manager.id;
    let name = "OEMAttributeRegistry";
    let mut map = view.entity(&Resource::Attributes, "DellAttributes", "v1_0_0", id, name);
    let (once, device) =
        if view.state.virtual_cd_once { ("Enabled", "VCD-DVD") } else { ("Disabled", "Normal") };
    let attributes = json!({
        "ServerBoot.1.BootOnce": once,
        "ServerBoot.1.FirstBootDevice": device,
        "VirtualMedia.1.Attached": "AutoAttach",
        "VirtualMedia.1.Enable": "Enabled",
    });
    map.insert("Attributes".into(), attributes);
    map
}
