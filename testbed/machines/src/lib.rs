// SPDX-License-Identifier: AGPL-3.0-or-later
//! A site with a QEMU machine in it: from a push to the first boot of the system that the push asked for.
//!
//! # Expected flow
//!
//! [`Artifacts::find`] the maintenance OS and the images → [`Site::start`]: a repository, the released controller
//! with its registry → [`Site::add`] a [`Server`]: a QEMU machine behind an emulated BMC, and its file in the
//! inventory → [`Site::push`] → [`Site::until`] the controller says what is waited for; [`Disk`] looks at what is on
//! the disk.
//!
//! # Guarantees
//!
//! * Machines, controller and everything on disk end with the [`Site`].
//! * The guest reaches the controller through a [`Relay`], at an address that stays when the controller is killed and
//!   started again.

mod artifacts;
mod disk;
mod first_disk;
mod inventory;
mod redfish;
mod relay;
mod server;
mod site;

pub use artifacts::Artifacts;
pub use disk::{Disk, FoundPartition};
pub use inventory::{
    DEBIAN, LAYOUT, LINUX, Os, SEEDLESS, SMALL, SMALL_DISK, SMALL_NEXT, SSH_KEY, UNBOOTABLE, Wanted,
};
pub use redfish::Person;
pub use relay::Relay;
pub use server::Server;
pub use site::{Options, Site};
