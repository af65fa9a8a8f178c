// SPDX-License-Identifier: AGPL-3.0-or-later
//! What the tests share: an HTTPS server, a small BMC behind it, and a client for it.

pub(crate) mod client;
pub(crate) mod fake;
pub(crate) mod server;
pub(crate) mod trees;
