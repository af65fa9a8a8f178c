// SPDX-License-Identifier: AGPL-3.0-or-later
//! HPE iLO 5 2.72 in a ProLiant DL385 Gen10 Plus v2: one virtual CD and one virtual USB stick.
//!
//! From the recording `hpe`: ids, versions, member order, actions and allowable values; weak entity tags; virtual
//! media under the manager alone. From the message registry and reports: EjectMedia without a JSON body is 415;
//! `UnableToModifyDuringSystemPOST` while the machine boots; `InvalidOperationForSystemState` for power actions that
//! make no sense; `MaxVirtualMediaConnectionEstablished` for an occupied slot; messages carry id and arguments only;
//! `SessionTimeout` says 30 and means minutes; `BootOnNextServerReset` boots the CD at the next reset and ejects it at
//! the one after.
//!
//! Not emulated: OEM actions of system and manager, OEM resources beside the licence text, boot options.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::{
    Ack, BootModel, ErrorModel, EtagStyle, Listing, ManagerModel, MediaModel, OemMediaActions, Patched,
    Preconditions, Probe, Profile, SessionIds, SessionModel, SlotModel, SlotPatch, SlotView, SystemModel,
    Timing, Versions,
};
use crate::bmc::errors::{Refusal, Said};
use crate::bmc::resources::View;
use crate::bmc::routes::Resource;

/// The model.
pub static ILO5: Profile = MODEL;

/// The model, for others to differ from.
pub(super) const MODEL: Profile = Profile {
    name: "ilo5",
    recording: Some("hpe"),
    redfish_version: "1.6.0",
    versions: Versions {
        service_root: "v1_5_1",
        computer_system: "v1_13_0",
        manager: "v1_5_1",
        chassis: "v1_11_2",
        virtual_media: "v1_3_0",
        ethernet_interface: "v1_4_1",
        session_service: "v1_0_0",
        session: "v1_0_0",
        account_service: "v1_5_0",
        manager_account: "v1_3_0",
        role: "v1_2_1",
        task_service: "v1_1_1",
        task: "v1_4_3",
        action_info: "v1_1_2",
    },
    odata_context: true,
    etag: EtagStyle::WeakHex8,
    preconditions: Preconditions::NONE,
    system: SystemModel {
        id: "1",
        manufacturer: "HPE",
        model: "ProLiant DL385 Gen10 Plus v2",
        upper_case_uuid: true,
        reset_types: &[
            "On",
            "ForceOff",
            "GracefulShutdown",
            "ForceRestart",
            "Nmi",
            "PushPowerButton",
            "GracefulRestart",
        ],
        reset_listing: Listing::Inline,
        nic_ids: &["1", "2", "3", "4", "5", "6", "7"],
        sku_is_service_tag: false,
        shows_transitions: false,
        refuses_no_op: true,
        virtual_media: None,
    },
    manager: ManagerModel {
        id: "1",
        firmware: "iLO 5 v2.72",
        model: "iLO 5",
        reset_types: &["ForceRestart", "GracefulRestart"],
        reset_listing: Listing::Inline,
        defaults: None,
        nic_id: "1",
    },
    chassis_id: "1",
    boot: BootModel {
        targets: &[
            "None",
            "Cd",
            "Hdd",
            "Usb",
            "SDCard",
            "Utilities",
            "Diags",
            "BiosSetup",
            "Pxe",
            "UefiShell",
            "UefiHttp",
            "UefiTarget",
        ],
        cd_target: Some("Cd"),
        usb_target: Some("Usb"),
        idle_target: "None",
        needs_enabled: false,
        mode_falls_to_legacy: false,
        refused_in_post: true,
        ..BootModel::PLAIN
    },
    slots: &[
        SlotModel {
            view: SlotView::Manager,
            id: "1",
            name: "VirtualMedia",
            media_types: &["Floppy", "USBStick"],
            idle_write_protected: Some(true),
            ..SlotModel::PLAIN
        },
        SlotModel {
            view: SlotView::Manager,
            id: "2",
            name: "VirtualMedia",
            media_types: &["CD", "DVD"],
            idle_write_protected: Some(true),
            ..SlotModel::PLAIN
        },
    ],
    media: MediaModel {
        insert_parameters: &[
            "Image",
            "Inserted",
            "WriteProtected",
            "TransferProtocolType",
            "UserName",
            "Password",
        ],
        insert_listing: Listing::Inline,
        extensions: None,
        plain_urls_only: false,
        probe: Probe::RangeLoop { block: 128 * 1024, limit: 1024 * 1024 },
        read_block: 128 * 1024,
        max_connected: 2,
        refuses_empty_eject: false,
        eject_needs_body: true,
        eject_hidden_when_empty: false,
        empty_image_is_string: true,
        oem_actions: Some(OemMediaActions {
            vendor: "Hpe",
            insert: "HpeiLOVirtualMedia.InsertVirtualMedia",
            eject: "HpeiLOVirtualMedia.EjectVirtualMedia",
        }),
        slot_patch: SlotPatch::BootOnNextReset,
        ..MediaModel::PLAIN
    },
    extras: &[],
    sessions: SessionModel {
        max: 13,
        timeout: Duration::from_secs(30 * 60),
        shown_timeout: 30,
        ids: SessionIds::UserHex,
        absolute_location: true,
        newest_first: false,
        domain: None,
    },
    lockout: None,
    account_id: "1",
    roles: &["Administrator", "Operator", "ReadOnly"],
    errors: ErrorModel {
        base: "Base.1.4",
        oem: "iLO.2.18",
        code: "iLO.0.10.ExtendedInfo",
        message: "See @Message.ExtendedInfo for more information.",
        with_text: false,
    },
    ack: Ack::Message,
    patched: Patched::Message,
    timing: Timing {
        power_on: Duration::from_secs(2),
        post: Duration::from_secs(120),
        power_off: Duration::from_secs(5),
        graceful: Duration::from_secs(1),
        insert: Duration::from_secs(1),
        eject: Duration::ZERO,
        settle_after_off: Duration::ZERO,
        stale_after_eject: Duration::ZERO,
        manager_restart: Duration::from_secs(60),
    },
    faults: "",
    decorate,
    refuse,
};

fn decorate(resource: &Resource, view: &View<'_>, map: &mut Map<String, Value>) {
    match resource {
        Resource::Root => {
            map.insert("Vendor".into(), json!("HPE"));
            map.insert("Product".into(), json!(ILO5.system.model));
            map.insert("UUID".into(), json!(view.service_uuid()));
            let oem = json!({"Hpe": {
                "@odata.context": "/redfish/v1/$metadata#HpeiLOServiceExt.HpeiLOServiceExt",
                "@odata.type": "#HpeiLOServiceExt.v2_4_0.HpeiLOServiceExt",
                "Manager": [{"ManagerFirmwareVersion": "2.72", "ManagerType": "iLO 5", "Status": {"Health": "OK"}}],
            }});
            map.insert("Oem".into(), oem);
        }
        Resource::System => {
            map.insert("BiosVersion".into(), json!("A42 v2.60 (08/11/2022)"));
            map.insert("AssetTag".into(), json!(""));
            let oem = json!({"Hpe": {
                "@odata.context": "/redfish/v1/$metadata#HpeComputerSystemExt.HpeComputerSystemExt",
                "@odata.type": "#HpeComputerSystemExt.v2_12_0.HpeComputerSystemExt",
                "PostState": post_state(view),
            }});
            map.insert("Oem".into(), oem);
            if let Some(boot) = map.get_mut("Boot").and_then(Value::as_object_mut) {
                let target = view.state.boot_override.uefi_target.as_deref().unwrap_or("None");
                boot.insert("UefiTargetBootSourceOverride".into(), json!(target));
            }
        }
        Resource::Manager => {
            map.insert(
                "Oem".into(),
                json!({"Hpe": {
                    "@odata.context": "/redfish/v1/$metadata#HpeiLO.HpeiLO",
                    "@odata.type": "#HpeiLO.v2_8_1.HpeiLO",
                    "License": {"LicenseString": "iLO Advanced", "LicenseType": "Perpetual"},
                }}),
            );
        }
        Resource::Chassis => {
            map.insert("SKU".into(), json!(view.identity.sku));
            map.insert("SerialNumber".into(), json!(view.identity.serial));
        }
        Resource::Slot(place) => {
            let index = &place.slot;
            // This schema version has no names and no transfer properties on the member.
            for absent in ["ImageName", "TransferMethod", "TransferProtocolType"] {
                map.remove(absent);
            }
            let mut hpe = json!({
                "@odata.context": "/redfish/v1/$metadata#HpeiLOVirtualMedia.HpeiLOVirtualMedia",
                "@odata.type": "#HpeiLOVirtualMedia.v2_2_0.HpeiLOVirtualMedia",
                "Actions": view.oem_media_actions(*place),
            });
            if ILO5.slots[*index].optical() {
                hpe["BootOnNextServerReset"] = json!(view.state.slots[*index].boot_next);
            }
            map.insert("Oem".into(), json!({"Hpe": hpe}));
        }
        Resource::Sessions => {
            map.insert("Description".into(), json!("Manager User Sessions"));
        }
        Resource::Session(_) => {
            map.insert(
                "Oem".into(),
                json!({"Hpe": {
                    "@odata.context": "/redfish/v1/$metadata#HpeiLOSession.HpeiLOSession",
                    "@odata.type": "#HpeiLOSession.v2_1_0.HpeiLOSession",
                    "UserTag": "REST",
                    "UserType": "Local",
                }}),
            );
        }
        _ => {}
    }
}

/// `Oem.Hpe.PostState`, by which clients tell POST from a running system.
fn post_state(view: &View<'_>) -> &'static str {
    match (view.state.power.shown(false), view.state.in_post) {
        ("Off", _) => "PowerOff",
        (_, true) => "InPost",
        (_, false) => "FinishedPost",
    }
}

fn refuse(refusal: &Refusal) -> Option<Said> {
    match refusal {
        Refusal::SystemInPost { property } => Some(
            Said::oem(
                400,
                "UnableToModifyDuringSystemPOST",
                "The value for property %1 cannot be changed while the computer system BIOS is in POST.",
                "After the computer system is either fully booted or powered off, retry the operation.",
            )
            .with_args([*property]),
        ),
        Refusal::PowerConflict { power, .. } => Some(
            Said::oem(
                400,
                "InvalidOperationForSystemState",
                "The operation was not successful due to the current power state.",
                "Verify that the system is in the correct power state, and then retry the operation.",
            )
            .with_args([if *power == "Off" { "Power is off" } else { "Power is on" }]),
        ),
        Refusal::SlotOccupied { .. } | Refusal::NoMoreConnections => Some(Said::oem(
            400,
            "MaxVirtualMediaConnectionEstablished",
            "No more Virtual Media connections are available, because the maximum number of connections are already \
             established.",
            "Close an established Virtual Media connection, and then retry creating or opening another connection.",
        )),
        Refusal::Unlicensed => Some(Said::oem(
            403,
            "LicenseKeyRequired",
            "A license key is required to use this operation or feature.",
            "Ensure that an appropriate license is installed, and then retry the operation.",
        )),
        Refusal::MediaDisabled => Some(Said::oem(
            400,
            "VirtualMediaIsDisabled",
            "Virtual Media has been disabled in the BMC.",
            "Enable Virtual Media to perform this operation.",
        )),
        Refusal::NotReady => Some(Said::oem(
            503,
            "ServiceTemporarilyUnavailable",
            "The service is temporarily unavailable.",
            "Retry the operation later.",
        )),
        _ => None,
    }
}
