// SPDX-License-Identifier: AGPL-3.0-or-later
//! Images as container tools know them: a configuration with what is in the layers, layers that are tar
//! archives, indexes of several architectures.

use serde_json::{Value, json};
use shoal_oci::media_type;

use crate::content::{bytes, digest, manifest_path};
use crate::http::Http;

/// An image of one layer.
pub(crate) struct Runnable {
    architecture: &'static str,
    pub(crate) config: Vec<u8>,
    pub(crate) layer: Vec<u8>,
    pub(crate) manifest: Vec<u8>,
}

// === impl Runnable ===

impl Runnable {
    /// For an architecture; the file in its layer has these many bytes.
    pub(crate) fn new(architecture: &'static str, seed: u64, length: usize) -> Self {
        let layer = tar("etc/data", &bytes(seed, length));
        let config = json!({
            "architecture": architecture,
            "os": "linux",
            "config": {},
            "rootfs": {"type": "layers", "diff_ids": [digest(&layer).to_string()]},
        });
        let config = serde_json::to_vec(&config).expect("JSON");
        let describe = |kind: &str, content: &[u8]| json!({"mediaType": kind, "digest": digest(content).to_string(), "size": content.len()});
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": media_type::IMAGE_MANIFEST,
            "config": describe("application/vnd.oci.image.config.v1+json", &config),
            "layers": [describe(media_type::LAYER_TAR, &layer)],
        });
        let manifest = serde_json::to_vec(&manifest).expect("JSON");
        Self { architecture, config, layer, manifest }
    }

    /// Pushes it by hand.
    #[track_caller]
    pub(crate) fn push(&self, http: &Http, repository: &str, reference: &str) {
        http.push_blob(repository, &self.config).is(201);
        http.push_blob(repository, &self.layer).is(201);
        http.push_manifest(repository, reference, &self.manifest).is(201);
    }

    /// It is there, byte by byte.
    #[track_caller]
    pub(crate) fn is_in(&self, http: &Http, repository: &str, reference: &str) {
        http.has_manifest(repository, reference, &self.manifest);
        http.has_blob(repository, &self.config);
        http.has_blob(repository, &self.layer);
    }
}

/// Pushes images and an index of them: the index.
#[track_caller]
pub(crate) fn push_index(http: &Http, repository: &str, tag: &str, images: &[Runnable]) -> Vec<u8> {
    let mut manifests = Vec::new();
    for image in images {
        let digest = digest(&image.manifest).to_string();
        image.push(http, repository, &digest);
        manifests.push(json!({
            "mediaType": media_type::IMAGE_MANIFEST,
            "digest": digest,
            "size": image.manifest.len(),
            "platform": {"os": "linux", "architecture": image.architecture},
        }));
    }
    let index: Value =
        json!({"schemaVersion": 2, "mediaType": media_type::IMAGE_INDEX, "manifests": manifests});
    let index = serde_json::to_vec(&index).expect("JSON");
    let headers = [("Content-Type", media_type::IMAGE_INDEX)];
    http.send("PUT", &manifest_path(repository, tag), &headers, &index).is(201);
    index
}

/// A tar archive with one file.
pub(crate) fn tar(name: &str, content: &[u8]) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(content.len() as u64);
    header.set_mode(0o644);
    header.set_mtime(1_790_000_000);
    archive.append_data(&mut header, name, content).expect("an archive");
    archive.into_inner().expect("an archive")
}
