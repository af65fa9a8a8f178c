// SPDX-License-Identifier: AGPL-3.0-or-later
//! An iDRAC9 on its worst day: everything that was ever reported of it, all at once and again and again.
//!
//! The model is [`super::IDRAC9_6`]; what goes wrong is data, in `hostile.yaml` beside this file, with the source of
//! each rule. Beyond that, insertions and ejections answer 202 and a task that is forgotten the moment it ends (iDRAC
//! before 5.00 forgets tasks after a minute; Ironic release notes), and an ejected image is shown for half a minute.
//!
//! Each fault passes: a client that reads what it wrote, tries again and waits gets through.

use std::time::Duration;

use super::{MediaModel, Profile, TaskModel, Timing, idrac9_6};

/// The model.
pub static HOSTILE: Profile = Profile {
    name: "hostile",
    recording: None,
    media: MediaModel {
        tasks: Some(TaskModel { kept: Duration::ZERO, messages_is_object: false }),
        ..idrac9_6::MODEL.media
    },
    timing: Timing {
        eject: Duration::from_secs(3),
        stale_after_eject: Duration::from_secs(30),
        ..idrac9_6::MODEL.timing
    },
    faults: include_str!("hostile.yaml"),
    ..idrac9_6::MODEL
};
