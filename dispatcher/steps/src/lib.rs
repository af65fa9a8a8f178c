// SPDX-License-Identifier: AGPL-3.0-or-later
//! The steps of the Linux workflow in the maintenance OS: partition, image-linux, bootloader-linux, config-drive.
//!
//! # Expected flow
//!
//! Each step reads `/run/provision` ([`provision::Provision`]), proves that the disk is the one that the permit was
//! granted for ([`disk::check`]), and does its work: [`partition::run()`], [`image::run()`], [`bootloader::run()`],
//! [`seed::run()`]. What it asks of the system stands behind three small traits: [`programs::Programs`],
//! [`disk::Machine`] and [`mounts::Mounts`], so that decisions are tested without a disk.
//!
//! # Guarantees
//!
//! * A step that is run again does nothing where its work is done, and begins anew where it was cut short: each has a
//!   mark that is written last.
//! * Nothing of an archive is written outside of the new root, whatever stands in it.
//! * An image counts as installed only when the digest of every byte that came has been verified.
//! * What was mounted is unmounted, whatever happened in between.
//! * No secret enters a log line, an error or `failure.json`.
//!
//! # What it does not do
//!
//! It asks for no permit and talks to nobody but the registry: the dispatcher did the one and does the other.

pub mod bootloader;
pub mod disk;
pub mod failure;
pub mod fat_volume;
pub mod image;
pub mod mounts;
pub mod partition;
pub mod programs;
pub mod progress;
pub mod provision;
pub mod root;
pub mod seed;
pub mod tar_stream;
pub mod unpack;
