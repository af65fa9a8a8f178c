// SPDX-License-Identifier: AGPL-3.0-or-later
//! Image files: what they are, and what they are called in a registry.

pub(crate) mod detect;
pub(crate) mod media;
