// SPDX-License-Identifier: AGPL-3.0-or-later
//! QEMU machines behind the testbed's emulated BMCs: real firmware, real kernels, real disks.
//!
//! # Expected flow
//!
//! [`QemuMachine::start`] makes the machine's files and one QEMU process that stands still. The machine is given to an
//! emulated BMC as its [`shoal_testbed::bmc::Machine`]; from then on Redfish moves it. What the guest says on its
//! serial console is a [`Console`]; what happened is in [`QemuMachine::events`].
//!
//! # Guarantees
//!
//! * One process for the life of the machine. It ends when the last [`QemuMachine`] is dropped, and when the process
//!   that started it is gone, however it went.
//! * Disks, UEFI variables and the console's recording are files in the machine's directory and outlive it.
//! * The guest runs only between a boot that the BMC ordered and what ends it; a reset by the guest goes through the
//!   BMC, so that overrides are honoured as firmware would.
//!
//! # Caveats
//!
//! UEFI only, no network boot, no setup screen: such boots are noted and nothing runs. A BMC that starts with its
//! machine switched on has a machine that stands still until the first reset. A power cut loses what the guest has in
//! memory, not what its disks have acknowledged.

mod command;
mod config;
mod console;
mod driver;
mod drives;
mod loading;
mod log;
mod machine;
mod nbd;
pub mod probe;
mod process;
mod programs;
pub mod qmp;
mod state;

pub use config::{
    Acceleration, CONTROLLER_IN_GUEST, ConfigError, DiskBus, MEMORY_MIB, MediaRoute, Network, VmConfig,
    VmDisk,
};
pub use console::{Console, ConsoleLine};
pub use log::{Route, VmEvent};
pub use machine::{AfterPowerCut, QemuMachine, VmError};
pub use programs::{Missing, Programs};
