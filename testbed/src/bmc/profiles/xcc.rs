// SPDX-License-Identifier: AGPL-3.0-or-later
//! Lenovo XClarity Controller 2.83 in a ThinkSystem SR670 V2: media by PATCH, ten slots of which four are of use.
//!
//! From the recording `lenovo`: ids, versions, member order, allowable values (overrides are `Once` or `Disabled`),
//! entity tags, the same ten devices under system and manager, none of them with an action, a `Pending` resource that
//! holds the boot order and no override, `UefiHttp` not listed.
//!
//! From the vendor's documentation and scripts (pubs.lenovo.com `insert_eject_virtual_media_patch`,
//! python-redfish-lenovo `mount_virtual_media.py`): an image is inserted by a PATCH of the member with `Image` and
//! `Inserted`, ejected by `Image` null or `Inserted` false, and answered with the changed resource; `EXT` members
//! alone take an address, `RDOC` is for uploads and `Remote` for the console; every PATCH carries `If-Match`, and one
//! without is refused; four images at once. `Image` without `Inserted` is refused (sushy).
//!
//! Not emulated: OEM resources, licences, jobs, certificates, mounts that answer 202.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::{
    Ack, BootModel, ErrorModel, EtagStyle, InsertRoute, Listing, ManagerModel, MediaModel, Patched,
    Preconditions, Probe, Profile, SessionIds, SessionModel, SettingsBoot, SettingsModel, SlotModel,
    SlotPatch, SlotView, SystemModel, Takes, Timing, Versions,
};
use crate::bmc::errors::{Refusal, Said};
use crate::bmc::resources::View;
use crate::bmc::routes::Resource;

/// The model.
pub static XCC: Profile = MODEL;

/// The model, for others to differ from.
pub(super) const MODEL: Profile = Profile {
    name: "xcc",
    recording: Some("lenovo"),
    redfish_version: "1.15.0",
    versions: Versions {
        service_root: "v1_13_0",
        computer_system: "v1_17_0",
        manager: "v1_14_0",
        chassis: "v1_19_0",
        virtual_media: "v1_5_1",
        ethernet_interface: "v1_8_0",
        session_service: "v1_1_8",
        session: "v1_3_0",
        account_service: "v1_10_0",
        manager_account: "v1_8_0",
        role: "v1_3_0",
        task_service: "v1_2_0",
        task: "v1_5_1",
        action_info: "v1_1_2",
    },
    odata_context: true,
    etag: EtagStyle::StrongHex19,
    preconditions: Preconditions { patch_needs_if_match: true, action_refuses_if_match: false },
    system: SystemModel {
        id: "1",
        manufacturer: "Lenovo",
        model: "ThinkSystem SR670 V2",
        upper_case_uuid: false,
        reset_types: &[
            "On",
            "ForceOff",
            "GracefulShutdown",
            "GracefulRestart",
            "ForceRestart",
            "Nmi",
            "ForceOn",
        ],
        reset_listing: Listing::ActionInfo,
        nic_ids: &["NIC1", "NIC2", "NIC3", "NIC4"],
        sku_is_service_tag: false,
        shows_transitions: false,
        refuses_no_op: false,
        virtual_media: Some(SlotView::System),
    },
    manager: ManagerModel {
        id: "1",
        firmware: "TGBT42S 2.83 2023-07-05",
        model: "Lenovo XClarity Controller",
        reset_types: &["GracefulRestart", "ForceRestart"],
        reset_listing: Listing::ActionInfo,
        defaults: Some((Listing::ActionInfo, &["ResetAll"])),
        nic_id: "NIC",
    },
    chassis_id: "1",
    boot: BootModel {
        targets: &["None", "Pxe", "Cd", "Usb", "Hdd", "BiosSetup", "Diags", "UefiTarget"],
        usb_target: Some("Usb"),
        enabled: (&["Once", "Disabled"], true),
        settings: Some(SettingsModel {
            segment: "Pending",
            id: "Pending",
            name: "Pending",
            version: "v1_17_0",
            link_version: "v1_3_0",
            boot: SettingsBoot::Never,
        }),
        ..BootModel::PLAIN
    },
    slots: &[
        slot("EXT1", Takes::Address),
        slot("EXT2", Takes::Address),
        slot("EXT3", Takes::Address),
        slot("EXT4", Takes::Address),
        slot("Remote1", Takes::Nothing),
        slot("Remote2", Takes::Nothing),
        slot("Remote3", Takes::Nothing),
        slot("Remote4", Takes::Nothing),
        slot("RDOC1", Takes::Nothing),
        slot("RDOC2", Takes::Nothing),
    ],
    media: MediaModel {
        route: InsertRoute::Patch,
        slot_patch: SlotPatch::Media,
        insert_parameters: &[
            "Image",
            "Inserted",
            "WriteProtected",
            "UserName",
            "Password",
            "VerifyCertificate",
            "TransferMethod",
            "TransferProtocolType",
        ],
        schemes: &["http", "https", "nfs", "cifs"],
        probe: Probe::RangeLoop { block: 64 * 1024, limit: 256 * 1024 },
        max_connected: 4,
        ..MediaModel::PLAIN
    },
    extras: &[],
    sessions: SessionModel {
        max: 16,
        timeout: Duration::from_secs(300),
        shown_timeout: 300,
        ids: SessionIds::Counter(28),
        absolute_location: false,
        newest_first: false,
        domain: None,
    },
    lockout: None,
    account_id: "1",
    roles: &["Administrator", "Operator", "ReadOnly"],
    errors: ErrorModel {
        base: "Base.1.12",
        oem: "ExtendedError.1.2",
        code: "Base.1.12.GeneralError",
        message: "A general error has occurred. See ExtendedInfo for more information.",
        with_text: true,
    },
    ack: Ack::NoContent,
    patched: Patched::Resource,
    timing: Timing {
        power_on: Duration::from_secs(6),
        post: Duration::from_secs(180),
        power_off: Duration::from_secs(5),
        graceful: Duration::from_secs(2),
        insert: Duration::from_secs(6),
        eject: Duration::ZERO,
        settle_after_off: Duration::ZERO,
        stale_after_eject: Duration::ZERO,
        manager_restart: Duration::from_secs(120),
    },
    faults: "",
    decorate,
    refuse,
};

pub(super) const fn slot(id: &'static str, takes: Takes) -> SlotModel {
    SlotModel {
        view: SlotView::System,
        id,
        name: "VirtualMedia",
        media_types: &["CD", "DVD", "Floppy", "USBStick"],
        idle_write_protected: Some(true),
        takes,
        both_views: true,
        ..SlotModel::PLAIN
    }
}

fn decorate(resource: &Resource, view: &View<'_>, map: &mut Map<String, Value>) {
    match resource {
        Resource::Root => {
            map.insert("Vendor".into(), json!("Lenovo"));
            map.insert("UUID".into(), json!(view.service_uuid().to_uppercase()));
        }
        Resource::System => {
            map.insert("BiosVersion".into(), json!("U8E122J"));
            map["Actions"]["#ComputerSystem.Reset"]["title"] = json!("Reset");
            // The same types as in the ActionInfo, in another order.
            map["Actions"]["#ComputerSystem.Reset"]["ResetType@Redfish.AllowableValues"] = json!([
                "On",
                "Nmi",
                "GracefulShutdown",
                "GracefulRestart",
                "ForceOn",
                "ForceOff",
                "ForceRestart"
            ]);
            map["Boot"]["UefiTargetBootSourceOverride"] = json!(view.state.boot_override.uefi_target);
        }
        Resource::Manager => {
            let lists = [("Reset", XCC.manager.reset_types), ("ResetToDefaults", &["ResetAll"])];
            for (name, types) in lists {
                let action = &mut map["Actions"][format!("#Manager.{name}")];
                action["title"] = json!(name);
                action["ResetType@Redfish.AllowableValues"] = json!(types);
            }
            map.insert("PowerState".into(), json!("On"));
            map.insert("Status".into(), json!({"State": "Enabled"}));
            if let Some(Value::Object(links)) = map.get_mut("Links") {
                links.remove("ManagerInChassis");
            }
        }
        Resource::ResetActionInfo | Resource::ManagerResetActionInfo => {
            map.insert("Id".into(), json!("Reset"));
        }
        Resource::DefaultsActionInfo => {
            map.insert("Id".into(), json!("ResetToDefaults"));
        }
        Resource::Chassis => {
            map.insert("SerialNumber".into(), json!(view.identity.serial));
            map.insert("SKU".into(), json!(view.identity.sku));
        }
        Resource::Slot(place) => {
            map.insert("UserName".into(), Value::Null);
            map.insert("Password".into(), Value::Null);
            if !XCC.slots[place.slot].id.starts_with("Remote") {
                map.insert("VerifyCertificate".into(), json!(false));
            }
        }
        Resource::Account => {
            map.insert("AccountTypes".into(), json!(["Redfish"]));
        }
        Resource::Session(_) => {
            map.remove("Description");
            map.insert("Password".into(), Value::Null);
            map.insert("SessionType".into(), json!("Redfish"));
        }
        _ => {}
    }
}

fn refuse(refusal: &Refusal) -> Option<Said> {
    match refusal {
        Refusal::MediumFormat { .. } => Some(Said::base(
            400,
            "SourceDoesNotSupportProtocol",
            "The other end of the connection does not support the specified protocol.",
            "Change protocols or URIs.",
        )),
        Refusal::SlotOccupied { .. } | Refusal::NoMoreConnections => Some(Said::base(
            400,
            "ResourceInUse",
            "The change to the requested resource failed because the resource is in use or in transition.",
            "Remove the condition and resubmit the request if the operation failed.",
        )),
        _ => None,
    }
}
