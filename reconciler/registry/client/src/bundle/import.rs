// SPDX-License-Identifier: AGPL-3.0-or-later
//! Pushing a bundle's images into a registry.
//!
//! # Expected flow
//!
//! Table of contents, every manifest, then every blob is read and checked; only then is anything sent:
//! blobs that are missing there, then manifests from the inside out, each under its tags.
//!
//! # Guarantees
//!
//! A damaged or incomplete bundle pushes nothing. An import that was broken off can be repeated: what
//! is there is not sent again.

use std::path::Path;

use shoal_oci::{Algorithm, Digest, ImageReference, Reference, RepositoryName};

use crate::bundle::error::BundleError;
use crate::bundle::plan::{Plan, manifest_bytes, plan};
use crate::bundle::tar_index::TarIndex;
use crate::client::Client;
use crate::progress::SharedProgress;
use crate::push::blob::BlobOutcome;

/// How to import.
#[derive(Clone, Debug, Default)]
pub struct ImportOptions {
    /// The repository of images that name none, as other tools write them.
    pub repository: Option<RepositoryName>,
}

/// An image that is in the registry now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportedImage {
    /// Where it is, with its digest. Without a tag it may be what refers to another image.
    pub reference: ImageReference,
}

/// What was imported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imported {
    /// The images, in the bundle's order.
    pub images: Vec<ImportedImage>,
    /// Blobs that had to be sent.
    pub sent: u64,
    /// Blobs that were there already, or in another repository of the registry.
    pub present: u64,
}

/// Pushes all images of a bundle.
pub async fn import(
    client: &Client,
    path: &Path,
    options: &ImportOptions,
    progress: &SharedProgress,
) -> Result<Imported, BundleError> {
    let bundle = TarIndex::open(path).await?;
    let plan = plan(&bundle, options.repository.as_ref()).await?;
    verify(&bundle, &plan, progress).await?;

    let (mut sent, mut present) = (0, 0);
    for (digest, repositories) in &plan.blobs {
        let source = there(&bundle, bundle.blob(digest))?;
        let mut from = None;
        for repository in repositories {
            match client.push_blob(repository, digest, &source, from, progress).await? {
                BlobOutcome::Uploaded => sent += 1,
                BlobOutcome::Present | BlobOutcome::Mounted => present += 1,
            }
            from = Some(repository);
        }
    }
    for planned in &plan.manifests {
        let descriptor = &planned.descriptor;
        let bytes = there(&bundle, manifest_bytes(&bundle, descriptor).await?)?;
        let tags: Vec<_> = plan
            .roots
            .iter()
            .filter(|root| root.repository == planned.repository)
            .filter(|root| root.descriptor.digest == descriptor.digest)
            .filter_map(|root| root.tag.clone())
            .collect();
        // Under a tag a registry computes a sha256 digest: with it the manifest is there by digest, too.
        if tags.is_empty() || descriptor.digest.algorithm() != Algorithm::Sha256 {
            let reference = Reference::Digest(descriptor.digest.clone());
            let pushed =
                client.push_manifest(&planned.repository, &reference, &descriptor.media_type, bytes.clone());
            pushed.await?;
        }
        for tag in tags {
            let reference = Reference::Tag(tag);
            let pushed =
                client.push_manifest(&planned.repository, &reference, &descriptor.media_type, bytes.clone());
            pushed.await?;
        }
    }
    let images = plan.roots.into_iter().map(|root| ImportedImage {
        reference: ImageReference {
            registry: client.registry().to_owned(),
            repository: root.repository,
            tag: root.tag,
            digest: Some(root.descriptor.digest),
        },
    });
    Ok(Imported { images: images.collect(), sent, present })
}

/// Reads every blob once and compares its digest.
async fn verify(bundle: &TarIndex, plan: &Plan, progress: &SharedProgress) -> Result<(), BundleError> {
    for digest in plan.blobs.keys() {
        let source = there(bundle, bundle.blob(digest))?;
        let got: Digest = source.digest(digest.algorithm(), progress).await?;
        if got != *digest {
            let (expected, got) = (Box::new(digest.clone()), Box::new(got));
            return Err(BundleError::WrongDigest { path: bundle.path(), expected, got });
        }
    }
    Ok(())
}

/// The plan has only what is there.
fn there<T>(bundle: &TarIndex, content: Option<T>) -> Result<T, BundleError> {
    let why = "it changed while it was read";
    content.ok_or_else(|| BundleError::NotABundle { path: bundle.path(), why })
}
