// SPDX-License-Identifier: AGPL-3.0-or-later
//! Manifests: what they are and what they name (image-spec, Image Manifest and Image Index).
//!
//! Guarantees
//!   * Of an image or an index everything that is read is well-formed, else there is an error: digests
//!     by a known algorithm, whole sizes, and no document that one reader takes for an image and
//!     another for an index (image-spec's advisory GHSA-77vh-xpmg-72qh).
//!   * Of any other JSON object what has the form of a descriptor is read; the rest is ignored. What is
//!     named there is kept, and nothing is promised.
//!   * Memory is bounded by the bytes given and by [`MAX_DESCRIPTORS`]; unknown fields cost none.

mod read;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use crate::{Descriptor, Digest, media_type};

/// The most descriptors of one list in a manifest. Real indexes have tens; this bounds the work.
pub const MAX_DESCRIPTORS: usize = 100_000;

/// Why bytes are no manifest of the type that they were said to have.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// The bytes are no JSON object, or a field that every manifest has in common has another form.
    #[error("the manifest cannot be read as a JSON object")]
    Json(#[source] serde_json::Error),
    /// The type has characters that no media type has.
    #[error("{0} is not a media type")]
    MediaType(String),
    /// The document says that it is something else.
    #[error("the manifest's mediaType is {body}, and it was sent as {header}; send it as what it is")]
    Contradiction {
        /// What the request or the answer says.
        header: String,
        /// What the document says.
        body: String,
    },
    /// The document has another version than 2.
    #[error("the manifest's schemaVersion is {0}; only 2 is supported")]
    SchemaVersion(String),
    /// An image has `manifests`, or an index has `config` or `layers`.
    #[error("the manifest was sent as {media_type} and has `{field}`, which only the other kind has")]
    Ambiguous {
        /// What it was sent as.
        media_type: String,
        /// The field.
        field: &'static str,
    },
    /// An image has no configuration.
    #[error(
        "the image manifest has no `config`; artifacts without one name the empty object {}",
        media_type::EMPTY_JSON
    )]
    NoConfig,
    /// There are too many descriptors.
    #[error("`{field}` of the manifest has more than {MAX_DESCRIPTORS} descriptors")]
    TooMany {
        /// The list.
        field: &'static str,
    },
    /// A descriptor is not well-formed; the cause names what of it.
    #[error("`{place}` of the manifest is not a descriptor")]
    Descriptor {
        /// Which one: `config`, `layers[3]`.
        place: String,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
    /// Annotations or the artifact type have another form.
    #[error("`{field}` of the manifest has another form than the specification says")]
    Field {
        /// The field.
        field: &'static str,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
}

/// What kind of manifest a document is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ManifestKind {
    /// An image or an artifact: OCI's image manifest, Docker's schema 2.
    Image,
    /// Manifests of several platforms: OCI's image index, Docker's manifest list.
    Index,
    /// Anything else.
    Other,
}

// === impl ManifestKind ===

impl ManifestKind {
    /// The kind of a media type; parameters and case do not matter.
    pub fn of(content_type: &str) -> Self {
        let is = |known: &str| media_type::same(known, content_type);
        if is(media_type::IMAGE_MANIFEST) || is(media_type::DOCKER_MANIFEST) {
            Self::Image
        } else if is(media_type::IMAGE_INDEX) || is(media_type::DOCKER_LIST) {
            Self::Index
        } else {
            Self::Other
        }
    }
}

/// What a manifest is and names. The bytes themselves are what is stored; this is never written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// The type without parameters: what it was sent as, else what it says; none where neither is there.
    pub media_type: Option<String>,
    /// What kind of manifest that is.
    pub kind: ManifestKind,
    /// The configuration; always there in an image.
    pub config: Option<Descriptor>,
    /// The layers of an image, in their order. Of other documents also what is under `blobs`, where the
    /// artifact manifests of OCI 1.1's release candidates have them.
    pub layers: Vec<Descriptor>,
    /// What an index holds. Mostly manifests; caches of builders put blobs here too.
    pub manifests: Vec<Descriptor>,
    /// The manifest that this one is about.
    pub subject: Option<Descriptor>,
    /// What the artifact is for, where it says so. Never empty.
    pub artifact_type: Option<String>,
    /// Notes for people and programs.
    pub annotations: BTreeMap<String, String>,
}

// === impl Manifest ===

impl Manifest {
    /// Reads a manifest that was sent as `content_type`; an empty one means that nothing was said, and
    /// the document's own `mediaType` counts.
    pub fn read(content_type: &str, bytes: &[u8]) -> Result<Self, ManifestError> {
        read::read(content_type, bytes)
    }

    /// This manifest as its subject's list of referrers has it (distribution-spec, Listing Referrers):
    /// an image without an artifact type has its configuration's type instead.
    pub fn referrer(&self, digest: &Digest, media_type: &str, size: u64) -> Descriptor {
        let config = self.config.as_ref().filter(|_| self.kind == ManifestKind::Image);
        let artifact_type =
            self.artifact_type.clone().or_else(|| config.map(|config| config.media_type.clone()));
        Descriptor {
            artifact_type,
            annotations: self.annotations.clone(),
            ..Descriptor::new(media_type, digest.clone(), size)
        }
    }

    /// The blobs that must be there before the manifest is: configuration and layers, without the
    /// layers that their owner does not let others distribute and offers at `urls`.
    pub fn blobs(&self) -> impl Iterator<Item = &Descriptor> {
        let elsewhere =
            |blob: &Descriptor| !blob.urls.is_empty() && media_type::is_non_distributable(&blob.media_type);
        self.all_blobs().filter(move |blob| !elsewhere(blob))
    }

    /// All blobs that the manifest names: what must be kept where it is there.
    pub fn all_blobs(&self) -> impl Iterator<Item = &Descriptor> {
        self.config.iter().chain(&self.layers)
    }

    /// What an index holds.
    pub fn children(&self) -> &[Descriptor] {
        &self.manifests
    }
}
