// SPDX-License-Identifier: AGPL-3.0-or-later
//! Supermicro X13 class (recorded on a SYS-821GE-TNHR), with one of its three virtual media slots: a single CD.
//!
//! From the recording `supermicro`: ids, versions, actions, ActionInfo, allowable values, strong entity tags in the
//! body, the system's VirtualMedia link that leads under the manager, EjectMedia missing while a slot is empty.
//!
//! **The one difference on purpose**: the recorded BMC has `VirtualMedia1` to `VirtualMedia3`; this one has
//! `VirtualMedia1` alone. No recording of a BMC with one slot is at hand, and such BMCs are common (older Supermicro,
//! AMI MegaRAC with one CD instance). Everything else is compared with the recording as for the other models.
//!
//! From reports: the virtual CD answers to `UsbCd` and not to `Cd`, though both are listed (sushy's Supermicro notes);
//! a boot PATCH must carry `BootSourceOverrideEnabled`, and the mode falls to Legacy when it is left out (Ironic);
//! URLs with `?` or `=` are refused; three wrong passwords lock the account for thirty seconds (the recorded account
//! service).
//!
//! Not emulated: OEM resources, certificates, dump service, boot options.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::{
    Ack, BootModel, ErrorModel, EtagStyle, Listing, ManagerModel, MediaModel, Patched, Preconditions, Probe,
    Profile, SessionIds, SessionModel, SlotModel, SlotView, SystemModel, Timing, Versions,
};
use crate::bmc::resources::View;
use crate::bmc::routes::Resource;

/// The model.
pub static SMC_X13_SINGLE: Profile = MODEL;

/// The model, for others to differ from.
pub(super) const MODEL: Profile = Profile {
    name: "smc-x13-single",
    recording: Some("supermicro"),
    redfish_version: "1.11.0",
    versions: Versions {
        service_root: "v1_9_0",
        computer_system: "v1_14_0",
        manager: "v1_11_0",
        chassis: "v1_14_0",
        virtual_media: "v1_4_1",
        ethernet_interface: "v1_6_3",
        session_service: "v1_1_7",
        session: "v1_3_0",
        account_service: "v1_7_2",
        manager_account: "v1_6_0",
        role: "v1_2_4",
        task_service: "v1_1_5",
        task: "v1_4_3",
        action_info: "v1_1_2",
    },
    odata_context: false,
    etag: EtagStyle::StrongHex32,
    preconditions: Preconditions::NONE,
    system: SystemModel {
        id: "1",
        manufacturer: "Supermicro",
        model: "SYS-821GE-TNHR",
        upper_case_uuid: true,
        reset_types: &[
            "On",
            "ForceOff",
            "GracefulShutdown",
            "GracefulRestart",
            "ForceRestart",
            "Nmi",
            "ForceOn",
            "PowerCycle",
        ],
        reset_listing: Listing::ActionInfo,
        nic_ids: &["1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "ToManager"],
        sku_is_service_tag: false,
        shows_transitions: true,
        refuses_no_op: false,
        virtual_media: Some(SlotView::Manager),
    },
    manager: ManagerModel {
        id: "1",
        firmware: "11.01.01",
        model: "ASPEED",
        reset_types: &["GracefulRestart"],
        reset_listing: Listing::Inline,
        defaults: Some((Listing::ActionInfo, &["PreserveNetworkAndUsers", "PreserveNetwork"])),
        nic_id: "1",
    },
    chassis_id: "1",
    boot: BootModel {
        targets: &[
            "None",
            "Pxe",
            "Floppy",
            "Cd",
            "Usb",
            "Hdd",
            "BiosSetup",
            "UsbCd",
            "UefiBootNext",
            "UefiHttp",
        ],
        cd_target: Some("UsbCd"),
        usb_target: Some("Usb"),
        idle_target: "None",
        needs_enabled: true,
        mode_falls_to_legacy: true,
        refused_in_post: false,
        ..BootModel::PLAIN
    },
    slots: &[SlotModel {
        view: SlotView::Manager,
        id: "VirtualMedia1",
        name: "Virtual Removable Media",
        media_types: &["CD", "DVD", "Floppy", "USBStick"],
        idle_write_protected: None,
        ..SlotModel::PLAIN
    }],
    media: MediaModel {
        insert_parameters: &[
            "Image",
            "UserName",
            "Password",
            "Inserted",
            "TransferMethod",
            "TransferProtocolType",
            "WriteProtected",
        ],
        insert_listing: Listing::ActionInfo,
        extensions: None,
        plain_urls_only: true,
        probe: Probe::Range(2048),
        read_block: 32 * 1024,
        max_connected: 1,
        refuses_empty_eject: true,
        eject_needs_body: false,
        eject_hidden_when_empty: true,
        empty_image_is_string: false,
        oem_actions: None,
        ..MediaModel::PLAIN
    },
    extras: &[],
    sessions: SessionModel {
        max: 16,
        timeout: Duration::from_secs(300),
        shown_timeout: 300,
        ids: SessionIds::Counter(1),
        absolute_location: false,
        newest_first: true,
        domain: None,
    },
    lockout: Some((3, Duration::from_secs(30))),
    account_id: "2",
    roles: &["Administrator", "Operator", "ReadOnly"],
    errors: ErrorModel {
        base: "Base.1.4",
        oem: "SMC.1.0",
        code: "Base.1.4.GeneralError",
        message: "A general error has occurred. See ExtendedInfo for more information.",
        with_text: true,
    },
    ack: Ack::Message,
    patched: Patched::Message,
    timing: Timing {
        power_on: Duration::from_secs(5),
        post: Duration::from_secs(150),
        power_off: Duration::from_secs(4),
        graceful: Duration::from_secs(1),
        insert: Duration::from_secs(3),
        eject: Duration::ZERO,
        settle_after_off: Duration::ZERO,
        stale_after_eject: Duration::ZERO,
        manager_restart: Duration::from_secs(90),
    },
    faults: "",
    decorate,
    refuse: |_| None,
};

fn decorate(resource: &Resource, view: &View<'_>, map: &mut Map<String, Value>) {
    let identity = view.identity;
    match resource {
        Resource::Root => {
            map.insert("Id".into(), json!("ServiceRoot"));
            map.insert("UUID".into(), json!(view.service_uuid()));
        }
        Resource::System => {
            map.insert("BiosVersion".into(), json!("1.4"));
            map.insert("PartNumber".into(), json!("SYS-821GE-TNHR-02-CI061"));
            map.insert("Description".into(), json!("Description of server"));
            map.insert("VirtualMediaConfig".into(), json!({"ServiceEnabled": true, "Port": 623}));
            map.insert("BootProgress".into(), json!({"LastState": view.state.progress}));
            if let Some(boot) = map.get_mut("Boot").and_then(Value::as_object_mut) {
                boot.insert("BootNext".into(), Value::Null);
            }
        }
        Resource::Manager => {
            map.insert("Description".into(), json!("BMC"));
        }
        Resource::Chassis => {
            map.insert("SerialNumber".into(), json!(identity.board_serial));
            map.insert("PartNumber".into(), json!("CSE-GP801TS-R000NPF"));
        }
        Resource::Slot(_) => {
            map.insert("UserName".into(), Value::Null);
            map.insert("Password".into(), Value::Null);
            map.insert("VerifyCertificate".into(), Value::Null);
        }
        Resource::SystemNic(index) if SMC_X13_SINGLE.system.nic_ids[*index] == "ToManager" => {
            // The USB link to the BMC itself shows no link state.
            map.remove("LinkStatus");
        }
        Resource::Account => {
            map.insert("AccountTypes".into(), json!(["Redfish"]));
        }
        Resource::AccountService => {
            map.insert("AccountLockoutThreshold".into(), json!(3));
            map.insert("AccountLockoutDuration".into(), json!(30));
            map.insert("AccountLockoutCounterResetAfter".into(), json!(30));
        }
        _ => {}
    }
}
