// SPDX-License-Identifier: AGPL-3.0-or-later
//! The manager: the BMC about itself.

use serde_json::{Map, Value, json};

use super::{View, media_of};
use crate::bmc::profiles::{Listing, MemberOf, SlotView};
use crate::bmc::routes::{Action, Resource};

pub(super) fn managers(view: &View<'_>) -> Map<String, Value> {
    let members = view.with_extras(Resource::Manager, MemberOf::Managers);
    let mut map = view.collection(&Resource::Managers, "ManagerCollection", "Manager Collection", &members);
    map.insert("Description".into(), json!("BMC"));
    map
}

pub(super) fn manager(view: &View<'_>) -> Map<String, Value> {
    let model = &view.profile.manager;
    let mut map =
        view.entity(&Resource::Manager, "Manager", view.profile.versions.manager, model.id, "Manager");
    map.insert("ManagerType".into(), json!("BMC"));
    map.insert("FirmwareVersion".into(), json!(model.firmware));
    map.insert("Model".into(), json!(model.model));
    map.insert("UUID".into(), json!(view.service_uuid()));
    map.insert("Status".into(), json!({"Health": "OK", "State": "Enabled"}));
    map.insert("DateTime".into(), json!(view.now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()));
    map.insert("DateTimeLocalOffset".into(), json!("+00:00"));
    map.insert("EthernetInterfaces".into(), view.link(&Resource::ManagerNics));
    if let Some(link) = media_of(view, SlotView::Manager) {
        map.insert("VirtualMedia".into(), link);
    }
    map.insert(
        "Links".into(),
        json!({
            "ManagerForServers": [view.link(&Resource::System)],
            "ManagerForChassis": [view.link(&Resource::Chassis)],
            "ManagerInChassis": view.link(&Resource::Chassis),
        }),
    );
    let mut actions = Map::new();
    let mut reset = json!({"target": Resource::Action(Action::ManagerReset).path(view.profile)});
    match model.reset_listing {
        Listing::Inline => reset["ResetType@Redfish.AllowableValues"] = json!(model.reset_types),
        Listing::ActionInfo => {
            reset["@Redfish.ActionInfo"] = json!(Resource::ManagerResetActionInfo.path(view.profile));
        }
    }
    actions.insert("#Manager.Reset".into(), reset);
    if let Some((listing, types)) = &model.defaults {
        let mut action = json!({"target": Resource::Action(Action::ManagerDefaults).path(view.profile)});
        match listing {
            Listing::Inline => action["ResetType@Redfish.AllowableValues"] = json!(types),
            Listing::ActionInfo => {
                action["@Redfish.ActionInfo"] = json!(Resource::DefaultsActionInfo.path(view.profile));
            }
        }
        actions.insert("#Manager.ResetToDefaults".into(), action);
    }
    map.insert("Actions".into(), Value::Object(actions));
    map
}

pub(super) fn reset_action_info(view: &View<'_>) -> Map<String, Value> {
    let types = view.profile.manager.reset_types;
    let parameters =
        json!([{"Name": "ResetType", "Required": true, "DataType": "String", "AllowableValues": types}]);
    view.action_info(&Resource::ManagerResetActionInfo, "ResetActionInfo", parameters)
}

pub(super) fn defaults_action_info(view: &View<'_>) -> Map<String, Value> {
    let types = view.profile.manager.defaults.as_ref().map_or(&[][..], |(_, types)| types);
    let parameters =
        json!([{"Name": "ResetType", "Required": true, "DataType": "String", "AllowableValues": types}]);
    view.action_info(&Resource::DefaultsActionInfo, "ResetToDefaultsActionInfo", parameters)
}

pub(super) fn nics(view: &View<'_>) -> Map<String, Value> {
    let name = "Ethernet Network Interface Collection";
    let members = [Resource::ManagerNic];
    let mut map = view.collection(&Resource::ManagerNics, "EthernetInterfaceCollection", name, &members);
    map.insert("Description".into(), json!("Collection of EthernetInterfaces for this Manager"));
    map
}

pub(super) fn nic(view: &View<'_>) -> Map<String, Value> {
    let version = view.profile.versions.ethernet_interface;
    let id = view.profile.manager.nic_id;
    let name = "Manager Ethernet Interface";
    let mut map = view.entity(&Resource::ManagerNic, "EthernetInterface", version, id, name);
    map.insert("MACAddress".into(), json!(view.identity.bmc_mac));
    map.insert("AutoNeg".into(), json!(true));
    map.insert("FullDuplex".into(), json!(true));
    map.insert("SpeedMbps".into(), json!(1000));
    map.insert("Status".into(), json!({"Health": "OK", "State": "Enabled"}));
    map
}
