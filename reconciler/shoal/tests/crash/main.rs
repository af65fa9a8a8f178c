// SPDX-License-Identifier: AGPL-3.0-or-later
//! The controller as it is run, killed with `kill -9`: before and after every commit of its database, every request
//! that changes something on a BMC, and at random. Repository, database file, HTTP and process are real; machines and
//! BMCs are emulated, and what happened is judged by their logs and disks, not by the controller's word.

mod at_random;
mod damage;
mod every_point;
mod forge;
mod full;
mod judge;
mod machines;
mod names;
mod person;
mod points;
mod power;
mod scene;

use std::io::Write as _;

/// For whoever watches, or looks into what a failed test did.
fn note(text: &str) {
    writeln!(std::io::stderr(), "{text}").expect("stderr");
}
