// SPDX-License-Identifier: AGPL-3.0-or-later
//! The client over real HTTP: against a registry that has faults, and against Debian's where it is installed.

mod auth;
mod bundle;
mod fake;
mod list;
mod other_registry;
mod presence;
mod pull;
mod push;
mod tar_tricks;
mod tls;
mod world;
