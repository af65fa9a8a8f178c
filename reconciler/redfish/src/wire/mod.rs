// SPDX-License-Identifier: AGPL-3.0-or-later
//! Talking to one BMC: trust, sessions, retries, limits. Knows HTTP and the general rules of
//! Redfish, no vendor and no system.

pub(crate) mod breaker;
pub(crate) mod client;
pub(crate) mod etag;
pub(crate) mod exchange;
pub(crate) mod lane;
pub(crate) mod link;
pub(crate) mod login;
pub(crate) mod message;
pub(crate) mod observe;
pub(crate) mod redact;
pub(crate) mod refusal;
pub(crate) mod retry;
pub(crate) mod roots;
pub(crate) mod session;
pub(crate) mod task;
pub(crate) mod tls;
pub(crate) mod wiring;
