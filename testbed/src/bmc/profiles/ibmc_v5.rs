// SPDX-License-Identifier: AGPL-3.0-or-later
//! Huawei iBMC in a 2288H V5: one action of the maker's connects and disconnects images, and it fails at random.
//!
//! No recording is at hand; the shapes are those of xFusion, which took the line over, where no report says otherwise.
//! From public field notes on a 2288H V5 with iBMC 6.41 and a packet trace of it:
//!
//! * `CD` and `USBStick` below the manager, with empty `Actions`; `VirtualMedia.VmmControl` stands below
//!   `Oem.Huawei` and takes `VmmControlType` and `Image`.
//! * `Connect` is 202 and a task, which ends in `Exception` with `ConnectionFailed` at random, and the same request
//!   works a moment later (a fault, which tests inject); mounting takes 12 to 15 s; over a connected image it ends with `ConnectionOccupied`.
//!   `Disconnect` is over at once.
//! * `http` is `FileTransferProtocolMismatch`.
//! * A login names `Oem.Huawei.Domain`, `LocaliBMC`, and is refused like one with a wrong password without it.
//! * `Cd` once works and goes back by itself; `GracefulShutdown` and `PowerCycle` are listed and refused.
//!
//! Made up: that `https` is taken, as newer firmware does (6.41 takes NFS and CIFS alone, which nothing here can
//! serve), and the number of that firmware.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::{
    InsertRoute, ManagerModel, MediaModel, Profile, SessionModel, SlotModel, SlotPatch, SlotView,
    SystemModel, Takes, TaskModel, Versions, ibmc_xfusion,
};
use crate::bmc::resources::View;
use crate::bmc::routes::{Action, Resource};

/// The model.
pub static IBMC_V5: Profile = Profile {
    name: "ibmc-v5",
    redfish_version: "1.0.2",
    versions: Versions {
        service_root: "v1_1_0",
        computer_system: "v1_2_0",
        manager: "v1_2_0",
        chassis: "v1_2_0",
        virtual_media: "v1_1_0",
        task: "v1_0_2",
        ..ibmc_xfusion::MODEL.versions
    },
    system: SystemModel {
        manufacturer: "Huawei",
        model: "2288H V5",
        nic_ids: &["mainboardLOMPort1", "mainboardLOMPort2"],
        virtual_media: None,
        ..ibmc_xfusion::MODEL.system
    },
    manager: ManagerModel { firmware: "6.85", ..ibmc_xfusion::MODEL.manager },
    slots: &[
        SlotModel { takes: Takes::Address, media_types: &["CD"], ..slot("CD") },
        SlotModel { media_types: &["USBStick"], ..slot("USBStick") },
    ],
    media: MediaModel {
        route: InsertRoute::Control { vendor: "Huawei" },
        slot_patch: SlotPatch::None,
        insert_parameters: &["Image"],
        required_parameters: &["Image"],
        hides_port: false,
        tasks: Some(TaskModel { kept: Duration::from_secs(600), messages_is_object: true }),
        ..ibmc_xfusion::MODEL.media
    },
    sessions: SessionModel { domain: Some(("Huawei", "LocaliBMC")), ..ibmc_xfusion::MODEL.sessions },
    decorate,
    ..ibmc_xfusion::MODEL
};

const fn slot(id: &'static str) -> SlotModel {
    SlotModel { view: SlotView::Manager, id, name: "VirtualMedia", takes: Takes::Nothing, ..SlotModel::PLAIN }
}

fn decorate(resource: &Resource, view: &View<'_>, map: &mut Map<String, Value>) {
    match resource {
        Resource::Root => {
            map.insert("Oem".into(), json!({"Huawei": {"ProductName": IBMC_V5.system.model}}));
        }
        Resource::Slot(place) => {
            map.insert("Actions".into(), json!({}));
            if IBMC_V5.slots[place.slot].takes == Takes::Address {
                let control = view.action(Action::Control { place: *place });
                let actions = json!({"#VirtualMedia.VmmControl": control});
                map.insert("Oem".into(), json!({"Huawei": {"Actions": actions}}));
            }
        }
        Resource::System | Resource::ResetActionInfo => (ibmc_xfusion::MODEL.decorate)(resource, view, map),
        _ => {}
    }
}
