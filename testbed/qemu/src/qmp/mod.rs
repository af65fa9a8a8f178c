// SPDX-License-Identifier: AGPL-3.0-or-later
//! A client of the QEMU Machine Protocol on a Unix socket.
//!
//! # Guarantees
//!
//! * Commands may be sent at the same time; each answer finds its command by id.
//! * Events come in order, and before the answer to any command that QEMU answered after them.
//! * When the connection ends, every command that waits fails, and the events end.

mod client;
mod message;

pub use client::{Qmp, QmpError};
pub use message::Event;
