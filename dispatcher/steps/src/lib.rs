// SPDX-License-Identifier: AGPL-3.0-or-later
//! The steps of the Linux workflow in the maintenance OS.
