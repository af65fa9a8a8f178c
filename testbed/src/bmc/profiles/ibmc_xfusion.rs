// SPDX-License-Identifier: AGPL-3.0-or-later
//! xFusion iBMC 3.08.05.85 in a 2288H V7: insertions and ejections are tasks, images come over HTTPS, and the address
//! is shown without its port.
//!
//! Modelled on bootwright's published account of its captures of that BMC (not among our recordings):
//!
//! * System and manager each list `CD`, `USBStick` and `iBMAUSBStick`; both `CD`s are one device, and captured with
//!   actions; the other two take nothing here.
//! * InsertMedia is 202 with a running task and a `Location` that ends in `/Monitor`; over a connected device the task
//!   ends in `Exception` with one object as `Messages`, `ConnectionOccupied`, and for an image that cannot be fetched
//!   with `ConnectionFailed`. EjectMedia is 202 too, and the image is still shown at first.
//! * `TransferProtocolType` is required and one of six; anything else is 400 `ActionParameterValueFormatError`. `http`
//!   is none of them.
//! * A PATCH of a device is 501 `PropertyModificationNotSupported`.
//! * A boot PATCH answers 200 with the system, a reset 200 with a Success message; the reset types of the system and of
//!   its ActionInfo differ by `PowerCycle`; no `ForceOn`.
//! * Weak tags. `TaskMonitor` of a task names another address than `Location`, and nothing is captured there: 404 here.
//!
//! Not captured, and made up: how long things take, identities, what a completed task says, schema versions.
//!
//! Not emulated: the OEM twin `VmmControl`, the manager's SecurityService, licences, certificates.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::{
    Ack, BootModel, ErrorModel, EtagStyle, Listing, ManagerModel, MediaModel, Patched, Preconditions, Probe,
    Profile, SessionIds, SessionModel, SlotModel, SlotPatch, SlotView, SystemModel, Takes, TaskModel, Timing,
    Versions,
};
use crate::bmc::errors::{Refusal, Said};
use crate::bmc::resources::View;
use crate::bmc::routes::Resource;

/// The model.
pub static IBMC_XFUSION: Profile = MODEL;

/// The model, for others to differ from.
pub(super) const MODEL: Profile = Profile {
    name: "ibmc-xfusion",
    recording: None,
    redfish_version: "1.11.0",
    versions: Versions {
        service_root: "v1_5_0",
        computer_system: "v1_13_0",
        manager: "v1_6_0",
        chassis: "v1_10_0",
        virtual_media: "v1_4_0",
        ethernet_interface: "v1_5_0",
        session_service: "v1_1_5",
        session: "v1_1_1",
        account_service: "v1_5_0",
        manager_account: "v1_3_1",
        role: "v1_2_3",
        task_service: "v1_1_3",
        task: "v1_4_1",
        action_info: "v1_1_1",
    },
    odata_context: true,
    etag: EtagStyle::WeakHex8,
    preconditions: Preconditions::NONE,
    system: SystemModel {
        id: "1",
        manufacturer: "XFUSION",
        model: "2288H V7",
        upper_case_uuid: true,
        reset_types: &[
            "On",
            "ForceOff",
            "GracefulShutdown",
            "ForceRestart",
            "Nmi",
            "ForcePowerCycle",
            "PowerCycle",
        ],
        reset_listing: Listing::ActionInfo,
        nic_ids: &["mainboardLOMPort1", "mainboardLOMPort2", "mainboardLOMPort3", "mainboardLOMPort4"],
        sku_is_service_tag: false,
        shows_transitions: false,
        refuses_no_op: false,
        virtual_media: Some(SlotView::System),
    },
    manager: ManagerModel {
        id: "1",
        firmware: "3.08.05.85",
        model: "iBMC",
        reset_types: &["ForceRestart"],
        reset_listing: Listing::Inline,
        defaults: None,
        nic_id: "eth2",
    },
    chassis_id: "1",
    boot: BootModel {
        targets: &["None", "Pxe", "Floppy", "Cd", "Hdd", "BiosSetup"],
        usb_target: Some("Floppy"),
        ..BootModel::PLAIN
    },
    slots: &[
        SlotModel { takes: Takes::Address, media_types: &["CD"], ..slot("CD") },
        SlotModel { media_types: &["USBStick"], ..slot("USBStick") },
        SlotModel { media_types: &["USBStick"], ..slot("iBMAUSBStick") },
    ],
    media: MediaModel {
        slot_patch: SlotPatch::NotImplemented,
        insert_parameters: &["Image", "Inserted", "TransferProtocolType", "UserName", "Password"],
        required_parameters: &["Image", "TransferProtocolType"],
        insert_listing: Listing::ActionInfo,
        schemes: &["https", "nfs", "cifs"],
        protocols: &["Nfs", "Cifs", "https", "NFS", "CIFS", "HTTPS"],
        probe: Probe::Range(4096),
        max_connected: 1,
        hides_port: true,
        tasks: Some(TaskModel { kept: Duration::from_secs(600), messages_is_object: true }),
        ..MediaModel::PLAIN
    },
    extras: &[],
    sessions: SessionModel {
        max: 16,
        timeout: Duration::from_secs(300),
        shown_timeout: 300,
        ids: SessionIds::Random(16),
        absolute_location: false,
        newest_first: false,
        domain: None,
    },
    lockout: Some((5, Duration::from_secs(300))),
    account_id: "2",
    roles: &["Administrator", "Operator", "ReadOnly"],
    errors: ErrorModel {
        base: "Base.1.0",
        oem: "iBMC.1.0",
        code: "Base.1.0.GeneralError",
        message: "A general error has occurred. See ExtendedInfo for more information.",
        with_text: true,
    },
    ack: Ack::Message,
    patched: Patched::Resource,
    timing: Timing {
        power_on: Duration::from_secs(6),
        post: Duration::from_secs(180),
        power_off: Duration::from_secs(6),
        graceful: Duration::from_secs(2),
        insert: Duration::from_secs(12),
        eject: Duration::from_secs(3),
        settle_after_off: Duration::ZERO,
        stale_after_eject: Duration::ZERO,
        manager_restart: Duration::from_secs(180),
    },
    faults: "",
    decorate,
    refuse,
};

const fn slot(id: &'static str) -> SlotModel {
    SlotModel {
        view: SlotView::Manager,
        id,
        name: "VirtualMedia",
        idle_write_protected: Some(true),
        takes: Takes::Nothing,
        both_views: true,
        ..SlotModel::PLAIN
    }
}

fn decorate(resource: &Resource, _view: &View<'_>, map: &mut Map<String, Value>) {
    match resource {
        Resource::Root => {
            map.insert("Vendor".into(), json!("xFusion"));
        }
        Resource::System => {
            let reset = &mut map["Actions"]["#ComputerSystem.Reset"];
            reset["ResetType@Redfish.AllowableValues"] = json!(IBMC_XFUSION.system.reset_types);
        }
        Resource::ResetActionInfo => {
            if let Some(types) = map["Parameters"][0]["AllowableValues"].as_array_mut() {
                types.retain(|kind| kind != "PowerCycle");
            }
        }
        Resource::Slot(_) => {
            map.insert("VerifyCertificate".into(), json!(false));
        }
        _ => {}
    }
}

fn refuse(refusal: &Refusal) -> Option<Said> {
    match refusal {
        Refusal::SlotOccupied { .. } | Refusal::NoMoreConnections => Some(Said::oem(
            400,
            "ConnectionOccupied",
            "The virtual media connection is occupied.",
            "Disconnect the virtual media and try again.",
        )),
        Refusal::MediumUnreachable { .. } | Refusal::MediumNotFound { .. } => Some(Said::oem(
            400,
            "ConnectionFailed",
            "Failed to connect to the virtual media.",
            "Check the image and the path to it, and try again.",
        )),
        Refusal::MediumFormat { .. } => Some(Said::oem(
            400,
            "FileTransferProtocolMismatch",
            "The file transfer protocol does not match the URI.",
            "Use a URI of a protocol that is supported.",
        )),
        Refusal::ParameterMissing { name: "TransferProtocolType", .. }
        | Refusal::ParameterNotInList { name: "TransferProtocolType", .. } => Some(
            Said::base(
                400,
                "ActionParameterValueFormatError",
                "The value for the parameter %1 in the action %2 is of a different format than the parameter can accept.",
                "Correct the value for the parameter in the request body and resubmit the request.",
            )
            .with_args(["TransferProtocolType", "VirtualMedia.InsertMedia"]),
        ),
        Refusal::PatchNotImplemented { name } => Some(
            Said::oem(
                501,
                "PropertyModificationNotSupported",
                "The property %1 cannot be modified.",
                "Do not modify the property.",
            )
            .with_args([name]),
        ),
        _ => None,
    }
}
