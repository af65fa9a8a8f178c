// SPDX-License-Identifier: AGPL-3.0-or-later
//! The disk: whether it is the one that the permit was granted for, and whether nobody uses it.

pub mod check;
pub mod filesystem;
pub mod machine;
pub mod uses;

pub use check::{DiskCheckError, identify, refuse_if_mounted};
pub use filesystem::{FileSystem, probe, probe_node};
pub use machine::{LinuxMachine, Machine};
pub use uses::{Holder, Uses};
