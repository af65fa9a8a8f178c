// SPDX-License-Identifier: AGPL-3.0-or-later
//! Settings of `shoal run`: flags, then the environment, then a file, then defaults.
//!
//! [`table`] says which there are, [`layers`] which value counts, [`value`] reads one, and
//! [`mod@build`] puts together what the controller is told.
//!
//! Guarantees: every wrong value is said at once, with where it came from and what is allowed; the
//! value of a secret is in no message; a name that is not known stops the start wherever it can be
//! meant for us.

mod access;
mod build;
mod iso;
mod layers;
mod notes;
mod registry;
mod source;
pub(crate) mod table;
#[cfg(test)]
mod tests;
mod value;

pub(crate) use build::{Built, build, database};
pub(crate) use layers::{Faults, Layers};
pub(crate) use registry::{StandAlone, rules as registry_rules, stand_alone};

/// Where the controller's socket is unless another place is chosen.
pub(crate) const DEFAULT_SOCKET: &str = "/run/shoal/shoal.sock";
