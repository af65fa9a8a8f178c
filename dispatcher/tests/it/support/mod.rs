// SPDX-License-Identifier: AGPL-3.0-or-later
//! A controller that says what it is told to, a machine in memory, and the media and disks that tests need.

pub(crate) mod controller;
pub(crate) mod disks;
pub(crate) mod machine;
pub(crate) mod media;
