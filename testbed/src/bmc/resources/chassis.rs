// SPDX-License-Identifier: AGPL-3.0-or-later
//! The chassis, as far as system and manager link to it.

use serde_json::{Map, Value, json};

use super::View;
use crate::bmc::profiles::MemberOf;
use crate::bmc::routes::Resource;

pub(super) fn collection(view: &View<'_>) -> Map<String, Value> {
    view.collection(
        &Resource::ChassisCollection,
        "ChassisCollection",
        "Chassis Collection",
        &view.with_extras(Resource::Chassis, MemberOf::Chassis),
    )
}

pub(super) fn chassis(view: &View<'_>) -> Map<String, Value> {
    let profile = view.profile;
    let name = "Computer System Chassis";
    let mut map =
        view.entity(&Resource::Chassis, "Chassis", profile.versions.chassis, profile.chassis_id, name);
    map.insert("ChassisType".into(), json!("RackMount"));
    map.insert("Manufacturer".into(), json!(profile.system.manufacturer));
    map.insert("Model".into(), json!(profile.system.model));
    // The chassis settles on On and Off only.
    map.insert("PowerState".into(), json!(view.state.power.shown(false)));
    map.insert("Status".into(), json!({"Health": "OK", "State": "Enabled"}));
    map.insert(
        "Links".into(),
        json!({"ComputerSystems": [view.link(&Resource::System)], "ManagedBy": [view.link(&Resource::Manager)]}),
    );
    map
}
