// SPDX-License-Identifier: AGPL-3.0-or-later
//! Simulated machines: what stands behind an emulated BMC when there is no hardware and no time for QEMU.
//!
//! # What it is
//!
//! [`SimulatedMachine`] is a [`Machine`](crate::bmc::Machine). When firmware hands over to a virtual CD it reads that
//! medium through its BMC with range requests, finds the task, and runs **the dispatcher's own code** on it: identity,
//! permit over real HTTP or pinned TLS, files for the steps. It then installs for real onto a disk that is a sparse
//! file: a partition table, FAT volumes, contents, and last of all the stamp. Handed over to its disk it runs what it
//! finds there.
//!
//! # Guarantees
//!
//! * No write reaches a disk file before the dispatcher handed over, and none after the boot that asked for it ended.
//! * The same task on the same disk gives the same bytes, whatever the time and the host are.
//! * Everything that happened is in [`MachineReport`], together with what went wrong on purpose.
//! * Faults are data ([`MachineBehaviour`]); none is fired unless it is asked for.
//!
//! # What it does not do
//!
//! No kernel runs and no image is pulled: the root file system holds a marker of what was asked for instead of the
//! image's files. Software inside the machine cannot be tested here; that is what QEMU machines are for.

mod behaviour;
mod boot;
mod config;
mod disk;
mod host;
mod http_boot;
mod log;
mod maintenance;
mod media;
mod network;
mod simulated;
mod steps;
mod trip;

pub use behaviour::{
    BehaviourError, BootFrom, Identified, MachineBehaviour, MachineFault, Mishap, OldContents, Stage,
};
pub use config::{AfterInstall, BootReads, MachineConfig, MachineError, Timing};
pub use disk::{
    DiskFileError, DiskReport, Installed, InstalledPartition, ReadBackError, RootContents, Seed,
    SimulatedDisk, digest, read_back,
};
pub use log::{Happening, MachineEvent, MachineReport, Running};
pub use simulated::SimulatedMachine;
