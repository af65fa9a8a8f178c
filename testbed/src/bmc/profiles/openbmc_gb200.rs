// SPDX-License-Identifier: AGPL-3.0-or-later
//! OpenBMC (bmcweb) on an NVIDIA GB200: two systems of which one can be started, images over HTTPS only, and a slot
//! without an action.
//!
//! From the recording `nvidia_gb200`: ids, versions, the order of members (`USB2` before `USB1`), actions, allowable
//! values; the second system and manager, which are the GPU baseboard's and have neither boot override nor reset; a
//! system without serial number, maker, model and network interfaces: its UUID is all that tells who it is; a slot
//! that shows no `Image` while it is empty; a `Settings` resource that shows the override too.
//!
//! From bmcweb's `virtual_media.hpp`: images by `https` or `smb`, and `http` is `ResourceAtUriInUnknownFormat`;
//! `TransferProtocolType` is `CIFS` or `HTTPS` and agrees with the address; `Inserted` false is refused;
//! `TransferMethod` is `Stream`; tags stand in the header alone. From libredfish: overrides are taken by the `Settings`
//! as well as by the system.
//!
//! **The one difference on purpose**: the slot `Slot_0`, as a Supermicro GB300 and a Cisco C845A have it beside the
//! two: for the console, without InsertMedia (Ironic `boot.py`). It is listed first.
//!
//! Not emulated: OEM resources and actions, logs, sensors, the baseboard's own parts.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::{
    Ack, BootModel, ErrorModel, EtagStyle, Extra, Listing, ManagerModel, MediaModel, MemberOf, Patched,
    Preconditions, Probe, Profile, SessionIds, SessionModel, SettingsBoot, SettingsModel, SlotModel,
    SlotView, SystemModel, Takes, Timing, Versions,
};
use crate::bmc::resources::View;
use crate::bmc::routes::Resource;

/// The model.
pub static OPENBMC_GB200: Profile = MODEL;

/// The model, for others to differ from.
pub(super) const MODEL: Profile = Profile {
    name: "openbmc-gb200",
    recording: Some("nvidia_gb200"),
    redfish_version: "1.17.0",
    versions: Versions {
        service_root: "v1_15_0",
        computer_system: "v1_22_0",
        manager: "v1_14_0",
        chassis: "v1_22_0",
        virtual_media: "v1_3_0",
        ethernet_interface: "v1_9_0",
        session_service: "v1_0_2",
        session: "v1_5_0",
        account_service: "v1_15_0",
        manager_account: "v1_7_0",
        role: "v1_2_2",
        task_service: "v1_1_4",
        task: "v1_4_3",
        action_info: "v1_1_2",
    },
    odata_context: false,
    etag: EtagStyle::StrongHex8,
    preconditions: Preconditions::NONE,
    system: SystemModel {
        id: "System_0",
        manufacturer: "NVIDIA",
        model: "GB200 NVL",
        upper_case_uuid: false,
        reset_types: &[
            "ForceOff",
            "PowerCycle",
            "Nmi",
            "GracefulShutdown",
            "On",
            "ForceOn",
            "GracefulRestart",
            "ForceRestart",
        ],
        reset_listing: Listing::ActionInfo,
        nic_ids: &[],
        sku_is_service_tag: false,
        shows_transitions: true,
        refuses_no_op: false,
        virtual_media: None,
    },
    manager: ManagerModel {
        id: "BMC_0",
        firmware: "GB200Nvl-24.12-8",
        model: "OpenBmc",
        reset_types: &["GracefulRestart", "ForceRestart", "GracefulShutdown"],
        reset_listing: Listing::ActionInfo,
        defaults: Some((Listing::Inline, &["ResetAll"])),
        nic_id: "eth0",
    },
    chassis_id: "BMC_0",
    boot: BootModel {
        targets: &["None", "Pxe", "Hdd", "Cd", "Diags", "BiosSetup", "Usb"],
        usb_target: Some("Usb"),
        enabled: (&["Once", "Continuous", "Disabled"], true),
        settings: Some(SettingsModel {
            segment: "Settings",
            id: "Settings",
            name: "System_0 Pending Settings",
            version: "v1_17_0",
            link_version: "v1_3_5",
            boot: SettingsBoot::Also,
        }),
        ..BootModel::PLAIN
    },
    slots: &[SlotModel { takes: Takes::Nothing, ..slot("Slot_0") }, slot("USB1"), slot("USB2")],
    media: MediaModel {
        order: Some((SlotView::Manager, &["Slot_0", "USB2", "USB1"])),
        insert_parameters: &[
            "Image",
            "Inserted",
            "WriteProtected",
            "TransferMethod",
            "TransferProtocolType",
            "UserName",
            "Password",
        ],
        schemes: &["https", "smb"],
        protocols: &["CIFS", "HTTPS"],
        inserted_must_be_true: true,
        probe: Probe::HeadThenRange(16 * 1024),
        refuses_empty_eject: true,
        ..MediaModel::PLAIN
    },
    extras: &[
        Extra {
            path: "/redfish/v1/Systems/HGX_Baseboard_0",
            member_of: Some(MemberOf::Systems),
            body: Some(baseboard),
        },
        Extra {
            path: "/redfish/v1/Managers/HGX_BMC_0",
            member_of: Some(MemberOf::Managers),
            body: Some(baseboard_manager),
        },
        Extra {
            path: "/redfish/v1/Chassis/HGX_Chassis_0",
            member_of: Some(MemberOf::Chassis),
            body: Some(baseboard_chassis),
        },
    ],
    sessions: SessionModel {
        max: 64,
        timeout: Duration::from_secs(1800),
        shown_timeout: 1800,
        ids: SessionIds::Random(10),
        absolute_location: false,
        newest_first: false,
        domain: None,
    },
    lockout: None,
    account_id: "root",
    roles: &["Administrator", "Operator", "ReadOnly"],
    errors: ErrorModel {
        base: "Base.1.19",
        oem: "OpenBMC.0.4",
        code: "Base.1.19.GeneralError",
        message: "A general error has occurred. See Resolution for information on how to resolve the error.",
        with_text: true,
    },
    ack: Ack::NoContent,
    patched: Patched::Message,
    timing: Timing {
        power_on: Duration::from_secs(10),
        post: Duration::from_secs(300),
        power_off: Duration::from_secs(8),
        graceful: Duration::from_secs(2),
        insert: Duration::from_secs(5),
        eject: Duration::ZERO,
        settle_after_off: Duration::ZERO,
        stale_after_eject: Duration::ZERO,
        manager_restart: Duration::from_secs(120),
    },
    faults: "",
    decorate,
    refuse: |_| None,
};

const fn slot(id: &'static str) -> SlotModel {
    SlotModel {
        view: SlotView::Manager,
        id,
        name: "Virtual Removable Media",
        media_types: &["CD", "USBStick"],
        idle_write_protected: Some(true),
        ..SlotModel::PLAIN
    }
}

fn decorate(resource: &Resource, view: &View<'_>, map: &mut Map<String, Value>) {
    match resource {
        Resource::Root => {
            map.insert("Vendor".into(), json!("NVIDIA"));
            map.insert("Product".into(), json!("GB200 NVL"));
            map.insert("UUID".into(), json!(view.service_uuid()));
        }
        Resource::System => {
            for unknown in ["Manufacturer", "Model", "SerialNumber", "SKU"] {
                map.remove(unknown);
            }
            map.insert("Name".into(), json!("System_0"));
            map.insert("Description".into(), json!("Computer System"));
            map.insert("BootProgress".into(), json!({"LastState": view.state.progress}));
            remove(map, "Boot", "BootSourceOverrideMode");
        }
        Resource::SystemSettings => remove(map, "Boot", "BootSourceOverrideMode"),
        Resource::Systems | Resource::Managers => {
            map.remove("Description");
        }
        Resource::Manager => {
            map.insert("Name".into(), json!("OpenBmc Manager"));
            map.insert("PowerState".into(), json!("On"));
        }
        Resource::Chassis => {
            map.insert("ChassisType".into(), json!("Component"));
            map.insert("SerialNumber".into(), json!(view.identity.board_serial));
        }
        Resource::Media(_) => {
            map.remove("Description");
        }
        Resource::Account => {
            map.insert("AccountTypes".into(), json!(["Redfish"]));
        }
        Resource::ManagerNic => {
            map.remove("AutoNeg");
            map.remove("FullDuplex");
            remove(map, "Status", "Health");
        }
        Resource::TaskService => remove(map, "Status", "Health"),
        Resource::Slot(place) => empty_slot(view.state.slots[place.slot].medium.is_some(), map),
        _ => {}
    }
}

/// bmcweb leaves out what a slot without an image has no value for.
pub(super) fn empty_slot(inserted: bool, map: &mut Map<String, Value>) {
    map.insert("TransferMethod".into(), json!("Stream"));
    if !inserted {
        for absent in ["Image", "ImageName", "TransferProtocolType"] {
            map.remove(absent);
        }
    }
}

fn remove(map: &mut Map<String, Value>, of: &str, name: &str) {
    if let Some(Value::Object(inner)) = map.get_mut(of) {
        inner.remove(name);
    }
}

fn baseboard(view: &View<'_>) -> Value {
    json!({
        "@odata.type": "#ComputerSystem.v1_22_0.ComputerSystem",
        "Id": "HGX_Baseboard_0",
        "Name": "HGX_Baseboard_0",
        "Description": "Computer System",
        "Manufacturer": "NVIDIA",
        "Model": "GB200 NVL",
        "SerialNumber": view.identity.board_serial,
        "PowerState": view.state.power.shown(false),
        "Status": {"Health": "OK", "State": "Enabled"},
        "SystemType": "Physical",
        "Links": {
            "Chassis": [{"@odata.id": "/redfish/v1/Chassis/HGX_Chassis_0"}],
            "ManagedBy": [{"@odata.id": "/redfish/v1/Managers/HGX_BMC_0"}],
        },
    })
}

fn baseboard_manager(view: &View<'_>) -> Value {
    json!({
        "@odata.type": "#Manager.v1_14_0.Manager",
        "Id": "HGX_BMC_0",
        "Name": "OpenBmc Manager",
        "Description": "Baseboard Management Controller",
        "ManagerType": "BMC",
        "Model": "OpenBmc",
        "FirmwareVersion": "GB200Nvl-24.12-8",
        "DateTime": view.now.strftime("%Y-%m-%dT%H:%M:%S+00:00").to_string(),
        "DateTimeLocalOffset": "+00:00",
        "PowerState": "On",
        "Status": {"Health": "OK", "State": "Enabled"},
        "Links": {
            "ManagerForServers": [{"@odata.id": "/redfish/v1/Systems/HGX_Baseboard_0"}],
            "ManagerForChassis": [{"@odata.id": "/redfish/v1/Chassis/HGX_Chassis_0"}],
            "ManagerInChassis": {"@odata.id": "/redfish/v1/Chassis/HGX_Chassis_0"},
        },
    })
}

fn baseboard_chassis(view: &View<'_>) -> Value {
    json!({
        "@odata.type": "#Chassis.v1_22_0.Chassis",
        "Id": "HGX_Chassis_0",
        "Name": "HGX_Chassis_0",
        "ChassisType": "Module",
        "Manufacturer": "NVIDIA",
        "SerialNumber": view.identity.board_serial,
        "Status": {"Health": "OK", "State": "Enabled"},
        "Links": {
            "ComputerSystems": [{"@odata.id": "/redfish/v1/Systems/HGX_Baseboard_0"}],
            "ManagedBy": [{"@odata.id": "/redfish/v1/Managers/HGX_BMC_0"}],
        },
    })
}
