// SPDX-License-Identifier: AGPL-3.0-or-later
//! Dell iDRAC9 6.00 in a PowerEdge R750: two virtual CDs.
//!
//! From the recording `dell`: ids, versions, member order, actions and allowable values. From reports: an ejected
//! image is still shown for a while (Ironic's note on stale `Inserted`), media errors RAC0904, RAC0720,
//! VRM0021 and VRM0009, PSU501 for power actions that change nothing, RAC0218 when sessions run out, only `.iso` and `.img` accepted, two devices at once.
//!
//! Two views of virtual media are different devices, as on the real one: `1` and `2` under the system, `CD` and
//! `RemovableDisk` under the manager.
//!
//! Not emulated: OEM actions of the manager, jobs, attributes, boot options, storage, sensors.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::{
    Ack, BootModel, ErrorModel, EtagStyle, Listing, ManagerModel, MediaModel, Patched, Preconditions, Probe,
    Profile, SessionIds, SessionModel, SlotModel, SlotView, SystemModel, Timing, Versions,
};
use crate::bmc::errors::{Refusal, Said};
use crate::bmc::resources::View;
use crate::bmc::routes::Resource;

/// The model.
pub static IDRAC9_6: Profile = MODEL;

/// The model, for others to differ from.
pub(super) const MODEL: Profile = Profile {
    name: "idrac9-6",
    recording: Some("dell"),
    redfish_version: "1.13.1",
    versions: Versions {
        service_root: "v1_10_0",
        computer_system: "v1_16_0",
        manager: "v1_12_0",
        chassis: "v1_16_0",
        virtual_media: "v1_4_0",
        ethernet_interface: "v1_6_4",
        session_service: "v1_1_8",
        session: "v1_3_0",
        account_service: "v1_9_0",
        manager_account: "v1_8_0",
        role: "v1_3_0",
        task_service: "v1_2_0",
        task: "v1_4_3",
        action_info: "v1_1_2",
    },
    odata_context: true,
    etag: EtagStyle::Decimal,
    preconditions: Preconditions::NONE,
    system: SystemModel {
        id: "System.Embedded.1",
        manufacturer: "Dell Inc.",
        model: "PowerEdge R750",
        upper_case_uuid: false,
        reset_types: &[
            "On",
            "ForceOff",
            "ForceRestart",
            "GracefulRestart",
            "GracefulShutdown",
            "PushPowerButton",
            "Nmi",
            "PowerCycle",
        ],
        reset_listing: Listing::Inline,
        nic_ids: &[
            "NIC.Embedded.1-1-1",
            "NIC.Integrated.1-2-1",
            "NIC.Integrated.1-1-1",
            "NIC.Embedded.2-1-1",
            "NIC.Slot.5-1",
        ],
        sku_is_service_tag: true,
        shows_transitions: true,
        refuses_no_op: true,
        virtual_media: Some(SlotView::System),
    },
    manager: ManagerModel {
        id: "iDRAC.Embedded.1",
        firmware: "6.00.30.00",
        model: "15G Monolithic",
        reset_types: &["GracefulRestart"],
        reset_listing: Listing::Inline,
        defaults: Some((Listing::Inline, &["ResetAll", "PreserveNetworkAndUsers"])),
        nic_id: "NIC.1",
    },
    chassis_id: "System.Embedded.1",
    boot: BootModel {
        targets: &[
            "None",
            "Pxe",
            "Floppy",
            "Cd",
            "Hdd",
            "BiosSetup",
            "Utilities",
            "UefiTarget",
            "SDCard",
            "UefiHttp",
        ],
        cd_target: Some("Cd"),
        usb_target: Some("Floppy"),
        idle_target: "None",
        needs_enabled: false,
        mode_falls_to_legacy: false,
        refused_in_post: false,
        ..BootModel::PLAIN
    },
    slots: &[
        SlotModel {
            view: SlotView::System,
            id: "1",
            name: "VirtualMedia Instance 1",
            media_types: &["CD", "DVD", "USBStick"],
            idle_write_protected: Some(true),
            ..SlotModel::PLAIN
        },
        SlotModel {
            view: SlotView::System,
            id: "2",
            name: "VirtualMedia Instance 2",
            media_types: &["CD", "DVD", "USBStick"],
            idle_write_protected: Some(true),
            ..SlotModel::PLAIN
        },
        SlotModel {
            view: SlotView::Manager,
            id: "CD",
            name: "Virtual CD",
            media_types: &["CD", "DVD"],
            idle_write_protected: None,
            ..SlotModel::PLAIN
        },
        SlotModel {
            view: SlotView::Manager,
            id: "RemovableDisk",
            name: "Virtual Removable Disk",
            media_types: &["USBStick"],
            idle_write_protected: None,
            ..SlotModel::PLAIN
        },
    ],
    media: MediaModel {
        order: Some((SlotView::Manager, &["RemovableDisk", "CD"])),
        insert_parameters: &[
            "Image",
            "Inserted",
            "WriteProtected",
            "TransferMethod",
            "TransferProtocolType",
            "UserName",
            "Password",
        ],
        insert_listing: Listing::Inline,
        extensions: Some(&[".iso", ".img"]),
        plain_urls_only: false,
        probe: Probe::HeadThenRange(64 * 1024),
        read_block: 64 * 1024,
        max_connected: 2,
        refuses_empty_eject: true,
        eject_needs_body: false,
        eject_hidden_when_empty: false,
        empty_image_is_string: false,
        oem_actions: None,
        ..MediaModel::PLAIN
    },
    extras: &[],
    sessions: SessionModel {
        max: 8,
        timeout: Duration::from_secs(1800),
        shown_timeout: 1800,
        ids: SessionIds::Counter(272),
        absolute_location: false,
        newest_first: true,
        domain: None,
    },
    lockout: None,
    account_id: "2",
    roles: &["Administrator", "Operator", "ReadOnly", "None"],
    errors: ErrorModel {
        base: "Base.1.12",
        oem: "IDRAC.2.8",
        code: "Base.1.12.GeneralError",
        message: "A general error has occurred. See ExtendedInfo for more information",
        with_text: true,
    },
    ack: Ack::NoContent,
    patched: Patched::Message,
    timing: Timing {
        power_on: Duration::from_secs(3),
        post: Duration::from_secs(90),
        power_off: Duration::from_secs(6),
        graceful: Duration::from_secs(2),
        insert: Duration::from_secs(4),
        eject: Duration::ZERO,
        settle_after_off: Duration::ZERO,
        stale_after_eject: Duration::from_secs(8),
        manager_restart: Duration::from_secs(150),
    },
    faults: "",
    decorate,
    refuse,
};

fn decorate(resource: &Resource, view: &View<'_>, map: &mut Map<String, Value>) {
    let identity = view.identity;
    match resource {
        Resource::Root => {
            map.insert("Vendor".into(), json!("Dell"));
            map.insert("Product".into(), json!("Integrated Dell Remote Access Controller"));
            let oem = json!({"Dell": {
                "@odata.context": "/redfish/v1/$metadata#DellServiceRoot.DellServiceRoot",
                "@odata.type": "#DellServiceRoot.v1_0_0.DellServiceRoot",
                "IsBranded": 0,
                "ServiceTag": identity.serial,
            }});
            map.insert("Oem".into(), oem);
        }
        Resource::System => {
            map.insert("BiosVersion".into(), json!("1.8.2"));
            map.insert("AssetTag".into(), json!(""));
            map.insert("VirtualMediaConfig".into(), json!({"ServiceEnabled": true}));
            if let Some(boot) = map.get_mut("Boot").and_then(Value::as_object_mut) {
                boot.insert(
                    "UefiTargetBootSourceOverride".into(),
                    json!(view.state.boot_override.uefi_target),
                );
            }
        }
        Resource::Manager => {
            map.insert("TimeZoneName".into(), json!("CST6CDT"));
            map.insert("PowerState".into(), json!("On"));
            map.insert(
                "VirtualMedia@Redfish.Deprecated".into(),
                json!("Please migrate to use /redfish/v1/Systems/System.Embedded.1/VirtualMedia"),
            );
        }
        Resource::Chassis => {
            map.insert("SKU".into(), json!(identity.serial));
            map.insert("SerialNumber".into(), json!(identity.board_serial));
            map.insert("UUID".into(), json!(view.uuid(identity.uuid)));
        }
        Resource::Slot(_) => {
            map.insert("UserName".into(), Value::Null);
            map.insert("Password".into(), Value::Null);
        }
        Resource::AccountService => {
            map.insert("Id".into(), json!("RemoteAccountService"));
        }
        Resource::Account => {
            map.insert("AccountTypes".into(), json!(["Redfish"]));
        }
        Resource::Session(_) => {
            map.insert("Password".into(), Value::Null);
            map.insert("SessionType".into(), json!("Redfish"));
        }
        _ => {}
    }
}

fn refuse(refusal: &Refusal) -> Option<Said> {
    match refusal {
        Refusal::SessionLimit => Some(Said::oem(
            503,
            "RAC0218",
            "The maximum number of user sessions is reached.",
            "Close a session and retry the operation.",
        )),
        Refusal::MediumUnreachable { .. } => Some(Said::oem(
            500,
            "RAC0904",
            "The remote file location is not accessible or reachable.",
            "Confirm that the path and credentials to remote file are correct, and check that the iDRAC can connect to \
             the network address.",
        )),
        Refusal::MediumNotFound { .. } | Refusal::MediumFormat { .. } => Some(Said::oem(
            500,
            "RAC0720",
            "Unable to locate the ISO or IMG image file or folder in the network share location because the file or \
             folder path or the user credentials entered are incorrect.",
            "Enter the correct path to the image and retry the operation.",
        )),
        Refusal::SlotOccupied { .. } | Refusal::NoMoreConnections => Some(Said::oem(
            500,
            "VRM0021",
            "Virtual Media is detached or Virtual Media devices are already in use.",
            "Detach the medium that is attached and retry the operation.",
        )),
        // The same id for both directions, as recorded in reports.
        Refusal::PowerConflict { power, .. } => Some(Said::oem(
            409,
            "PSU501",
            if *power == "Off" { "Server is already powered OFF." } else { "Server is already powered ON." },
            "No response action is required.",
        )),
        // To an import; as reported (iDRAC-Redfish-Scripting #116).
        Refusal::ConfigurationPending => Some(Said::oem(
            400,
            "LC068",
            "Unable to perform the import or export operation because there are pending attribute changes or a \
             configuration job is in progress.",
            "Apply or cancel any pending attribute changes, or wait for the job to end, and retry the operation.",
        )),
        Refusal::NotReady => Some(Said::oem(
            503,
            "SYS518",
            "iDRAC is currently unable to display any information because data sources are unavailable.",
            "Wait for a few minutes and retry the operation.",
        )),
        Refusal::Unlicensed => Some(Said::oem(
            403,
            "LIC501",
            "A required license is missing or expired.",
            "Obtain an appropriate license and try again, or contact your service provider for additional details.",
        )),
        Refusal::NothingInserted { .. } => Some(Said::oem(
            500,
            "VRM0009",
            "No Virtual Media devices are currently connected.",
            "No response action is required.",
        )),
        _ => None,
    }
}
