// SPDX-License-Identifier: AGPL-3.0-or-later
//! What runs in the maintenance OS: finds the task medium, proves that this is the machine it was made for, asks the
//! controller for the permit, and hands over to a systemd target.
//!
//! # Expected flow
//!
//! [`run::run`] over a [`host::Host`]: medium → documents → identity → disk → permit → files in `/run/provision` →
//! target. The real machine is [`linux::LinuxHost`]; a simulated one implements the same traits, and runs the same
//! code.
//!
//! # Guarantees
//!
//! * Nothing is written to a disk here, and nothing that writes is started, unless the controller answered
//!   `granted` over a connection whose key the task medium pins, to this boot of the machine that the task names.
//! * Whatever goes wrong before the target starts is reported to the controller by this process, once per boot: the
//!   first outcome that was claimed is the only one that is ever sent, with one delivery id for all tries.
//! * No secret enters a log line, an error or the environment file.
//!
//! # Assumptions
//!
//! One dispatcher per boot; `/run` does not survive a reboot. The medium is small (a few MiB) and does not change
//! while it is read.
//!
//! # What it does not do
//!
//! It partitions, formats and copies nothing: that is the work of the steps behind the target.

pub mod cause;
pub mod console;
pub mod disk;
pub mod documents;
pub mod endpoint;
pub mod exit;
pub mod host;
pub mod identity;
pub mod linux;
pub mod medium;
pub mod output;
pub mod permit;
pub mod progress;
pub mod redact;
pub mod report;
pub mod run;
pub mod run_log;
pub mod session;
pub mod settings;
pub mod transport;
pub mod webhook;
pub mod why;

/// This program's version, as it goes into requests and files.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
