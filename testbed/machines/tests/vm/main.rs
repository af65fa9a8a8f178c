// SPDX-License-Identifier: AGPL-3.0-or-later
//! Real machines from a push to their first boot. They take minutes and are asked for with `SHOAL_REQUIRE_E2E=1`.

mod failures;
mod faults;
mod install;
mod old_system;
mod rungs;
mod story;
mod used_disk;
mod whole_disk;
mod world;
