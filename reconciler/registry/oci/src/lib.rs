// SPDX-License-Identifier: AGPL-3.0-or-later
//! The grammar of OCI content: names, tags, digests, descriptors, manifests, errors. No IO.
//!
//! Guarantees: a value of one of these types is well-formed, so nobody checks again; what was read
//! is written the same way; no input makes a reader panic, recurse without bound or hold more than a
//! small multiple of what it was given.
//!
//! Rules come from the OCI distribution-spec 1.1 and image-spec 1.1. What Docker's tools write
//! (manifest schema 2 and manifest lists) is read as the OCI type it corresponds to.

mod content_range;
mod descriptor;
mod digest;
mod error_body;
mod image_reference;
mod manifest;
pub mod media_type;
mod name;
mod reference;
mod string_form;

pub use content_range::{ContentRange, ContentRangeError};
pub use descriptor::Descriptor;
pub use digest::{Algorithm, Digest, DigestError, Hasher};
pub use error_body::{ErrorBody, ErrorCode, ErrorItem};
pub use image_reference::{ImageReference, ImageReferenceError};
pub use manifest::{MAX_DESCRIPTORS, Manifest, ManifestError, ManifestKind};
pub use name::{NameError, RepositoryName, Tag};
pub use reference::{Reference, ReferenceError, referrers_tag};
