// SPDX-License-Identifier: AGPL-3.0-or-later
//! Simulated machines behind emulated BMCs: driven over Redfish, installed from media over HTTP ranges, with a small
//! controller that grants permits and takes webhooks.

mod bench;
mod controller;

mod disks;
mod install;
mod mishaps;
mod models;
mod network;
