// SPDX-License-Identifier: AGPL-3.0-or-later
//! AMI MegaRAC on an NVIDIA DGX H100: overrides in `/SD` alone and with `If-Match`, an insertion that wants a user,
//! collections with members that are none.
//!
//! Modelled on the public recording `nvidia_viking` of libredfish (not among ours): ids, versions, reset types in an
//! ActionInfo, the system's `Boot` without allowable values and with mode null, `SD` with all of them and mode `UEFI`
//! only, tags that are seconds, two systems and three managers, one of which has another `Id` than its address, a
//! manager that does not link to its system, five wrong passwords that lock for thirty seconds.
//! Reported beyond it, with where:
//!
//! * A PATCH without `If-Match` is refused, and one with a stale tag is 412 (libredfish `nvidia_viking.rs`,
//!   community.general #6434); it answers 204 (pubs.lenovo.com `tsm/patch_systems_instance_sd`, the same firmware).
//! * The system shows nothing of an override that waits: `SD` is what will be, the system what is.
//! * While the machine starts, a PATCH of `SD` is 503 (the same page).
//! * InsertMedia wants `UserName` and `Password`, though the image needs none (sushy, bug 2071945), and does not say
//!   so before.
//! * The slot has no `MediaTypes` (recording of a Gigabyte H262, the same firmware); one CD instance.
//! * A collection lists a member that is not there (nv-redfish `bmc_quirks.rs`).
//!
//! Not emulated: OEM actions, among them those that switch remote media on, which has been done here; the baseboard's
//! own parts.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::{
    Ack, BootModel, ErrorModel, EtagStyle, Extra, Listing, ManagerModel, MediaModel, MemberOf, Patched,
    Preconditions, Probe, Profile, SessionIds, SessionModel, SettingsBoot, SettingsModel, SlotModel,
    SlotView, SystemModel, Timing, Versions,
};
use crate::bmc::errors::{Refusal, Said};
use crate::bmc::resources::View;
use crate::bmc::routes::Resource;
use crate::bmc::state::Enabled;

/// The model.
pub static AMI_DGX: Profile = Profile {
    name: "ami-dgx",
    recording: None,
    redfish_version: "1.11.0",
    versions: Versions {
        service_root: "v1_13_0",
        computer_system: "v1_17_0",
        manager: "v1_14_0",
        chassis: "v1_15_0",
        virtual_media: "v1_5_0",
        ethernet_interface: "v1_6_2",
        session_service: "v1_1_6",
        session: "v1_3_0",
        account_service: "v1_8_0",
        manager_account: "v1_5_0",
        role: "v1_3_0",
        task_service: "v1_1_4",
        task: "v1_4_3",
        action_info: "v1_1_2",
    },
    odata_context: true,
    etag: EtagStyle::Seconds,
    preconditions: Preconditions { patch_needs_if_match: true, action_refuses_if_match: false },
    system: SystemModel {
        id: "DGX",
        manufacturer: "NVIDIA",
        model: "DGXH100",
        upper_case_uuid: false,
        reset_types: &["ForceOff", "ForceRestart", "GracefulShutdown", "On"],
        reset_listing: Listing::ActionInfo,
        nic_ids: &[
            "EthernetInterface0",
            "EthernetInterface1",
            "EthernetInterface2",
            "EthernetInterface3",
            "EthernetInterface4",
        ],
        sku_is_service_tag: false,
        shows_transitions: false,
        refuses_no_op: false,
        virtual_media: None,
    },
    manager: ManagerModel {
        id: "BMC",
        firmware: "23.11.20",
        model: "77171220",
        reset_types: &["ForceRestart"],
        reset_listing: Listing::ActionInfo,
        defaults: Some((Listing::ActionInfo, &["ResetAll", "PreserveNetworkAndUsers", "PreserveNetwork"])),
        nic_id: "eth0",
    },
    chassis_id: "DGX",
    boot: BootModel {
        targets: &[
            "None",
            "Pxe",
            "Floppy",
            "Cd",
            "Usb",
            "Hdd",
            "BiosSetup",
            "Utilities",
            "Diags",
            "UefiShell",
            "UefiTarget",
            "SDCard",
            "UefiHttp",
            "RemoteDrive",
            "UefiBootNext",
        ],
        usb_target: Some("Usb"),
        needs_enabled: true,
        modes: &["UEFI"],
        refused_in_post: true,
        lists_targets: false,
        settings: Some(SettingsModel {
            segment: "SD",
            id: "DGX",
            name: "System",
            version: "v1_17_0",
            link_version: "v1_2_2",
            boot: SettingsBoot::Only { shown_by_system: false },
        }),
        ..BootModel::PLAIN
    },
    slots: &[SlotModel {
        view: SlotView::Manager,
        id: "CD1",
        name: "CD1",
        media_types: &["CD", "DVD"],
        ..SlotModel::PLAIN
    }],
    media: MediaModel {
        insert_parameters: &[
            "Image",
            "Inserted",
            "WriteProtected",
            "TransferMethod",
            "TransferProtocolType",
            "UserName",
            "Password",
        ],
        required_parameters: &["Image", "UserName", "Password"],
        protocols: &["CIFS", "NFS", "HTTP", "HTTPS"],
        probe: Probe::Range(32 * 1024),
        max_connected: 1,
        eject_needs_body: true,
        ..MediaModel::PLAIN
    },
    extras: &[
        Extra {
            path: "/redfish/v1/Systems/HGX_Baseboard_0",
            member_of: Some(MemberOf::Systems),
            body: Some(baseboard),
        },
        Extra { path: "/redfish/v1/Systems/Self", member_of: Some(MemberOf::Systems), body: None },
        Extra {
            path: "/redfish/v1/Managers/HGX_BMC_0",
            member_of: Some(MemberOf::Managers),
            body: Some(baseboard_manager),
        },
        Extra {
            path: "/redfish/v1/Managers/HGX_FabricManager_0",
            member_of: Some(MemberOf::Managers),
            body: Some(fabric_manager),
        },
    ],
    sessions: SessionModel {
        max: 16,
        timeout: Duration::from_secs(30 * 60),
        shown_timeout: 30,
        ids: SessionIds::Random(10),
        absolute_location: false,
        newest_first: false,
        domain: None,
    },
    lockout: Some((5, Duration::from_secs(30))),
    account_id: "2",
    roles: &["Administrator", "Operator", "ReadOnly"],
    errors: ErrorModel {
        base: "Base.1.8",
        oem: "Ami.1.0",
        code: "Base.1.8.GeneralError",
        message: "A general error has occurred. See ExtendedInfo for more information.",
        with_text: true,
    },
    ack: Ack::NoContent,
    patched: Patched::NoContent,
    timing: Timing {
        power_on: Duration::from_secs(8),
        post: Duration::from_secs(300),
        power_off: Duration::from_secs(6),
        graceful: Duration::from_secs(2),
        insert: Duration::from_secs(8),
        eject: Duration::ZERO,
        settle_after_off: Duration::ZERO,
        stale_after_eject: Duration::ZERO,
        manager_restart: Duration::from_secs(180),
    },
    faults: "",
    decorate,
    refuse,
};

fn decorate(resource: &Resource, view: &View<'_>, map: &mut Map<String, Value>) {
    match resource {
        Resource::Root => {
            map.insert("Vendor".into(), json!("AMI"));
            map.insert("Product".into(), json!("AMI Redfish Server"));
            map.insert("UUID".into(), json!(view.service_uuid()));
        }
        Resource::System => {
            map.insert("BiosVersion".into(), json!("1.1.3"));
            map["Boot"]["BootSourceOverrideMode"] = Value::Null;
            map["Boot"]["HttpBootUri"] = Value::Null;
        }
        Resource::SystemSettings => {
            let current = &view.state.boot_override;
            let boot = &mut map["Boot"];
            boot["BootSourceOverrideEnabled@Redfish.AllowableValues"] =
                json!(["Disabled", "Once", "Continuous"]);
            boot["BootSourceOverrideMode@Redfish.AllowableValues"] = json!(["UEFI"]);
            boot["HttpBootUri"] = json!(current.http_uri);
            if current.enabled == Enabled::Disabled {
                boot["BootSourceOverrideMode"] = Value::Null;
            }
            map.insert("SystemType".into(), json!("Physical"));
        }
        Resource::Slot(_) => {
            map.remove("MediaTypes");
        }
        Resource::Manager => {
            // As recorded: the manager does not say whose it is. The systems do.
            if let Some(Value::Object(links)) = map.get_mut("Links") {
                links.remove("ManagerForServers");
                links.remove("ManagerForChassis");
            }
        }
        Resource::ResetActionInfo | Resource::ManagerResetActionInfo => {
            map.insert("Id".into(), json!("ResetAction"));
        }
        Resource::DefaultsActionInfo => {
            map.insert("Id".into(), json!("ResetToDefaultAction"));
        }
        Resource::Account => {
            map.insert("AccountTypes".into(), json!(["Redfish"]));
        }
        Resource::SystemNic(_) => {
            map.remove("SpeedMbps");
        }
        _ => {}
    }
}

fn baseboard(view: &View<'_>) -> Value {
    json!({
        "@odata.type": "#ComputerSystem.v1_17_0.ComputerSystem",
        "Id": "HGX_Baseboard_0",
        "Name": "HGX_Baseboard_0",
        "Description": "Computer System",
        "PowerState": view.state.power.shown(false),
        "SystemType": "Physical",
        "Status": {"Health": "OK", "State": "Enabled"},
        "Links": {"ManagedBy": [{"@odata.id": "/redfish/v1/Managers/HGX_BMC_0"}]},
    })
}

fn baseboard_manager(_view: &View<'_>) -> Value {
    json!({
        "@odata.type": "#Manager.v1_14_0.Manager",
        "Id": "bmc",
        "Name": "OpenBmc Manager",
        "ManagerType": "BMC",
        "Model": "OpenBmc",
        "FirmwareVersion": "HGX-22.10-1-rc67",
        "Status": {"Health": "OK", "State": "Enabled"},
        "Links": {"ManagerForServers": [{"@odata.id": "/redfish/v1/Systems/HGX_Baseboard_0"}]},
    })
}

fn fabric_manager(_view: &View<'_>) -> Value {
    json!({
        "@odata.type": "#Manager.v1_11_0.Manager",
        "Id": "HGX_FabricManager_0",
        "Name": "NVSwitch Fabric Manager",
        "ManagerType": "Service",
        "Status": {"Health": "OK", "State": "Enabled"},
    })
}

fn refuse(refusal: &Refusal) -> Option<Said> {
    match refusal {
        Refusal::SystemInPost { .. } => Some(
            Said::base(
                503,
                "ServiceTemporarilyUnavailable",
                "The service is temporarily unavailable. Retry in %1 seconds.",
                "Wait for the indicated retry duration and retry the operation.",
            )
            .with_args(["60"]),
        ),
        Refusal::ParameterMissing { name: "UserName" | "Password", .. } => Some(Said::base(
            400,
            "ActionParameterMissing",
            "The action VirtualMedia.InsertMedia requires the parameter UserName and Password to be present in the \
             request body.",
            "Supply the action with the required parameter in the request body when the request is resubmitted.",
        )),
        _ => None,
    }
}
