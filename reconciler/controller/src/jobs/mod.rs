// SPDX-License-Identifier: AGPL-3.0-or-later
//! Jobs: how they start, run and end.

pub(crate) mod ended;
pub(crate) mod perform;
pub(crate) mod permit;
pub(crate) mod runner;
pub(crate) mod start;
pub(crate) mod task;
mod watch;
pub(crate) mod webhook;
