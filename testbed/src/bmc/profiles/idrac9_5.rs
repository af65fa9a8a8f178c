// SPDX-License-Identifier: AGPL-3.0-or-later
//! Dell iDRAC9 5.10 in a PowerEdge R740: `Cd` is the physical drive, and one image at a time.
//!
//! No recording is at hand; the shapes are the recorded iDRAC9 6.00's where no report says otherwise. Reported, with
//! where:
//!
//! * `CD` and `RemovableDisk` below the manager and nothing below the system; the second insertion fails, whichever
//!   comes first (iDRAC-Redfish-Scripting #290, #241).
//! * An override of `Cd` starts from the physical drive. The virtual one is named by an import of configuration,
//!   `EID_674_Manager.ImportSystemConfiguration`, which is 202 and a task; it fails over white space between elements
//!   (sushy-oem-idrac `manager.py`; iDRAC-Redfish-Scripting #24, #90). Before 5.00 a task is gone after a minute
//!   (Ironic release notes).
//! * What is in force shows in the attributes that the manager links.
//!
//! Made up: how long an import takes, and the words of a failed one. Of the attributes only four are emulated.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::{
    BootModel, ManagerModel, MediaModel, OwnBoot, Profile, SlotModel, SlotView, SystemModel, idrac9_6,
};
use crate::bmc::resources::View;
use crate::bmc::routes::{Action, Resource};

const IMPORT: &str = "EID_674_Manager.ImportSystemConfiguration";

/// The model.
pub static IDRAC9_5: Profile = Profile {
    name: "idrac9-5",
    recording: None,
    redfish_version: "1.11.0",
    system: SystemModel { model: "PowerEdge R740", virtual_media: None, ..idrac9_6::MODEL.system },
    manager: ManagerModel { firmware: "5.10.50.00", model: "14G Monolithic", ..idrac9_6::MODEL.manager },
    boot: BootModel {
        cd_target: None,
        usb_target: None,
        own: OwnBoot::Import { action: IMPORT, kept: Duration::from_secs(60) },
        ..idrac9_6::MODEL.boot
    },
    slots: &[
        SlotModel {
            view: SlotView::Manager,
            id: "RemovableDisk",
            name: "Virtual Removable Disk",
            media_types: &["USBStick"],
            ..SlotModel::PLAIN
        },
        SlotModel {
            view: SlotView::Manager,
            id: "CD",
            name: "Virtual CD",
            media_types: &["CD", "DVD"],
            ..SlotModel::PLAIN
        },
    ],
    media: MediaModel { order: None, max_connected: 1, ..idrac9_6::MODEL.media },
    decorate,
    ..idrac9_6::MODEL
};

fn decorate(resource: &Resource, view: &View<'_>, map: &mut Map<String, Value>) {
    (idrac9_6::MODEL.decorate)(resource, view, map);
    if *resource != Resource::Manager {
        return;
    }
    map.remove("VirtualMedia@Redfish.Deprecated");
    map["Actions"]["Oem"] = json!({
        "#OemManager.v1_2_0.OemManager#OemManager.ImportSystemConfiguration": view.action(Action::Import),
    });
    if let Some(Value::Object(links)) = map.get_mut("Links") {
        let attributes = json!({"DellAttributes": [view.link(&Resource::Attributes)]});
        links.insert("Oem".into(), json!({"Dell": attributes}));
    }
}
