// SPDX-License-Identifier: AGPL-3.0-or-later
//! What an import has to push: found, and checked for completeness, before anything is sent.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use serde::Deserialize;
use shoal_oci::{Descriptor, Digest, Manifest, RepositoryName, Tag, media_type};

use crate::bundle::error::BundleError;
use crate::bundle::tar_index::TarIndex;
use crate::bundle::{REF_NAME, names};

/// The largest manifest in a bundle, in bytes.
const MANIFEST: u64 = 64 << 20;

/// What is to be pushed.
#[derive(Default)]
pub(super) struct Plan {
    /// In an order in which each comes after all that it holds.
    pub(super) manifests: Vec<PlannedManifest>,
    /// Blobs and the repositories that need them.
    pub(super) blobs: BTreeMap<Digest, BTreeSet<RepositoryName>>,
    /// The images of the bundle, in its order.
    pub(super) roots: Vec<Root>,
}

pub(super) struct PlannedManifest {
    pub(super) repository: RepositoryName,
    pub(super) descriptor: Descriptor,
}

pub(super) struct Root {
    pub(super) repository: RepositoryName,
    pub(super) tag: Option<Tag>,
    pub(super) descriptor: Descriptor,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Layout {
    image_layout_version: String,
}

#[derive(Deserialize)]
struct Index {
    manifests: Vec<Descriptor>,
}

/// Reads a bundle's table of contents and every manifest. `fallback`: the repository of images that name
/// none.
pub(super) async fn plan(bundle: &TarIndex, fallback: Option<&RepositoryName>) -> Result<Plan, BundleError> {
    let not_a_bundle = |why| BundleError::NotABundle { path: bundle.path(), why };
    let (layout, index) = bundle.top().await?;
    let layout: Layout =
        serde_json::from_slice(&layout).map_err(|_| not_a_bundle("its oci-layout cannot be read"))?;
    if !layout.image_layout_version.starts_with("1.") {
        return Err(not_a_bundle("its layout has another version than 1"));
    }
    let index: Index =
        serde_json::from_slice(&index).map_err(|_| not_a_bundle("its index.json cannot be read"))?;
    if index.manifests.is_empty() {
        return Err(not_a_bundle("it has no images"));
    }
    let mut walk = Walk { bundle, plan: Plan::default(), seen: BTreeSet::new(), missing: Vec::new() };
    let mut tags = BTreeMap::new();
    for descriptor in index.manifests {
        let root = root(bundle, descriptor, fallback)?;
        let digest = root.descriptor.digest.clone();
        if let Some(tag) = &root.tag {
            let other = tags.insert((root.repository.clone(), tag.clone()), digest.clone());
            if other.is_some_and(|other| other != digest) {
                let name = names::write(&root.repository, Some(tag), &digest);
                return Err(BundleError::SameName { name });
            }
        }
        walk.tree(&root).await?;
        walk.plan.roots.push(root);
    }
    if let Some((digest, name)) = walk.missing.first() {
        let (path, more) = (bundle.path(), walk.missing.len() - 1);
        let (digest, name) = (Box::new(digest.clone()), name.clone());
        return Err(BundleError::Missing { path, digest, name, more });
    }
    Ok(walk.plan)
}

fn root(
    bundle: &TarIndex,
    descriptor: Descriptor,
    fallback: Option<&RepositoryName>,
) -> Result<Root, BundleError> {
    let name = descriptor.annotations.get(REF_NAME);
    let read = match name {
        Some(name) => names::read(name, &descriptor.digest)
            .ok_or_else(|| BundleError::Name { path: bundle.path(), name: name.clone() })?,
        None => names::RefName { repository: None, tag: None },
    };
    match read.repository.or_else(|| fallback.cloned()) {
        Some(repository) => Ok(Root { repository, tag: read.tag, descriptor }),
        None => Err(BundleError::NoRepository { path: bundle.path(), digest: Box::new(descriptor.digest) }),
    }
}

/// A manifest's bytes, whose digest and size are right. `None`: it is not there.
pub(super) async fn manifest_bytes(
    bundle: &TarIndex,
    descriptor: &Descriptor,
) -> Result<Option<Bytes>, BundleError> {
    let Some(source) = bundle.blob(&descriptor.digest) else { return Ok(None) };
    check_size(bundle, descriptor, source.size())?;
    if source.size() > MANIFEST {
        let why = "it has a manifest that is larger than any registry takes";
        return Err(BundleError::NotABundle { path: bundle.path(), why });
    }
    let bytes = source.read(0, source.size()).await?;
    let got = Digest::of(descriptor.digest.algorithm(), &bytes);
    if got != descriptor.digest {
        let (expected, got) = (Box::new(descriptor.digest.clone()), Box::new(got));
        return Err(BundleError::WrongDigest { path: bundle.path(), expected, got });
    }
    Ok(Some(bytes))
}

fn check_size(bundle: &TarIndex, descriptor: &Descriptor, got: u64) -> Result<(), BundleError> {
    if descriptor.size == got {
        return Ok(());
    }
    let digest = Box::new(descriptor.digest.clone());
    Err(BundleError::WrongSize { path: bundle.path(), digest, expected: descriptor.size, got })
}

struct Walk<'a> {
    bundle: &'a TarIndex,
    plan: Plan,
    seen: BTreeSet<(RepositoryName, Digest)>,
    missing: Vec<(Digest, String)>,
}

enum Visit {
    Enter(Descriptor),
    Leave(Descriptor),
}

// === impl Walk ===

impl Walk<'_> {
    async fn tree(&mut self, root: &Root) -> Result<(), BundleError> {
        let repository = &root.repository;
        let name = || names::write(repository, root.tag.as_ref(), &root.descriptor.digest);
        let mut open = vec![Visit::Enter(root.descriptor.clone())];
        while let Some(visit) = open.pop() {
            let descriptor = match visit {
                Visit::Leave(descriptor) => {
                    self.plan.manifests.push(PlannedManifest { repository: repository.clone(), descriptor });
                    continue;
                }
                Visit::Enter(descriptor) => descriptor,
            };
            if !self.seen.insert((repository.clone(), descriptor.digest.clone())) {
                continue;
            }
            let Some(bytes) = manifest_bytes(self.bundle, &descriptor).await? else {
                self.missing.push((descriptor.digest, name()));
                continue;
            };
            let manifest = Manifest::read(&descriptor.media_type, &bytes).map_err(|source| {
                let digest = Box::new(descriptor.digest.clone());
                BundleError::Manifest { path: self.bundle.path(), digest, source }
            })?;
            let (children, blobs): (Vec<_>, Vec<_>) =
                manifest.children().iter().partition(|one| media_type::is_manifest(&one.media_type));
            for blob in manifest.blobs().chain(blobs) {
                let Some(source) = self.bundle.blob(&blob.digest) else {
                    self.missing.push((blob.digest.clone(), name()));
                    continue;
                };
                check_size(self.bundle, blob, source.size())?;
                self.plan.blobs.entry(blob.digest.clone()).or_default().insert(repository.clone());
            }
            open.push(Visit::Leave(descriptor));
            open.extend(children.into_iter().rev().cloned().map(Visit::Enter));
        }
        Ok(())
    }
}
