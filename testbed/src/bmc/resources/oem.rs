// SPDX-License-Identifier: AGPL-3.0-or-later
//! Resources of makers' own: configuration of a CD, boot overrides, attributes of a manager.

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
