// SPDX-License-Identifier: AGPL-3.0-or-later
//! Lenovo XClarity Controller 1.80 in a ThinkSystem SR650: an image is put on a list, and the list is mounted.
//!
//! No recording is at hand; the shapes are the recorded XCC's, which still has the service, where no report says
//! otherwise. From the vendor's scripts (python-redfish-lenovo `lenovo_mount_virtual_media.py` and its counterpart, the
//! branch for 18D) and an operator's notes:
//!
//! * `Managers/1/Oem/Lenovo/RemoteMap` with `MountImages`, to which an image is POSTed with `FilePath` and `Type`, and the
//!   actions `Mount` and `UMount` over all of them; `Mounted` tells which are.
//! * Members of `VirtualMedia` are there only while something is mounted, below the manager alone.
//!
//! Made up: that images stay on the list when they are unmounted, and go by DELETE; ids; times. Not emulated: more than one
//! image mounted at a time, where the real one mounts four; uploads (RDOC).

use serde_json::{Map, Value, json};

use super::{
    InsertRoute, ManagerModel, MediaModel, Preconditions, Profile, SlotModel, SlotPatch, SlotView,
    SystemModel, Takes, Versions, xcc,
};
use crate::bmc::resources::View;
use crate::bmc::routes::Resource;

/// The model.
pub static XCC_18D: Profile = Profile {
    name: "xcc-18d",
    recording: None,
    redfish_version: "1.2.0",
    versions: Versions { virtual_media: "v1_1_0", ..xcc::MODEL.versions },
    preconditions: Preconditions::NONE,
    system: SystemModel { model: "ThinkSystem SR650", virtual_media: None, ..xcc::MODEL.system },
    manager: ManagerModel { firmware: "CDI328N 1.80", ..xcc::MODEL.manager },
    slots: &[SlotModel {
        view: SlotView::Manager,
        id: "1",
        both_views: false,
        ..xcc::slot("", Takes::Address)
    }],
    media: MediaModel {
        route: InsertRoute::Listed,
        slot_patch: SlotPatch::None,
        hides_empty: true,
        insert_parameters: &["Image"],
        schemes: &["http"],
        max_connected: 1,
        ..xcc::MODEL.media
    },
    decorate,
    ..xcc::MODEL
};

fn decorate(resource: &Resource, view: &View<'_>, map: &mut Map<String, Value>) {
    match resource {
        Resource::Manager => {
            (xcc::MODEL.decorate)(resource, view, map);
            let lenovo = json!({"RemoteMap": view.link(&Resource::RemoteMap)});
            map.insert("Oem".into(), json!({"Lenovo": lenovo}));
        }
        Resource::Slot(_) => {}
        _ => (xcc::MODEL.decorate)(resource, view, map),
    }
}
