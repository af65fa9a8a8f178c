// SPDX-License-Identifier: AGPL-3.0-or-later
//! The system, its boot override, its reset action and its host interfaces.

use serde_json::{Map, Value, json};

use super::View;
use crate::bmc::profiles::{Listing, MemberOf, SettingsBoot};
use crate::bmc::routes::{Action, Resource};
use crate::bmc::state::{Enabled, Override};

pub(super) fn systems(view: &View<'_>) -> Map<String, Value> {
    let mut map = view.collection(
        &Resource::Systems,
        "ComputerSystemCollection",
        "Computer System Collection",
        &view.with_extras(Resource::System, MemberOf::Systems),
    );
    map.insert("Description".into(), json!("Collection of Computer Systems"));
    map
}

pub(super) fn system(view: &View<'_>) -> Map<String, Value> {
    let model = &view.profile.system;
    let identity = view.identity;
    let mut map = view.entity(
        &Resource::System,
        "ComputerSystem",
        view.profile.versions.computer_system,
        model.id,
        "System",
    );
    let (serial, sku) = if model.sku_is_service_tag {
        (&identity.board_serial, &identity.serial)
    } else {
        (&identity.serial, &identity.sku)
    };
    map.insert("SystemType".into(), json!("Physical"));
    map.insert("Manufacturer".into(), json!(model.manufacturer));
    map.insert("Model".into(), json!(model.model));
    map.insert("SerialNumber".into(), json!(serial));
    map.insert("SKU".into(), json!(sku));
    map.insert("UUID".into(), json!(view.uuid(identity.uuid)));
    map.insert("IndicatorLED".into(), json!("Off"));
    map.insert("PowerState".into(), json!(view.state.power.shown(model.shows_transitions)));
    map.insert("Status".into(), json!({"Health": "OK", "State": "Enabled"}));
    map.insert("Boot".into(), boot(view));
    if let Some(settings) = &view.profile.boot.settings {
        let link = json!({
            "@odata.type": format!("#Settings.{}.Settings", settings.link_version),
            "SettingsObject": view.link(&Resource::SystemSettings),
        });
        map.insert("@Redfish.Settings".into(), link);
    }
    if !model.nic_ids.is_empty() {
        map.insert("EthernetInterfaces".into(), view.link(&Resource::SystemNics));
    }
    if let Some(of) = model.virtual_media {
        map.insert("VirtualMedia".into(), view.link(&Resource::Media(of)));
    }
    map.insert(
        "Links".into(),
        json!({"Chassis": [view.link(&Resource::Chassis)], "ManagedBy": [view.link(&Resource::Manager)]}),
    );
    let mut reset = json!({"target": Resource::Action(Action::SystemReset).path(view.profile)});
    match model.reset_listing {
        Listing::Inline => reset["ResetType@Redfish.AllowableValues"] = json!(model.reset_types),
        Listing::ActionInfo => {
            reset["@Redfish.ActionInfo"] = json!(Resource::ResetActionInfo.path(view.profile));
        }
    }
    map.insert("Actions".into(), json!({"#ComputerSystem.Reset": reset}));
    map
}

fn boot(view: &View<'_>) -> Value {
    let model = &view.profile.boot;
    let hidden = matches!(
        model.settings.as_ref().map(|settings| settings.boot),
        Some(SettingsBoot::Only { shown_by_system: false })
    );
    let mut boot = if hidden {
        let none = Override {
            enabled: Enabled::Disabled,
            target: model.idle_target,
            http_uri: None,
            ..view.state.boot_override.clone()
        };
        overridden(&none)
    } else {
        overridden(&view.state.boot_override)
    };
    hide_mode(view, &mut boot);
    if model.lists_targets {
        boot["BootSourceOverrideTarget@Redfish.AllowableValues"] = json!(model.targets);
        if let (enabled, true) = model.enabled {
            boot["BootSourceOverrideEnabled@Redfish.AllowableValues"] = json!(enabled);
        }
    }
    boot
}

/// Where no mode can be set, none is shown.
fn hide_mode(view: &View<'_>, boot: &mut Value) {
    if let (true, Some(boot)) = (view.profile.boot.modes.is_empty(), boot.as_object_mut()) {
        boot.remove("BootSourceOverrideMode");
    }
}

fn overridden(current: &Override) -> Value {
    let mut boot = json!({
        "BootSourceOverrideEnabled": current.enabled.name(),
        "BootSourceOverrideMode": current.mode,
        "BootSourceOverrideTarget": current.target,
    });
    // Most BMCs do not show the property before it was set.
    if let Some(uri) = &current.http_uri {
        boot["HttpBootUri"] = json!(uri);
    }
    boot
}

/// The settings of the system, where the model has any.
pub(super) fn settings(view: &View<'_>) -> Option<Map<String, Value>> {
    let model = view.profile.boot.settings.as_ref()?;
    let resource = Resource::SystemSettings;
    let mut map = view.entity(&resource, "ComputerSystem", model.version, model.id, model.name);
    let boot = if model.boot == SettingsBoot::Never {
        json!({})
    } else {
        let mut boot = overridden(&view.state.boot_override);
        hide_mode(view, &mut boot);
        boot["BootSourceOverrideTarget@Redfish.AllowableValues"] = json!(view.profile.boot.targets);
        boot
    };
    map.insert("Boot".into(), boot);
    Some(map)
}

pub(super) fn reset_action_info(view: &View<'_>) -> Map<String, Value> {
    let parameters = json!([{
        "Name": "ResetType",
        "Required": true,
        "DataType": "String",
        "AllowableValues": view.profile.system.reset_types,
    }]);
    view.action_info(&Resource::ResetActionInfo, "ResetActionInfo", parameters)
}

pub(super) fn nics(view: &View<'_>) -> Map<String, Value> {
    let shown = view.identity.macs.len().min(view.profile.system.nic_ids.len());
    let members: Vec<Resource> = (0..shown).map(Resource::SystemNic).collect();
    let name = "Ethernet Interface Collection";
    let mut map = view.collection(&Resource::SystemNics, "EthernetInterfaceCollection", name, &members);
    map.insert("Description".into(), json!("Collection of Ethernet Interfaces for this System"));
    map
}

pub(super) fn nic(view: &View<'_>, index: usize) -> Option<Map<String, Value>> {
    let mac = view.identity.macs.get(index)?;
    let id = view.profile.system.nic_ids[index];
    let version = view.profile.versions.ethernet_interface;
    let resource = Resource::SystemNic(index);
    let mut map = view.entity(&resource, "EthernetInterface", version, id, "System Ethernet Interface");
    map.insert("MACAddress".into(), json!(mac));
    map.insert("LinkStatus".into(), json!("LinkUp"));
    map.insert("SpeedMbps".into(), json!(10_000));
    map.insert("Status".into(), json!({"Health": "OK", "State": "Enabled"}));
    Some(map)
}
