// SPDX-License-Identifier: AGPL-3.0-or-later
//! A file as an artifact: one layer, and a manifest that depends on nothing but the file and its name.

use std::collections::BTreeMap;
use std::path::PathBuf;

use bytes::Bytes;
use serde::Serialize;
use shoal_oci::{Algorithm, Descriptor, Digest, ImageReference, Reference, RepositoryName, Tag, media_type};
use shoal_schema::kinds::ImageFormat;

use crate::client::Client;
use crate::error::ClientError;
use crate::image::detect::{Compression, ImageFileError, agree, detect_format};
use crate::image::media::{format_name, layer_media_type};
use crate::progress::SharedProgress;
use crate::push::blob::BlobOutcome;
use crate::source::{BlobSource, blocking};

/// The empty object, which stands where an image has its configuration (image-spec, Guidance for an Empty
/// Descriptor).
const EMPTY: &[u8] = b"{}";

/// A file to push.
#[derive(Clone, Debug)]
pub struct FilePush {
    /// The file.
    pub path: PathBuf,
    /// How it is packed; `None`: found from its content and name.
    pub format: Option<ImageFormat>,
    /// Its name in the manifest; `None`: the file's name.
    pub title: Option<String>,
    /// More annotations of the manifest.
    pub annotations: BTreeMap<String, String>,
    /// Where to.
    pub repository: RepositoryName,
    /// The tag; `None`: it is known by its digest only.
    pub tag: Option<Tag>,
}

/// What was pushed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PushedArtifact {
    /// The manifest's digest: what an inventory pins.
    pub digest: Digest,
    /// All of it: registry, repository, tag, digest.
    pub reference: ImageReference,
    /// The file's size in bytes.
    pub size: u64,
    /// How the file is packed.
    pub format: ImageFormat,
    /// Its compression.
    pub compression: Compression,
    /// The layer: the file itself.
    pub layer: Descriptor,
    /// Whether the bytes had to be sent.
    pub outcome: BlobOutcome,
}

/// A manifest as it is written: the fields in the order of the specification.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ArtifactManifest<'a> {
    schema_version: u8,
    media_type: &'static str,
    artifact_type: &'static str,
    config: Descriptor,
    layers: [&'a Descriptor; 1],
    annotations: &'a BTreeMap<String, String>,
}

impl Client {
    /// Pushes a file as an artifact of type `application/vnd.shoal.image.v1`.
    ///
    /// The same file under the same title is the same artifact: there is no time in it.
    pub async fn push_artifact(
        &self,
        push: &FilePush,
        progress: &SharedProgress,
    ) -> Result<PushedArtifact, ClientError> {
        let path = push.path.clone();
        let given = push.format;
        let found = blocking(move || {
            Ok(match given {
                Some(format) => agree(&path, format),
                None => detect_format(&path),
            })
        });
        let found = found.await.map_err(|source| ClientError::File { path: push.path.clone(), source })??;
        let layer_type = layer_media_type(found.format, found.compression)
            .ok_or_else(|| ImageFileError::compressed(&push.path))?;
        let source = BlobSource::file(&push.path).await?;
        let digest = source.digest(Algorithm::Sha256, progress).await?;
        let layer = Descriptor::new(layer_type, digest.clone(), source.size());
        let outcome = self.push_blob(&push.repository, &digest, &source, None, progress).await?;

        let empty = Digest::of(Algorithm::Sha256, EMPTY);
        let config = BlobSource::bytes(Bytes::from_static(EMPTY));
        self.push_blob(&push.repository, &empty, &config, None, &crate::progress::silent()).await?;

        let bytes = manifest(push, found.format, &layer);
        let digest = Digest::of(Algorithm::Sha256, &bytes);
        let reference = match &push.tag {
            Some(tag) => Reference::Tag(tag.clone()),
            None => Reference::Digest(digest.clone()),
        };
        self.push_manifest(&push.repository, &reference, media_type::IMAGE_MANIFEST, bytes).await?;
        Ok(PushedArtifact {
            reference: ImageReference {
                registry: self.registry().to_owned(),
                repository: push.repository.clone(),
                tag: push.tag.clone(),
                digest: Some(digest.clone()),
            },
            digest,
            size: source.size(),
            format: found.format,
            compression: found.compression,
            layer,
            outcome,
        })
    }
}

fn manifest(push: &FilePush, format: ImageFormat, layer: &Descriptor) -> Bytes {
    let mut annotations = push.annotations.clone();
    annotations.insert("dev.shoal.format".to_owned(), format_name(format).to_owned());
    let file_name = || push.path.file_name().map(|name| name.to_string_lossy().into_owned());
    if let Some(title) = push.title.clone().or_else(file_name) {
        annotations.insert("org.opencontainers.image.title".to_owned(), title);
    }
    let config =
        Descriptor::new(media_type::EMPTY_JSON, Digest::of(Algorithm::Sha256, EMPTY), EMPTY.len() as u64);
    let manifest = ArtifactManifest {
        schema_version: 2,
        media_type: media_type::IMAGE_MANIFEST,
        artifact_type: media_type::ARTIFACT,
        config,
        layers: [layer],
        annotations: &annotations,
    };
    Bytes::from(serde_json::to_vec(&manifest).expect("strings, numbers and maps of strings are JSON"))
}
