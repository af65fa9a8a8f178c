// SPDX-License-Identifier: AGPL-3.0-or-later
//! Writing a bundle: what belongs to the images is found first, then everything is written in the order of
//! its digests, streamed.
//!
//! # Guarantees
//!
//! The same images give the same bytes. The file is there whole or not at all: it is written beside its
//! place, synced and renamed. Each blob is there once, however many images share it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use serde::Serialize;
use shoal_oci::{Descriptor, Digest, ImageReference, Reference, RepositoryName, media_type};
use tokio::io::{AsyncWriteExt as _, BufWriter};

use crate::bundle::error::BundleError;
use crate::bundle::{REF_NAME, names, tar_writer};
use crate::client::Client;
use crate::presence::MAX_MANIFESTS;
use crate::progress::SharedProgress;
use crate::pull::blob::BlobPull;
use crate::pull::manifest::PulledManifest;
use crate::source::blocking;

/// Bytes collected before they are written.
const BUFFER: usize = 1 << 20;
/// The most that all manifests together may have, in bytes: they are held until they are written.
const MANIFESTS: usize = 256 << 20;

/// An image to export.
#[derive(Clone)]
pub struct ExportItem {
    /// A client of the reference's registry.
    pub client: Client,
    /// The image.
    pub reference: ImageReference,
}

/// What was exported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exported {
    /// The images with their digests, sorted by name; without what refers to them.
    pub images: Vec<ImageReference>,
    /// How many signatures and the like came along.
    pub referrers: u64,
    /// How many blobs there are, manifests not counted.
    pub blobs: u64,
    /// The file's size in bytes.
    pub size: u64,
}

/// One file below `blobs/`.
enum Content {
    Manifest(Bytes),
    Blob { client: Client, repository: RepositoryName, size: u64 },
}

#[derive(Default)]
struct Collected {
    /// By name.
    roots: BTreeMap<String, Descriptor>,
    images: BTreeMap<String, ImageReference>,
    contents: BTreeMap<Digest, Content>,
    /// Registry, repository and manifest: what refers to it was looked for.
    seen: BTreeSet<(String, RepositoryName, Digest)>,
    referrers: u64,
    /// Bytes of all manifests.
    held: usize,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Index<'a> {
    schema_version: u8,
    media_type: &'static str,
    manifests: Vec<&'a Descriptor>,
}

/// Writes images, with what refers to them, to a file.
pub async fn export(
    items: &[ExportItem],
    path: &Path,
    progress: &SharedProgress,
) -> Result<Exported, BundleError> {
    if items.is_empty() {
        return Err(BundleError::Nothing);
    }
    let mut collected = Collected::default();
    for item in items {
        collected.image(item).await?;
    }
    let size = write(&collected, path, progress).await?;
    let is_blob = |content: &&Content| matches!(content, Content::Blob { .. });
    Ok(Exported {
        blobs: collected.contents.values().filter(is_blob).count() as u64,
        images: collected.images.into_values().collect(),
        referrers: collected.referrers,
        size,
    })
}

// === impl Collected ===

impl Collected {
    async fn image(&mut self, item: &ExportItem) -> Result<(), BundleError> {
        let ImageReference { repository, tag, .. } = &item.reference;
        let reference = item
            .reference
            .reference()
            .ok_or_else(|| BundleError::NoReference { reference: item.reference.to_string() })?;
        let root = item.client.pull_manifest(repository, &reference).await?;
        let name = names::write(repository, tag.as_ref(), &root.digest);
        self.root(name.clone(), &root)?;
        let digest = Some(root.digest.clone());
        self.images.insert(name, ImageReference { digest, ..item.reference.clone() });
        self.tree(&item.client, repository, root).await
    }

    fn root(&mut self, name: String, root: &PulledManifest) -> Result<(), BundleError> {
        let mut entry = Descriptor::new(&*root.media_type, root.digest.clone(), root.bytes.len() as u64);
        entry.artifact_type = root.manifest.artifact_type.clone();
        entry.annotations.insert(REF_NAME.to_owned(), name.clone());
        match self.roots.get(&name) {
            Some(other) if other.digest != entry.digest => Err(BundleError::SameName { name }),
            _ => {
                self.roots.insert(name, entry);
                Ok(())
            }
        }
    }

    /// A manifest, all below it, and all that refers to any of it.
    async fn tree(
        &mut self,
        client: &Client,
        repository: &RepositoryName,
        root: PulledManifest,
    ) -> Result<(), BundleError> {
        let mut open = vec![root];
        while let Some(next) = open.pop() {
            let key = (client.registry().to_owned(), repository.clone(), next.digest.clone());
            if !self.seen.insert(key) {
                continue;
            }
            self.held += next.bytes.len();
            if self.seen.len() > MAX_MANIFESTS || self.held > MANIFESTS {
                let reference = Reference::Digest(next.digest);
                let place = client.place(crate::Operation::PullManifest, Some(repository), Some(&reference));
                let what = "more manifests belong to these images than a bundle can have";
                return Err(crate::ClientError::nonsense(&place, what).into());
            }
            let (children, blobs): (Vec<_>, Vec<_>) =
                next.manifest.children().iter().partition(|one| media_type::is_manifest(&one.media_type));
            for blob in next.manifest.blobs().chain(blobs) {
                self.blob(client, repository, blob)?;
            }
            for child in children {
                open.push(client.pull_manifest(repository, &Reference::Digest(child.digest.clone())).await?);
            }
            for referrer in client.referrers(repository, &next.digest).await? {
                let reference = Reference::Digest(referrer.digest);
                let referrer = client.pull_manifest(repository, &reference).await?;
                let name = names::write(repository, None, &referrer.digest);
                if !self.roots.contains_key(&name) {
                    self.referrers += 1;
                    self.root(name, &referrer)?;
                }
                open.push(referrer);
            }
            self.contents.insert(next.digest, Content::Manifest(next.bytes));
        }
        Ok(())
    }

    fn blob(
        &mut self,
        client: &Client,
        repository: &RepositoryName,
        blob: &Descriptor,
    ) -> Result<(), BundleError> {
        let one = match self.contents.get(&blob.digest) {
            Some(Content::Manifest(bytes)) => bytes.len() as u64,
            Some(Content::Blob { size, .. }) => *size,
            None => {
                let (client, repository) = (client.clone(), repository.clone());
                let content = Content::Blob { client, repository, size: blob.size };
                self.contents.insert(blob.digest.clone(), content);
                return Ok(());
            }
        };
        if one != blob.size {
            let digest = Box::new(blob.digest.clone());
            return Err(BundleError::Disagreement { digest, one, other: blob.size });
        }
        Ok(())
    }
}

/// A file that is not finished; it goes when nobody finishes it.
struct Partial(Option<PathBuf>);

impl Drop for Partial {
    fn drop(&mut self) {
        if let Some(path) = self.0.take()
            && let Err(error) = std::fs::remove_file(&path)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(path = %path.display(), error = %error, "an unfinished bundle could not be removed");
        }
    }
}

async fn write(collected: &Collected, path: &Path, progress: &SharedProgress) -> Result<u64, BundleError> {
    let mut name = path.as_os_str().to_owned();
    name.push(".partial");
    let partial_path = PathBuf::from(name);
    let unwritable = |source| BundleError::Write { path: path.to_owned(), source };
    let file = tokio::fs::File::create(&partial_path).await.map_err(unwritable)?;
    let mut partial = Partial(Some(partial_path.clone()));
    let mut out = BufWriter::with_capacity(BUFFER, file);
    head(collected, &mut out).await.map_err(unwritable)?;
    for (digest, content) in &collected.contents {
        let name = format!("blobs/{}/{}", digest.algorithm().as_str(), digest.hex());
        match content {
            Content::Manifest(bytes) => {
                tar_writer::file(&mut out, &name, bytes).await.map_err(unwritable)?;
            }
            Content::Blob { client, repository, size } => {
                tar_writer::begin(&mut out, &name, *size).await.map_err(unwritable)?;
                let blob = BlobPull { repository, digest, size: Some(*size), limit: *size };
                client.pull_blob(&blob, &mut out, progress).await?;
                tar_writer::end(&mut out, *size).await.map_err(unwritable)?;
            }
        }
    }
    tar_writer::finish(&mut out).await.map_err(unwritable)?;
    let file = out.into_inner().into_std().await;
    let target = path.to_owned();
    let size = blocking(move || {
        file.sync_all()?;
        std::fs::rename(&partial_path, &target)?;
        let parent = target.parent().filter(|parent| !parent.as_os_str().is_empty());
        File::open(parent.unwrap_or(Path::new(".")))?.sync_all()?;
        Ok(file.metadata()?.len())
    });
    let size = size.await.map_err(unwritable)?;
    partial.0 = None;
    Ok(size)
}

/// What stands before the blobs.
async fn head(collected: &Collected, out: &mut BufWriter<tokio::fs::File>) -> io::Result<()> {
    let index = Index {
        schema_version: 2,
        media_type: media_type::IMAGE_INDEX,
        manifests: collected.roots.values().collect(),
    };
    let index = serde_json::to_vec(&index).map_err(io::Error::other)?;
    tar_writer::file(out, "oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#).await?;
    tar_writer::file(out, "index.json", &index).await?;
    tar_writer::directory(out, "blobs/").await?;
    let algorithms: BTreeSet<&str> =
        collected.contents.keys().map(|digest| digest.algorithm().as_str()).collect();
    for algorithm in algorithms {
        tar_writer::directory(out, &format!("blobs/{algorithm}/")).await?;
    }
    out.flush().await
}
