// SPDX-License-Identifier: AGPL-3.0-or-later
//! Deterministic simulation: the real controller, its executor, its HTTP handlers and its core, in a world in which
//! time, chance, Git, the network, BMCs and machines are simulated and go wrong.
//!
//! Guarantees: a seed gives the same run every time; what must hold is judged from the world, never from the
//! controller's own word.
//! What it does not do: Redfish over HTTP, libgit2 and redb have tests of their own.

mod backup;
mod bmc;
mod commits;
mod controllers;
mod dice;
mod event;
mod git;
mod happen;
pub mod hardware;
mod journal;
mod machine;
mod operators;
mod oracle;
mod people;
mod run;
pub mod scenario;
pub mod shrink;
mod store;
mod world;

pub use event::{EVENTS, Event};
pub use run::{Outcome, run};
