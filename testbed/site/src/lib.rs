// SPDX-License-Identifier: AGPL-3.0-or-later
//! A site to try Shoal at: one directory with a Git repository, the released binary as controller and command line.
//!
//! # Guarantees
//!
//! * The product is driven by what people have: its command line, Git, HTTP.
//! * Everything listens on loopback and lives in one directory, which is removed unless it was asked for by name.
//! * The controller ends with what started it.
//!
//! # Caveats
//!
//! Machines and their BMCs are the business of `shoal-testbed` and `shoal-testbed-qemu`.

mod api;
mod controller;
mod maintenance_iso;
mod place;
mod program;
mod repository;

pub use api::Peer;
pub use controller::{Addresses, Controller, kill_child};
pub use place::Place;
pub use program::{Programs, Said, example_inventory, measured};
pub use repository::Repository;
