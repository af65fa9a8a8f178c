// SPDX-License-Identifier: AGPL-3.0-or-later
//! Content for a registry: blobs and manifests with their digests.

use serde_json::{Value, json};
use shoal_oci::{Algorithm, Digest};

pub(crate) const IMAGE: &str = "application/vnd.oci.image.manifest.v1+json";
pub(crate) const INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub(crate) const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";

/// Bytes, what they are, and their digest.
#[derive(Clone, Debug)]
pub(crate) struct Content {
    pub(crate) media_type: String,
    pub(crate) bytes: Vec<u8>,
    pub(crate) digest: Digest,
}

impl Content {
    pub(crate) fn new(media_type: &str, bytes: impl Into<Vec<u8>>) -> Self {
        let bytes = bytes.into();
        let digest = Digest::of(Algorithm::Sha256, &bytes);
        Self { media_type: media_type.to_owned(), bytes, digest }
    }

    /// The same content under its sha512 digest.
    pub(crate) fn by_sha512(&self) -> Self {
        Self { digest: Digest::of(Algorithm::Sha512, &self.bytes), ..self.clone() }
    }

    pub(crate) fn descriptor(&self) -> Value {
        json!({"mediaType": self.media_type, "digest": self.digest.as_str(), "size": self.bytes.len()})
    }
}

/// A layer with this text in it.
pub(crate) fn blob(text: &str) -> Content {
    Content::new(LAYER, text)
}

/// A layer of so many bytes without a pattern, always the same ones.
pub(crate) fn noise(len: usize) -> Content {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let bytes = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    });
    Content::new(LAYER, bytes.take(len).collect::<Vec<u8>>())
}

/// A config with this text in it.
pub(crate) fn config(text: &str) -> Content {
    Content::new(CONFIG, format!("{{\"author\":\"{text}\"}}"))
}

/// An image manifest, to be changed before it is made [`manifest`].
pub(crate) fn image(config: &Content, layers: &[&Content]) -> Value {
    let layers: Vec<Value> = layers.iter().map(|layer| layer.descriptor()).collect();
    json!({"schemaVersion": 2, "mediaType": IMAGE, "config": config.descriptor(), "layers": layers})
}

/// An index, to be changed before it is made [`manifest`].
pub(crate) fn index(manifests: &[&Content]) -> Value {
    let manifests: Vec<Value> = manifests.iter().map(|manifest| manifest.descriptor()).collect();
    json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests})
}

/// The content of a manifest, of the type that it says it has.
pub(crate) fn manifest(value: &Value) -> Content {
    Content::new(value["mediaType"].as_str().unwrap(), serde_json::to_vec(value).unwrap())
}

/// An image of a config alone. Pushes nothing.
pub(crate) fn small_image(config: &Content) -> Content {
    manifest(&image(config, &[]))
}
