// SPDX-License-Identifier: AGPL-3.0-or-later
//! The registry as it is run: `shoal registry serve` as a process, asked by clients that other people wrote,
//! by `shoal image`, and by one that does everything wrong; killed, filled up, damaged.

mod clients;
mod containers;
mod content;
mod disk_full;
#[expect(dead_code, reason = "these tests need less of it than those that it was made for")]
#[path = "../it/harness.rs"]
mod harness;
mod http;
mod images;
mod kills;
mod large;
mod oras;
mod policy;
mod refusals;
mod runnable;
mod server;
mod skopeo;
mod tools;
