// SPDX-License-Identifier: AGPL-3.0-or-later
//! What went wrong with a bundle.

use std::io;
use std::path::PathBuf;

use shoal_oci::{Digest, ManifestError};

use crate::error::ClientError;

/// A bundle could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// The registry.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// Nothing was named.
    #[error("no image was named: a bundle of nothing is of no use")]
    Nothing,
    /// A reference names no image.
    #[error("{reference} has neither a tag nor a digest")]
    NoReference {
        /// The reference.
        reference: String,
    },
    /// Two images would have the same name.
    #[error("two different images are called {name} here")]
    SameName {
        /// The name: repository and tag.
        name: String,
    },
    /// Two manifests disagree about a blob.
    #[error("the blob {digest} has {one} bytes by one manifest and {other} by another")]
    Disagreement {
        /// The blob.
        digest: Box<Digest>,
        /// By one.
        one: u64,
        /// By the other.
        other: u64,
    },
    /// The file cannot be written.
    #[error("cannot write {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The file cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The file is no bundle.
    #[error("{} is no bundle: {why}", path.display())]
    NotABundle {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: &'static str,
    },
    /// An entry has no place in a bundle.
    #[error("{} has the entry {entry:?}: {why}", path.display())]
    Entry {
        /// The file.
        path: PathBuf,
        /// The entry.
        entry: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// Content is not there.
    #[error("{} lacks {digest}, which {name} needs ({more} more are missing)", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
        /// The first that is missing.
        digest: Box<Digest>,
        /// The image.
        name: String,
        /// How many else.
        more: usize,
    },
    /// Content has another size.
    #[error("{} has {got} bytes of {digest}, not {expected}", path.display())]
    WrongSize {
        /// The file.
        path: PathBuf,
        /// The content.
        digest: Box<Digest>,
        /// By its descriptor.
        expected: u64,
        /// In the file.
        got: u64,
    },
    /// Content is not what its name says.
    #[error("{} is damaged: what is called {expected} has the digest {got}", path.display())]
    WrongDigest {
        /// The file.
        path: PathBuf,
        /// Its name.
        expected: Box<Digest>,
        /// What it is.
        got: Box<Digest>,
    },
    /// A manifest cannot be read.
    #[error("{} has a manifest that cannot be used: {digest}", path.display())]
    Manifest {
        /// The file.
        path: PathBuf,
        /// The manifest.
        digest: Box<Digest>,
        /// Why.
        #[source]
        source: ManifestError,
    },
    /// An image's name cannot be used.
    #[error("{} calls an image {name:?}, which is no name of a repository and a tag", path.display())]
    Name {
        /// The file.
        path: PathBuf,
        /// The name.
        name: String,
    },
    /// An image does not say where it belongs.
    #[error("{} does not say which repository {digest} belongs to", path.display())]
    NoRepository {
        /// The file.
        path: PathBuf,
        /// The image.
        digest: Box<Digest>,
    },
}

// === impl BundleError ===

impl BundleError {
    /// What to do next.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Client(error) => return error.hint(),
            Self::NoReference { .. } => "name a tag: HOST/REPOSITORY:TAG",
            Self::SameName { .. } => "put them into two bundles, or give one of them another tag first",
            Self::NotABundle { .. } => {
                "a bundle is an OCI image layout in a tar archive, as `image export` and skopeo (oci-archive) \
                 write it; unpack a compressed one first"
            }
            Self::Missing { .. } | Self::WrongSize { .. } | Self::WrongDigest { .. } => {
                "nothing was pushed: copy the bundle again, or export it again"
            }
            Self::Entry { .. } => "nothing was pushed: use a bundle from a source that you trust",
            Self::Name { .. } | Self::NoRepository { .. } => "say which repository the images belong to",
            Self::Nothing
            | Self::Disagreement { .. }
            | Self::Write { .. }
            | Self::Read { .. }
            | Self::Manifest { .. } => {
                return None;
            }
        };
        Some(hint.to_owned())
    }
}
