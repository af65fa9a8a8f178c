// SPDX-License-Identifier: AGPL-3.0-or-later
//! Supermicro X10 (X10DRT-P): host and path of an image are configured, then mounted, and the CD is there only while
//! something is in it.
//!
//! No recording is at hand; the shapes are the recorded X13's where no report says otherwise. Reported, with where:
//!
//! * The collection is `/redfish/v1/Managers/1/VM1`; it names `CfgCD` below `Oem.Supermicro`, which takes `Host` and
//!   `Path` by PATCH, and `IsoConfig.Mount` and `UnMount` without a body (fakefish `supermicro_scripts`;
//!   badfish `mount_virtual_media`).
//! * `CD1` is a member while an image is mounted and answers nothing otherwise (fakefish; badfish #394).
//! * What was written is taken over seconds later: the scripts wait for three before they mount.
//! * No `BootSourceOverrideMode`; the mode is a part of the target: `UsbCd` starts under Legacy, `UefiUsbCd` under
//!   UEFI. The list of targets is that of published fixtures of an X10DRT-P and an X11.
//! * Without the licence `SFT-OOB-LIC`, `OemLicenseNotPassed` (field notes).

use serde_json::{Map, Value, json};

use super::{
    BootModel, ErrorModel, InsertRoute, Listing, ManagerModel, MediaModel, Profile, SystemModel, Versions,
    smc_x12, smc_x13_single,
};
use crate::bmc::resources::View;
use crate::bmc::routes::Resource;

/// The model.
pub static SMC_X10: Profile = Profile {
    name: "smc-x10",
    recording: None,
    redfish_version: "1.0.1",
    versions: Versions {
        service_root: "v1_1_0",
        computer_system: "v1_3_0",
        manager: "v1_2_0",
        chassis: "v1_2_0",
        virtual_media: "v1_0_0",
        manager_account: "v1_1_0",
        ..smc_x13_single::MODEL.versions
    },
    system: SystemModel {
        model: "X10DRT-P",
        reset_types: &["On", "ForceOff", "GracefulRestart", "ForceRestart", "Nmi", "ForceOn"],
        reset_listing: Listing::Inline,
        nic_ids: &["1", "2"],
        shows_transitions: false,
        virtual_media: None,
        ..smc_x13_single::MODEL.system
    },
    manager: ManagerModel { firmware: "3.88", defaults: None, ..smc_x13_single::MODEL.manager },
    boot: BootModel {
        targets: &[
            "None",
            "Pxe",
            "Hdd",
            "Diags",
            "Cd",
            "BiosSetup",
            "FloppyRemovableMedia",
            "UsbKey",
            "UsbHdd",
            "UsbFloppy",
            "UsbCd",
            "UefiUsbKey",
            "UefiCd",
            "UefiHdd",
            "UefiUsbHdd",
            "UefiUsbCd",
        ],
        cd_target: Some("UefiUsbCd"),
        usb_target: None,
        mode_falls_to_legacy: false,
        modes: &[],
        ..smc_x13_single::MODEL.boot
    },
    slots: smc_x12::ONE_CD,
    media: MediaModel {
        segment: "VM1",
        hides_empty: true,
        route: InsertRoute::Configured,
        insert_parameters: &["Image"],
        insert_listing: Listing::Inline,
        refuses_empty_eject: false,
        ..smc_x13_single::MODEL.media
    },
    errors: ErrorModel {
        base: "Base.1.0.0",
        oem: "Base.1.0.0",
        code: "Base.1.0.0.GeneralError",
        ..smc_x13_single::MODEL.errors
    },
    decorate,
    refuse: smc_x12::refuse,
    ..smc_x13_single::MODEL
};

fn decorate(resource: &Resource, view: &View<'_>, map: &mut Map<String, Value>) {
    match resource {
        Resource::System => {
            map.insert("BiosVersion".into(), json!("3.2"));
        }
        Resource::Manager => {
            map.insert("Description".into(), json!("BMC"));
        }
        Resource::Media(_) => {
            let config = json!({"VirtualMediaConfig": view.link(&Resource::IsoConfig)});
            map.insert("Oem".into(), json!({"Supermicro": config}));
        }
        Resource::AccountService => (smc_x13_single::MODEL.decorate)(resource, view, map),
        _ => {}
    }
}
