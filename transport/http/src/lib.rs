// SPDX-License-Identifier: AGPL-3.0-or-later
//! What every HTTP server of Shoal's needs: listeners, logins, conditional requests and ranges.
//!
//! * [`listen`]: plain, TLS and Unix listeners; every connection in a task of its own.
//! * [`login`]: accounts with hashed passwords, and patience for those who guess.
//! * [`Outlet`]: parts of files in bodies, by `sendfile(2)` where the connection is plain TCP.
//! * [`conditional`]: what of a body a request is answered with, after entity tags and [`range`].
//!
//! Assumptions: the caller has a Tokio runtime.

pub mod conditional;
mod connection;
mod limits;
pub mod listen;
pub mod login;
mod outlet;
mod progress;
pub mod range;

pub use limits::Limits;
pub use listen::Peer;
pub use outlet::{Outlet, PART};
