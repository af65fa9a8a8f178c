// SPDX-License-Identifier: AGPL-3.0-or-later
//! Lenovo XCC3 in a ThinkSystem SR650 V4: the PATCH of a slot is answered 202 and a task.
//!
//! No recording is at hand; the shapes are the recorded XCC's where no report says otherwise. From the vendor's
//! documentation and scripts (pubs.lenovo.com `xcc3-restapi`, python-redfish-lenovo `mount_virtual_media.py`, the branch
//! for V4): slots stand below the system alone, `http` and `https` are taken, a mount may answer 202 and is followed by
//! its task.
//!
//! Made up: what the task says, how long it takes, firmware.

use std::time::Duration;

use super::{ManagerModel, MediaModel, Profile, SlotModel, SystemModel, Takes, TaskModel, Timing, xcc};

/// The model.
pub static XCC3: Profile = Profile {
    name: "xcc3",
    recording: None,
    redfish_version: "1.17.0",
    system: SystemModel { model: "ThinkSystem SR650 V4", ..xcc::MODEL.system },
    manager: ManagerModel {
        firmware: "IHX305X 1.20",
        model: "Lenovo XClarity Controller 3",
        ..xcc::MODEL.manager
    },
    slots: &[
        slot("EXT1", Takes::Address),
        slot("EXT2", Takes::Address),
        slot("EXT3", Takes::Address),
        slot("EXT4", Takes::Address),
        slot("RDOC1", Takes::Nothing),
        slot("RDOC2", Takes::Nothing),
    ],
    media: MediaModel {
        tasks: Some(TaskModel { kept: Duration::from_secs(600), messages_is_object: false }),
        ..xcc::MODEL.media
    },
    timing: Timing { eject: Duration::from_secs(2), ..xcc::MODEL.timing },
    ..xcc::MODEL
};

/// As an XCC's, below the system alone.
const fn slot(id: &'static str, takes: Takes) -> SlotModel {
    SlotModel { both_views: false, ..xcc::slot(id, takes) }
}
