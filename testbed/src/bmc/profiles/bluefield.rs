// SPDX-License-Identifier: AGPL-3.0-or-later
//! NVIDIA BlueField-3 BMC 24.10: no virtual media, and UEFI HTTP boot instead.
//!
//! Modelled on the public recording `nvidia_dpu` of libredfish (not among ours): ids, versions, reset types in an
//! ActionInfo, a system without UUID, no VirtualMedia link anywhere, `UefiHttp` among the targets and no `Cd`, `HttpBootUri` an empty string
//! while there is none, a `Settings` resource that takes overrides too and lists targets that the system does not
//! have, `Cd` among them.
//!
//! The rest is bmcweb's, as in the GB200's model.
//!
//! Not emulated: OEM resources and actions, updates, logs.

use serde_json::{Map, Value, json};

use super::{
    BootModel, ManagerModel, MediaModel, Profile, SettingsBoot, SettingsModel, SystemModel, Versions,
    openbmc_gb200,
};
use crate::bmc::resources::View;
use crate::bmc::routes::Resource;

/// The model.
pub static BLUEFIELD: Profile = Profile {
    name: "bluefield",
    recording: None,
    versions: Versions { ethernet_interface: "v1_6_0", ..openbmc_gb200::MODEL.versions },
    system: SystemModel {
        id: "Bluefield",
        manufacturer: "https://www.mellanox.com",
        model: "BlueField-3 SmartNIC Main Card",
        nic_ids: &["eth0", "eth1", "oob0"],
        ..openbmc_gb200::MODEL.system
    },
    manager: ManagerModel { id: "Bluefield_BMC", firmware: "BF-24.10-10", ..openbmc_gb200::MODEL.manager },
    chassis_id: "Bluefield_BMC",
    boot: BootModel {
        targets: &["None", "Pxe", "UefiHttp", "UefiShell", "UefiTarget", "UefiBootNext"],
        cd_target: None,
        usb_target: None,
        settings: Some(SettingsModel {
            segment: "Settings",
            id: "Settings",
            name: "Bluefield Pending Settings",
            version: "v1_17_0",
            link_version: "v1_3_5",
            boot: SettingsBoot::Also,
        }),
        ..openbmc_gb200::MODEL.boot
    },
    slots: &[],
    media: MediaModel { max_connected: 0, ..MediaModel::PLAIN },
    extras: &[],
    decorate,
    ..openbmc_gb200::MODEL
};

fn decorate(resource: &Resource, view: &View<'_>, map: &mut Map<String, Value>) {
    match resource {
        Resource::Root => {
            map.insert("Vendor".into(), json!("Nvidia"));
            map.insert("Product".into(), json!("Nvidia-BMCMezz"));
            map.insert("UUID".into(), json!(view.service_uuid()));
        }
        Resource::System => {
            // As recorded: it knows its serial number, and no UUID.
            for unknown in ["SKU", "UUID", "IndicatorLED"] {
                map.remove(unknown);
            }
            map.insert("Name".into(), json!("Bluefield"));
            let progress = json!({"LastState": view.state.progress});
            map.insert("BootProgress".into(), progress);
            http_boot_uri(view, map);
            map["Boot"]["BootSourceOverrideMode@Redfish.AllowableValues"] = json!(["Legacy", "UEFI"]);
        }
        Resource::SystemSettings => {
            http_boot_uri(view, map);
            // As recorded: a list that belongs to another machine.
            map["Boot"]["BootSourceOverrideTarget@Redfish.AllowableValues"] =
                json!(["None", "Pxe", "Hdd", "Cd", "Diags", "BiosSetup", "Usb"]);
        }
        Resource::Systems
        | Resource::Managers
        | Resource::Account
        | Resource::ManagerNic
        | Resource::TaskService => (openbmc_gb200::MODEL.decorate)(resource, view, map),
        Resource::SystemNic(_) => {
            map.insert("Status".into(), json!({"State": "Enabled"}));
        }
        _ => {}
    }
}

fn http_boot_uri(view: &View<'_>, map: &mut Map<String, Value>) {
    map["Boot"]["HttpBootUri"] = json!(view.state.boot_override.http_uri.as_deref().unwrap_or_default());
}
