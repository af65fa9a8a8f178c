// SPDX-License-Identifier: AGPL-3.0-or-later
//! The pure heart of Shoal.
//!
//! [`inventory`] is what Git says, [`desired`] what that means for one machine, [`plan`] compares
//! it with what is [`observed`] and explains the difference, [`decide`] says what starts,
//! [`job`] is the life of one install, [`permit`] decides whether a machine may write, and
//! [`known_disk`] which disk; [`retry`] says whether an approval goes on, [`record`] how the
//! controller's record of a machine moves, [`conditions`] what people see; [`superseded`] says whether Git still wants
//! what a job does, [`network_config`] what an installed system is told of its network.
//!
//! Guarantees: no IO, no clock, no randomness; the same arguments give the same answer.
//! Assumptions: the caller hands in times, identifiers and everything that was observed.

pub mod alongside;
pub mod by_name;
pub mod conditions;
pub mod counts;
pub mod decide;
pub mod desired;
pub mod inventory;
pub mod job;
pub mod known_disk;
pub mod ledger;
pub mod mistake;
pub mod network_config;
pub mod observed;
pub mod permit;
pub mod plan;
pub mod record;
mod references;
pub mod report;
pub mod retry;
pub mod superseded;
pub mod template;
