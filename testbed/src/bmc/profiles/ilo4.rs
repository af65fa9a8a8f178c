// SPDX-License-Identifier: AGPL-3.0-or-later
//! HPE iLO 4 2.55 in a ProLiant DL380 Gen9: images go in and out by the two actions of `Oem.Hp`, or by a PATCH of `Image`.
//!
//! No recording is at hand; the shapes are the recorded iLO 5's where no report says otherwise. Reported, with where:
//!
//! * `HpiLOVirtualMedia.InsertVirtualMedia` takes `Image` and refuses `Inserted` and `WriteProtected`; slot 1 is
//!   the USB stick, slot 2 the CD (fakefish `hpe-gen9-ilo4`; community.general #4839; vendor's `ilorest` examples).
//! * A PATCH of a slot takes `Image`, an address or null, alone or with `Oem.Hp.BootOnNextServerReset` (OpenStack's
//!   proliantutils `ris.py`, which knows no other way; vendor's `oneview-osdeployment` samples). Any other property is
//!   refused as read-only or unknown (vendor's documentation of `ilorest`).
//! * `BootSourceOverrideSupported` in the place of allowable values, and no `BootSourceOverrideMode` (vendor's
//!   `python-proliant-sdk` examples; Ironic `redfish/management.py`).
//! * `GracefulShutdown` is not among the reset types.
//! * `BootOnNextServerReset` below `Oem.Hp`.
//!
//! Not emulated: redirects of paths without a slash at their end, the legacy `links` of collections, RIBCL.

use serde_json::{Map, Value, json};

use super::{
    BootModel, ErrorModel, InsertRoute, ManagerModel, MediaModel, OemMediaActions, Profile, SlotPatch,
    SystemModel, Versions, ilo5,
};
use crate::bmc::errors::{Refusal, Said};
use crate::bmc::resources::View;
use crate::bmc::routes::Resource;

/// The model.
pub static ILO4: Profile = Profile {
    name: "ilo4",
    recording: None,
    redfish_version: "1.0.0",
    versions: Versions {
        service_root: "v1_1_0",
        computer_system: "v1_2_0",
        manager: "v1_1_0",
        chassis: "v1_2_0",
        virtual_media: "v1_0_0",
        ..ilo5::MODEL.versions
    },
    system: SystemModel {
        model: "ProLiant DL380 Gen9",
        reset_types: &["On", "ForceOff", "ForceRestart", "Nmi", "PushPowerButton"],
        nic_ids: &["1", "2", "3", "4"],
        ..ilo5::MODEL.system
    },
    manager: ManagerModel { firmware: "iLO 4 v2.55", model: "iLO 4", ..ilo5::MODEL.manager },
    boot: BootModel {
        targets: &[
            "None",
            "Cd",
            "Hdd",
            "Usb",
            "Utilities",
            "Diags",
            "BiosSetup",
            "Pxe",
            "UefiShell",
            "UefiTarget",
        ],
        modes: &[],
        ..ilo5::MODEL.boot
    },
    media: MediaModel {
        route: InsertRoute::OemPair,
        slot_patch: SlotPatch::Image,
        insert_parameters: &["Image"],
        oem_actions: Some(OemMediaActions {
            vendor: "Hp",
            insert: "HpiLOVirtualMedia.InsertVirtualMedia",
            eject: "HpiLOVirtualMedia.EjectVirtualMedia",
        }),
        ..ilo5::MODEL.media
    },
    errors: ErrorModel { base: "Base.0.10", oem: "iLO.0.10", ..ilo5::MODEL.errors },
    decorate,
    refuse,
    ..ilo5::MODEL
};

fn refuse(refusal: &Refusal) -> Option<Said> {
    match refusal {
        Refusal::PropertyNotWritable { name } | Refusal::PropertyUnknown { name } => Some(
            Said::oem(
                400,
                "PropertyNotWritableOrUnknown",
                "The property %1 is a read-only property and cannot be assigned a value, or not valid for this resource.",
                "Remove the property from the request body and resubmit the request.",
            )
            .with_args([name.clone()]),
        ),
        other => (ilo5::MODEL.refuse)(other),
    }
}

fn decorate(resource: &Resource, view: &View<'_>, map: &mut Map<String, Value>) {
    match resource {
        Resource::Root => {
            map.insert("UUID".into(), json!(view.service_uuid()));
            let oem = json!({"Hp": {
                "@odata.type": "#HpiLOServiceExt.1.0.0.HpiLOServiceExt",
                "Manager": [{"ManagerFirmwareVersion": "2.55", "ManagerType": "iLO 4"}],
            }});
            map.insert("Oem".into(), oem);
        }
        Resource::System => {
            map.insert("BiosVersion".into(), json!("P89 v2.52 (10/25/2017)"));
            if let Some(boot) = map.get_mut("Boot").and_then(Value::as_object_mut) {
                boot.remove("BootSourceOverrideTarget@Redfish.AllowableValues");
                boot.insert("BootSourceOverrideSupported".into(), json!(ILO4.boot.targets));
            }
        }
        Resource::Manager => {
            let oem = json!({"Hp": {
                "@odata.type": "#HpiLO.1.1.0.HpiLO",
                "License": {"LicenseString": "iLO 4 Advanced", "LicenseType": "Perpetual"},
            }});
            map.insert("Oem".into(), oem);
        }
        Resource::Slot(place) => {
            map.remove("ImageName");
            let mut hp = json!({
                "@odata.type": "#HpiLOVirtualMedia.1.0.0.HpiLOVirtualMedia",
                "Actions": view.oem_media_actions(*place),
            });
            if ILO4.slots[place.slot].optical() {
                hp["BootOnNextServerReset"] = json!(view.state.slots[place.slot].boot_next);
            }
            map.insert("Oem".into(), json!({"Hp": hp}));
        }
        _ => {}
    }
}
