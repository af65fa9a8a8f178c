// SPDX-License-Identifier: AGPL-3.0-or-later
//! What processes say to each other: controller, task medium, dispatcher, machine.

pub mod permit;
pub mod progress;
pub mod recipe;
pub mod stamp;
pub mod task;
pub mod webhook;
