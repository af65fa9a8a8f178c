// SPDX-License-Identifier: AGPL-3.0-or-later
//! The distribution API over real HTTP connections: what clients see, header for header.

mod access;
mod discovery;
mod faults;
mod limits;
mod manifests;
mod needed;
mod open_uploads;
mod pull;
mod push;
mod support;
