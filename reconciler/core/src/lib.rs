// SPDX-License-Identifier: AGPL-3.0-or-later
//! The pure heart of Shoal.
//!
//! [`inventory`] is what Git says, [`desired`] what that means for one machine, [`plan`] compares
//! it with what is known and explains the difference, [`job`] is the life of one install,
//! [`permit`] decides whether a machine may write.
//!
//! Guarantees: no IO, no clock, no randomness; the same arguments give the same answer.
//! Assumptions: the caller hands in times, identifiers and everything that was observed.

pub mod inventory;
