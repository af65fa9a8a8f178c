// SPDX-License-Identifier: AGPL-3.0-or-later
//! Pulling: manifests and blobs, verified.

pub(crate) mod blob;
pub(crate) mod manifest;
