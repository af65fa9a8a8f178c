// SPDX-License-Identifier: AGPL-3.0-or-later
//! Pushing: blobs, manifests, and files as artifacts.

pub(crate) mod artifact;
pub(crate) mod blob;
mod manifest;
mod upload;
