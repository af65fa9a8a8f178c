// SPDX-License-Identifier: AGPL-3.0-or-later
//! The vocabulary that callers share with this crate: what a BMC is asked to do, what it
//! says about itself, and how it fails. Nothing in here talks to a network.

pub(crate) mod bmc;
pub(crate) mod credentials;
pub(crate) mod discovered;
pub(crate) mod endpoint;
pub(crate) mod error;
pub(crate) mod hints;
pub(crate) mod image;
pub(crate) mod observe;
pub(crate) mod preflight;
pub(crate) mod state;
pub(crate) mod warning;
