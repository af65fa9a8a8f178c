// SPDX-License-Identifier: AGPL-3.0-or-later
//! Disks that are sparse files: written by a machine, read by whoever wants to check.

mod contents;
mod file;
mod format;
mod old;
mod read_back;
mod table;
mod volume;

pub use contents::RootContents;
pub use file::{DiskFileError, DiskReport, SimulatedDisk};
pub use read_back::{Installed, InstalledPartition, ReadBackError, Seed, digest, read_back};

pub(super) use contents::{PAYLOAD_OFFSET, payload, update_root};
pub(super) use format::{make_file_system, write_fat_file};
pub(super) use read_back::SEED_DIRECTORY;
pub(super) use table::write_table;
pub(super) use volume::Volume;
