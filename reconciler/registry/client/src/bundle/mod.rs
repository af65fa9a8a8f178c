// SPDX-License-Identifier: AGPL-3.0-or-later
//! Bundles: images in one file, to be carried into a room without a network.
//!
//! A bundle is an OCI image layout in a tar archive, what other tools call an oci-archive. Each image
//! is named in `index.json` by the annotation `org.opencontainers.image.ref.name`: `REPOSITORY:TAG`, or
//! `REPOSITORY@DIGEST` without a tag. The registry is left out: a bundle goes into any.

pub(crate) mod error;
pub(crate) mod export;
pub(crate) mod import;
mod names;
mod plan;
mod tar_index;
mod tar_writer;

/// The annotation that names an image in a layout (image-spec, Pre-Defined Annotation Keys).
const REF_NAME: &str = "org.opencontainers.image.ref.name";
