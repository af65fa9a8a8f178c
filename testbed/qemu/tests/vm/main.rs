// SPDX-License-Identifier: AGPL-3.0-or-later
//! Machines in QEMU behind emulated BMCs, moved by Redfish over HTTPS.
//!
//! They need QEMU, its firmware, GRUB's modules and xorriso. Where one is missing they are skipped and say so, unless
//! `SHOAL_REQUIRE_E2E=1` asks for them. Each boot is five seconds of work for one processor; they run one at a time.

mod boots;
mod firmware;
mod guest;
mod images;
mod mishaps;
mod process;
mod world;
