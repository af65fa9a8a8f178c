// SPDX-License-Identifier: AGPL-3.0-or-later
//! Settings of `shoal run`: flags, environment, file, defaults.

/// Where the controller's socket is unless another place is chosen.
pub(crate) const DEFAULT_SOCKET: &str = "/run/shoal/shoal.sock";
