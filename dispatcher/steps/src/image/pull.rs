// SPDX-License-Identifier: AGPL-3.0-or-later
//! The image in its registry: which blob it is, and its bytes as a stream whose digest is verified on the way.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use shoal_dispatcher::endpoint::Endpoint;
use shoal_dispatcher::output::REGISTRY_TOKEN;
use shoal_oci::{
    Descriptor, Digest, ImageReference, Manifest, ManifestKind, Reference, RepositoryName, media_type,
};
use shoal_registry_client::{
    BlobPull, Client, ClientOptions, Credentials, ProgressUpdate, Retries, Stage, select_platform,
};
use shoal_schema::SecretString;
use shoal_schema::wire::task::Callback;
use shoal_tls::Trust;
use tokio::io::AsyncWrite;

use super::error::ImageError;
use super::pipe::PipeWriter;
use crate::progress::Progress;
use crate::provision::{Packing, Provision};

/// The largest image that is pulled, in bytes.
const LARGEST: u64 = 1 << 40;
/// A registry that falls silent is waited for: with these waits for at least ten minutes, in which a switch or a
/// controller starts again. Giving up costs the attempt, and all that was written.
const PATIENCE: Retries = Retries {
    attempts: 45,
    unanswered: 1,
    first_wait: Duration::from_millis(500),
    longest_wait: Duration::from_secs(15),
};

/// Where an image is, and how one gets in.
pub struct ImageSource {
    /// Connections live on the runtime that made them, so there is one for all calls.
    runtime: tokio::runtime::Runtime,
    client: Client,
    repository: RepositoryName,
    reference: Reference,
    packing: Packing,
}

/// One blob that is the image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The manifest that names it.
    pub manifest: Digest,
    /// The blob.
    pub layer: Descriptor,
}

impl ImageSource {
    /// Reads where the image is. A token in the provision directory means that the registry is the controller's own:
    /// it is known by the pins of the task, and by nothing else.
    pub fn new(provision: &Provision) -> Result<Self, ImageError> {
        let text = provision.variable("OCI_URL").ok_or(ImageError::NoReference)?;
        let bad = |problem: String| ImageError::Reference { reference: text.to_owned(), problem };
        let image = ImageReference::parse(text).map_err(|error| bad(error.to_string()))?;
        let packing = provision.packing()?;
        let token = provision.file(REGISTRY_TOKEN)?;
        let url = provision.variable("CALLBACK_URL").unwrap_or_default();
        let pins = provision.variable("CALLBACK_PINS").unwrap_or_default();
        let callback =
            Callback { url: url.to_owned(), pins: pins.split_whitespace().map(str::to_owned).collect() };
        let controller = Endpoint::try_from(&callback).ok();
        let is_own = token.is_some()
            || controller.as_ref().and_then(|endpoint| authority(endpoint.base())).as_deref()
                == Some(image.registry.as_str());
        let mut options = ClientOptions::new(Trust::System);
        options.retries = PATIENCE;
        if is_own {
            // The permit came from there a moment ago: its address is right.
            options.retries.unanswered = PATIENCE.attempts;
            let controller =
                controller.ok_or_else(|| bad("the controller's address is not known".to_owned()))?;
            if !controller.pins().is_empty() {
                options.trust = Trust::Pins(controller.pins().to_vec());
            }
        }
        if let Some(token) = token {
            let token = String::from_utf8_lossy(&token).trim().to_owned();
            options.credentials = Some(Credentials::Bearer(SecretString::new(token)));
        }
        let client = Client::new(&image.registry, options).map_err(ImageError::Pull)?;
        let reference = match (image.digest, image.tag) {
            (Some(digest), _) => Reference::Digest(digest),
            (None, Some(tag)) => Reference::Tag(tag),
            (None, None) => return Err(bad("it has neither a tag nor a digest".to_owned())),
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(ImageError::Start)?;
        Ok(Self { runtime, client, repository: image.repository, reference, packing })
    }

    /// The digest that the plan pinned; nothing where it named a tag.
    pub fn pinned(&self) -> Option<&Digest> {
        match &self.reference {
            Reference::Digest(digest) => Some(digest),
            Reference::Tag(_) => None,
        }
    }

    /// Finds the blob. Blocks.
    pub fn find(&self) -> Result<Found, ImageError> {
        self.runtime.block_on(self.look())
    }

    async fn look(&self) -> Result<Found, ImageError> {
        let mut pulled = self.client.pull_manifest(&self.repository, &self.reference).await?;
        let manifest = pulled.digest.clone();
        if pulled.manifest.kind == ManifestKind::Index {
            let one = select_platform(&pulled.manifest, "linux", architecture());
            let one = one.ok_or(ImageError::NoPlatform { architecture: architecture() })?;
            let reference = Reference::Digest(one.digest.clone());
            pulled = self.client.pull_manifest(&self.repository, &reference).await?;
        }
        Ok(Found { manifest, layer: only_layer(&pulled.manifest, self.packing)?.clone() })
    }

    /// Streams the blob into a pipe. The pipe ends only if the digest fits. Blocks.
    pub fn stream(
        &self,
        layer: &Descriptor,
        to: PipeWriter,
        progress: &Arc<Progress>,
    ) -> Result<(), ImageError> {
        let blob = BlobPull {
            repository: &self.repository,
            digest: &layer.digest,
            size: Some(layer.size),
            limit: LARGEST,
        };
        let mut writer = BlockingWriter(to);
        let watcher = Arc::new(Watcher(Arc::clone(progress)));
        self.runtime.block_on(self.client.pull_blob(&blob, &mut writer, &(watcher as _)))?;
        writer.0.end().map_err(ImageError::Pipe)
    }
}

/// `HOST:PORT`, as an image reference has it.
fn authority(url: &url::Url) -> Option<String> {
    let host = url.host_str()?;
    Some(url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}")))
}

/// This machine, as images are named by it.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

/// The one layer of an image, if it is of the kind that the recipe says.
fn only_layer(manifest: &Manifest, packing: Packing) -> Result<&Descriptor, ImageError> {
    let [layer] = &manifest.layers[..] else {
        return Err(ImageError::Layers { count: manifest.layers.len() });
    };
    let raw = [media_type::RAW_DISK, media_type::RAW_DISK_GZIP, media_type::RAW_DISK_ZSTD];
    let is_raw = raw.iter().any(|known| media_type::same(known, &layer.media_type));
    let other = [media_type::WIM, media_type::ISO];
    let is_other = other.iter().any(|known| media_type::same(known, &layer.media_type));
    if is_other || is_raw != (packing == Packing::RawDisk) {
        return Err(ImageError::MediaType { media_type: layer.media_type.clone(), packing });
    }
    Ok(layer)
}

/// Writes into a pipe that may be full. The thread that pulls does nothing else, so it may wait.
struct BlockingWriter(PipeWriter);

impl AsyncWrite for BlockingWriter {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(self.0.write(bytes).map(|()| bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

struct Watcher(Arc<Progress>);

impl shoal_registry_client::Progress for Watcher {
    fn update(&self, update: ProgressUpdate<'_>) {
        if update.stage == Stage::Waiting {
            tracing::warn!(bytes = update.done, "the registry does not answer; goes on here when it does");
        }
        self.0.came(update.done, update.total.unwrap_or_default());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(layers: &[&str]) -> Manifest {
        let layers: Vec<_> = layers
            .iter()
            .map(|kind| {
                serde_json::json!({"mediaType": kind, "size": 1, "digest": format!("sha256:{}", "0".repeat(64))})
            })
            .collect();
        let text = serde_json::json!({
            "schemaVersion": 2,
            "mediaType": media_type::IMAGE_MANIFEST,
            "config": {"mediaType": media_type::EMPTY_JSON, "size": 2, "digest": format!("sha256:{}", "1".repeat(64))},
            "layers": layers,
        });
        Manifest::read(media_type::IMAGE_MANIFEST, text.to_string().as_bytes()).expect("a manifest")
    }

    #[test]
    fn an_image_is_one_layer_of_the_kind_that_the_recipe_says() {
        let is = |layers: &[&str], packing| only_layer(&manifest(layers), packing).is_ok();
        assert!(is(&[media_type::LAYER_TAR_ZSTD], Packing::RootfsTar));
        assert!(is(&[media_type::RAW_DISK_ZSTD], Packing::RawDisk));
        assert!(!is(&[media_type::RAW_DISK_ZSTD], Packing::RootfsTar));
        assert!(!is(&[media_type::LAYER_TAR], Packing::RawDisk));
        assert!(!is(&[media_type::WIM], Packing::RootfsTar));
        assert!(!is(&[], Packing::RootfsTar));
        assert!(!is(&[media_type::LAYER_TAR, media_type::LAYER_TAR], Packing::RootfsTar));
    }

    #[test]
    fn a_silent_registry_is_waited_for_ten_minutes() {
        let wait = |n: u32| PATIENCE.first_wait.saturating_mul(1 << n.min(16)).min(PATIENCE.longest_wait);
        let waited: Duration = (0..PATIENCE.attempts).map(wait).sum();
        assert!(waited >= Duration::from_secs(600), "{waited:?}");
    }

    #[test]
    fn the_controller_is_known_by_host_and_port() {
        let of = |url: &str| authority(&url.parse().expect("an address"));
        assert_eq!(of("https://10.0.0.1:8443/").as_deref(), Some("10.0.0.1:8443"));
        assert_eq!(of("https://shoal.example/").as_deref(), Some("shoal.example"));
    }
}
