// SPDX-License-Identifier: AGPL-3.0-or-later
//! Dell iDRAC10 1.20 in a PowerEdge R470 (17G): boot overrides in a Settings resource, and a second slot that boots
//! nothing.
//!
//! No recording is at hand; the shapes are iDRAC9's where no report says otherwise. Reported, with where:
//!
//! * Virtual media under the system alone, members listed `2`, `1`, `W/"gen-2"` style tags, `WriteProtected` null in
//!   an empty slot (terraform-provider-redfish #331).
//! * A boot image in slot 2 never boots; it has to be in slot 1 (terraform-provider-redfish #329; Ironic
//!   `drac/boot.py`).
//! * `Boot` of the system is "a read-only property and cannot be assigned a value"; the Settings resource takes it,
//!   and lists the targets (community.general #11297, iDRAC-Redfish-Scripting #324).
//! * Entity tags of the form `W/'gen-1'` (iDRAC-Redfish-Scripting #324).
//! * An action that is sent with `If-Match` is 412, whatever the tag (gofish #510, metal-operator #1015).
//! * `On` just after the machine went off is a passing 409 (Ironic `drac/power.py`).
//! * UEFI only: the mode cannot be changed (libredfish, iDRAC10 support). The firmware's numbers began again at 1.
//!
//! One report contradicts: on an R670 the Settings took the boot order only (libredfish #75). That firmware could not
//! be set up over standard Redfish at all, and is not this one.
//!
//! Not emulated: what iDRAC9's model leaves out.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::{
    BootModel, ErrorModel, EtagStyle, ManagerModel, MediaModel, Preconditions, Profile, SettingsBoot,
    SettingsModel, SlotModel, SlotView, SystemModel, Timing, Versions, idrac9_6,
};
use crate::bmc::resources::View;
use crate::bmc::routes::Resource;

/// The model.
pub static IDRAC10: Profile = Profile {
    name: "idrac10",
    recording: None,
    redfish_version: "1.20.1",
    versions: Versions {
        service_root: "v1_17_0",
        computer_system: "v1_22_1",
        manager: "v1_19_1",
        virtual_media: "v1_6_3",
        ..idrac9_6::MODEL.versions
    },
    etag: EtagStyle::MalformedGeneration,
    preconditions: Preconditions { patch_needs_if_match: false, action_refuses_if_match: true },
    system: SystemModel { model: "PowerEdge R470", ..idrac9_6::MODEL.system },
    manager: ManagerModel { firmware: "1.20.25.00", model: "17G Monolithic", ..idrac9_6::MODEL.manager },
    boot: BootModel {
        modes: &["UEFI"],
        lists_targets: false,
        settings: Some(SettingsModel {
            segment: "Settings",
            id: "System.Embedded.1",
            name: "System",
            version: "v1_22_1",
            link_version: "v1_3_5",
            boot: SettingsBoot::Only { shown_by_system: true },
        }),
        ..idrac9_6::MODEL.boot
    },
    slots: &[
        SlotModel {
            view: SlotView::System,
            id: "1",
            name: "VirtualMedia Instance 1",
            media_types: &["CD", "DVD", "USBStick"],
            ..SlotModel::PLAIN
        },
        SlotModel {
            view: SlotView::System,
            id: "2",
            name: "VirtualMedia Instance 2",
            media_types: &["CD", "DVD", "USBStick"],
            boots: false,
            ..SlotModel::PLAIN
        },
    ],
    media: MediaModel { order: Some((SlotView::System, &["2", "1"])), ..idrac9_6::MODEL.media },
    errors: ErrorModel {
        base: "Base.1.18",
        oem: "IDRAC.2.10",
        code: "Base.1.18.GeneralError",
        ..idrac9_6::MODEL.errors
    },
    timing: Timing { settle_after_off: Duration::from_secs(10), ..idrac9_6::MODEL.timing },
    decorate,
    ..idrac9_6::MODEL
};

fn decorate(resource: &Resource, view: &View<'_>, map: &mut Map<String, Value>) {
    (idrac9_6::MODEL.decorate)(resource, view, map);
    match resource {
        Resource::Manager => {
            map.remove("VirtualMedia@Redfish.Deprecated");
        }
        Resource::Slot(_) => {
            map.insert("VerifyCertificate".into(), json!(false));
        }
        _ => {}
    }
}
