// SPDX-License-Identifier: AGPL-3.0-or-later
//! The controller beside a real Git repository, real BMC emulators over HTTPS and a scripted machine.

mod api;
mod bad_bodies;
mod bad_ranges;
mod bad_repositories;
mod bad_tokens;
mod crash;
mod hostile;
mod install;
mod ledger;
mod outage;
mod preflight;
mod progress;
mod puppet;
mod registry;
mod secrets;
mod sweep;
mod told;
mod trust;
mod world;
