// SPDX-License-Identifier: AGPL-3.0-or-later
//! Fujitsu iRMC S5 in a PRIMERGY RX2530 M5: the boot override stands in a resource of its own.
//!
//! No recording is at hand. From the vendor's provider and samples (fujitsu/terraform-provider-irmc-redfish
//! `resource_virtual_media.go`, `resource_boot_source_override.go`; fujitsu-redfish-samples) and from operators' notes:
//!
//! * Ids: system `0`, manager `iRMC`, slots `0` for a CD and `1` for a disk, below the manager.
//! * `TransferProtocolType` is required; an image of the wrong kind for a slot is refused.
//! * `Systems/0/Oem/ts_fujitsu/BootConfig` takes `BootDevice`, `BootType`, `NextBootOnlyEnabled`; every PATCH carries
//!   `If-Match`, and one without is refused.
//!
//! Made up: that the system's own `Boot` can only be read, times, identities, versions.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::{
    Ack, BootModel, ErrorModel, EtagStyle, Listing, ManagerModel, MediaModel, OwnBoot, Patched,
    Preconditions, Profile, SessionIds, SessionModel, SlotModel, SlotView, SystemModel, Timing, Versions,
};
use crate::bmc::resources::View;
use crate::bmc::routes::Resource;

const VENDOR: &str = "ts_fujitsu";

/// The model.
pub static IRMC_S5: Profile = Profile {
    name: "irmc-s5",
    recording: None,
    redfish_version: "1.6.0",
    versions: Versions {
        service_root: "v1_5_0",
        computer_system: "v1_5_0",
        manager: "v1_5_0",
        chassis: "v1_7_0",
        virtual_media: "v1_2_0",
        ethernet_interface: "v1_4_0",
        session_service: "v1_1_3",
        session: "v1_1_0",
        account_service: "v1_3_1",
        manager_account: "v1_1_3",
        role: "v1_2_1",
        task_service: "v1_1_1",
        task: "v1_4_0",
        action_info: "v1_1_0",
    },
    odata_context: true,
    etag: EtagStyle::Seconds,
    preconditions: Preconditions { patch_needs_if_match: true, action_refuses_if_match: false },
    system: SystemModel {
        id: "0",
        manufacturer: "FUJITSU",
        model: "PRIMERGY RX2530 M5",
        upper_case_uuid: false,
        reset_types: &["On", "ForceOff", "GracefulShutdown", "GracefulRestart", "ForceRestart", "Nmi"],
        reset_listing: Listing::Inline,
        nic_ids: &["0", "1"],
        sku_is_service_tag: false,
        shows_transitions: false,
        refuses_no_op: false,
        virtual_media: None,
    },
    manager: ManagerModel {
        id: "iRMC",
        firmware: "3.37P",
        model: "iRMC S5",
        reset_types: &["GracefulRestart"],
        reset_listing: Listing::Inline,
        defaults: None,
        nic_id: "0",
    },
    chassis_id: "0",
    boot: BootModel {
        targets: &["None", "Pxe", "Floppy", "Cd", "Hdd", "BiosSetup"],
        usb_target: Some("Floppy"),
        own: OwnBoot::Config { vendor: VENDOR },
        ..BootModel::PLAIN
    },
    slots: &[
        SlotModel { media_types: &["CD", "DVD"], ..slot("0", "CD Image") },
        SlotModel { media_types: &["USBStick"], ..slot("1", "HD Image") },
    ],
    media: MediaModel {
        insert_parameters: &["Image", "TransferProtocolType", "UserName", "Password"],
        required_parameters: &["Image", "TransferProtocolType"],
        schemes: &["https", "nfs", "smb"],
        protocols: &["CIFS", "HTTPS", "NFS"],
        ..MediaModel::PLAIN
    },
    extras: &[],
    sessions: SessionModel {
        max: 16,
        timeout: Duration::from_secs(600),
        shown_timeout: 600,
        ids: SessionIds::Random(32),
        absolute_location: false,
        newest_first: false,
        domain: None,
    },
    lockout: None,
    account_id: "2",
    roles: &["Administrator", "Operator", "ReadOnly"],
    errors: ErrorModel {
        base: "Base.1.4",
        oem: "FTSRegistry.1.0",
        code: "Base.1.4.GeneralError",
        message: "A general error has occurred. See ExtendedInfo for more information.",
        with_text: true,
    },
    ack: Ack::NoContent,
    patched: Patched::Resource,
    timing: Timing {
        power_on: Duration::from_secs(8),
        post: Duration::from_secs(150),
        power_off: Duration::from_secs(6),
        graceful: Duration::from_secs(2),
        insert: Duration::from_secs(5),
        eject: Duration::ZERO,
        settle_after_off: Duration::ZERO,
        stale_after_eject: Duration::ZERO,
        manager_restart: Duration::from_secs(180),
    },
    faults: "",
    decorate,
    refuse: |_| None,
};

const fn slot(id: &'static str, name: &'static str) -> SlotModel {
    SlotModel { view: SlotView::Manager, id, name, idle_write_protected: Some(true), ..SlotModel::PLAIN }
}

fn decorate(resource: &Resource, view: &View<'_>, map: &mut Map<String, Value>) {
    match resource {
        Resource::Root => {
            map.insert("Vendor".into(), json!("Fujitsu"));
            map.insert("Oem".into(), json!({VENDOR: {"AutoDiscoveryDescription": "iRMC S5"}}));
        }
        Resource::System => {
            let config = json!({"BootConfig": view.link(&Resource::BootConfig)});
            map.insert("Oem".into(), json!({VENDOR: config}));
        }
        _ => {}
    }
}
