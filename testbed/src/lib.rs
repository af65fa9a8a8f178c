// SPDX-License-Identifier: AGPL-3.0-or-later
//! Emulated BMCs and simulated machines that behave, and misbehave, like real ones.
//!
//! [`bmc`] speaks Redfish, [`faults`] says what goes wrong, [`tls`] makes the certificates, [`python`] installs
//! clients that other people wrote. The product is driven through its public faces only: over HTTP, as real hardware
//! would be.

pub mod bmc;
pub mod faults;
pub mod machine;
pub mod python;
pub mod tls;
