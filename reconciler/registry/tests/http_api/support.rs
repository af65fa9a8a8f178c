// SPDX-License-Identifier: AGPL-3.0-or-later
//! A registry on a port of this machine, and ways to talk to it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};
use shoal_http::listen::{Serving, listen};
use shoal_oci::{Algorithm, Digest, media_type};
use shoal_registry::access::{JobTokens, RegistryAuth};
use shoal_registry::maintain::{NoRoots, RootsSource};
use shoal_registry::metrics::RegistryMetrics;
use shoal_registry::policy::Policy;
use shoal_registry::{Patience, Registry, RegistryConfig};
use shoal_registry_storage::disk::Disk;
use shoal_registry_storage::{Clock, Options, Storage};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// What a registry under test is set up with.
pub(crate) struct Setup {
    pub(crate) policy: Value,
    pub(crate) auth: RegistryAuth,
    pub(crate) tokens: Option<Arc<dyn JobTokens>>,
    pub(crate) patience: Patience,
    pub(crate) disk: Option<Arc<dyn Disk>>,
    pub(crate) roots: Arc<dyn RootsSource>,
}

/// A registry that listens.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) metrics: prometheus::Registry,
    registry: Registry,
    serving: Serving,
    client: reqwest::Client,
    root: PathBuf,
    directory: Option<tempfile::TempDir>,
}

/// A connection on which the test writes the bytes itself.
pub(crate) struct Raw {
    pub(crate) stream: TcpStream,
}

/// The time of this machine.
#[derive(Debug)]
struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> jiff::Timestamp {
        jiff::Timestamp::now()
    }
}

// === impl Setup ===

impl Default for Setup {
    fn default() -> Self {
        // The disk that the tests run on may be nearly full.
        let policy = json!({"minFree": "0%"});
        Self {
            policy,
            auth: RegistryAuth::None,
            tokens: None,
            patience: Patience::default(),
            disk: None,
            roots: Arc::new(NoRoots),
        }
    }
}

impl Setup {
    /// With a policy.
    pub(crate) fn policy(mut policy: Value) -> Self {
        let fields = policy.as_object_mut().unwrap();
        fields.entry("minFree").or_insert_with(|| json!("0%"));
        Self { policy, ..Self::default() }
    }
}

// === impl Server ===

impl Server {
    /// A registry on an empty directory.
    pub(crate) async fn start() -> Self {
        Self::with(Setup::default()).await
    }

    /// A registry on an empty directory, set up like this.
    pub(crate) async fn with(setup: Setup) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut server = Self::on(directory.path(), setup).await;
        server.directory = Some(directory);
        server
    }

    async fn on(root: &Path, setup: Setup) -> Self {
        let metrics = prometheus::Registry::new();
        let mut options = Options::new(Arc::new(SystemClock));
        if let Some(disk) = setup.disk {
            options.disk = disk;
        }
        let config = RegistryConfig {
            policy: Policy::from_value(setup.policy).unwrap(),
            auth: setup.auth,
            tokens: setup.tokens,
            clock: Arc::clone(&options.clock),
            roots: setup.roots,
            metrics: RegistryMetrics::register(&metrics).unwrap(),
            patience: setup.patience,
        };
        let storage = Storage::open(root, options).unwrap();
        let registry = Registry::new(storage, config);
        let serving = Serving { shutdown: CancellationToken::new(), tasks: TaskTracker::new() };
        let (listener, address) = listen(([127, 0, 0, 1], 0).into()).await.unwrap();
        serving.tcp(listener, None, registry.router());
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(rustls::RootCertStore::empty())
            .with_no_client_auth();
        let client = reqwest::Client::builder().no_proxy().tls_backend_preconfigured(tls).build().unwrap();
        Self { address, metrics, registry, serving, client, root: root.to_owned(), directory: None }
    }

    /// Stops it, and starts another one on the same directory.
    pub(crate) async fn restart(mut self, setup: Setup) -> Self {
        let (root, directory) = (self.root.clone(), self.directory.take());
        self.stop().await;
        let mut server = Self::on(&root, setup).await;
        server.directory = directory;
        server
    }

    async fn stop(self) {
        self.serving.shutdown.cancel();
        self.serving.tasks.close();
        self.serving.tasks.wait().await;
        self.registry.settled().await;
    }

    /// Exchanges the policy while it runs.
    pub(crate) fn replace(&self, setup: Setup) {
        self.registry.replace(setup.auth, Policy::from_value(setup.policy).unwrap());
    }

    /// A request to a path.
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("http://{}{path}", self.address))
    }

    pub(crate) async fn get(&self, path: &str) -> Response {
        self.request(Method::GET, path).send().await.unwrap()
    }

    pub(crate) async fn head(&self, path: &str) -> Response {
        self.request(Method::HEAD, path).send().await.unwrap()
    }

    pub(crate) async fn post(&self, path: &str) -> Response {
        self.request(Method::POST, path).send().await.unwrap()
    }

    pub(crate) async fn delete(&self, path: &str) -> Response {
        self.request(Method::DELETE, path).send().await.unwrap()
    }

    /// Begins an upload; returns its location.
    pub(crate) async fn begin(&self, repository: &str) -> String {
        let response = self.post(&format!("/v2/{repository}/blobs/uploads/")).await;
        assert_eq!(response.status(), StatusCode::ACCEPTED);
        header(&response, "location")
    }

    /// Sends a chunk with its range.
    pub(crate) async fn chunk(&self, location: &str, first: usize, bytes: &[u8]) -> Response {
        let last = first + bytes.len() - 1;
        let request =
            self.request(Method::PATCH, location).header("content-range", format!("{first}-{last}"));
        request.body(bytes.to_vec()).send().await.unwrap()
    }

    /// Ends an upload with a body, which may be empty.
    pub(crate) async fn finish(&self, location: &str, digest: &str, body: &[u8]) -> Response {
        let request = self.request(Method::PUT, &format!("{location}?digest={digest}"));
        request.body(body.to_vec()).send().await.unwrap()
    }

    /// Pushes a blob in one request.
    pub(crate) async fn push_blob(&self, repository: &str, bytes: &[u8]) -> Digest {
        let digest = sha256(bytes);
        let path = format!("/v2/{repository}/blobs/uploads/?digest={digest}");
        let response = self.request(Method::POST, &path).body(bytes.to_vec()).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::CREATED);
        digest
    }

    /// Pushes a manifest with the media type that it names.
    pub(crate) async fn push_manifest(
        &self,
        repository: &str,
        reference: &str,
        manifest: &Value,
    ) -> Response {
        let media_type = manifest["mediaType"].as_str().unwrap_or(media_type::IMAGE_MANIFEST).to_owned();
        let request = self.request(Method::PUT, &format!("/v2/{repository}/manifests/{reference}"));
        request.header("content-type", media_type).body(manifest.to_string()).send().await.unwrap()
    }

    /// Pushes an image of one layer under a tag; returns the manifest and its digest.
    pub(crate) async fn push_image(&self, repository: &str, tag: &str) -> (Value, Digest) {
        let config = self.push_blob(repository, b"{}").await;
        let layer = self.push_blob(repository, tag.as_bytes()).await;
        let manifest = image(&config, 2, &[(&layer, tag.len())]);
        let response = self.push_manifest(repository, tag, &manifest).await;
        assert_eq!(response.status(), StatusCode::CREATED);
        let digest = sha256(manifest.to_string().as_bytes());
        (manifest, digest)
    }

    /// How many uploads there are on disk.
    pub(crate) fn uploads_on_disk(&self) -> usize {
        std::fs::read_dir(self.root.join("uploads")).unwrap().count()
    }

    /// The file of a blob.
    pub(crate) fn blob_file(&self, digest: &Digest) -> PathBuf {
        self.root.join("blobs").join(digest.algorithm().as_str()).join(digest.hex())
    }

    /// Flips a bit of a blob on disk.
    pub(crate) fn damage(&self, digest: &Digest, at: usize) {
        let file = self.blob_file(digest);
        let mut bytes = std::fs::read(&file).unwrap();
        bytes[at] ^= 1;
        std::fs::write(&file, bytes).unwrap();
    }

    /// A connection of its own.
    pub(crate) async fn raw(&self) -> Raw {
        Raw { stream: TcpStream::connect(self.address).await.unwrap() }
    }

    /// Waits until so many uploads receive.
    pub(crate) async fn until_receiving(&self, uploads: i64) {
        let now = || {
            let families = self.metrics.gather();
            let family = families.iter().find(|family| family.name().ends_with("_inflight_uploads")).unwrap();
            family.get_metric()[0].get_gauge().get_value() as i64
        };
        until(async || now() == uploads).await;
    }

    /// Waits until an upload has so many bytes and nobody writes to it.
    pub(crate) async fn until_received(&self, location: &str, range: &str) {
        until(async || header(&self.get(location).await, "range") == range).await;
    }
}

// === impl Raw ===

impl Raw {
    /// Writes text.
    pub(crate) async fn send(&mut self, text: &str) {
        self.stream.write_all(text.as_bytes()).await.unwrap();
    }

    /// Writes a byte every so often until there is an answer: its head.
    pub(crate) async fn trickle(&mut self, every: Duration) -> String {
        let (mut read, mut write) = self.stream.split();
        let trickle = async {
            loop {
                // The other side may close while this still writes.
                let _ = write.write_all(b"x").await;
                tokio::time::sleep(every).await;
            }
        };
        let mut text = Vec::new();
        let answer = async {
            while !text.ends_with(b"\r\n\r\n") {
                text.push(read.read_u8().await.unwrap());
            }
        };
        tokio::select! {
            () = answer => {}
            () = trickle => {}
        }
        String::from_utf8(text).unwrap()
    }

    /// Reads up to the end of a head.
    pub(crate) async fn head(&mut self) -> String {
        let mut text = Vec::new();
        while !text.ends_with(b"\r\n\r\n") {
            text.push(self.stream.read_u8().await.unwrap());
        }
        String::from_utf8(text).unwrap()
    }

    /// Reads until the other side closes.
    pub(crate) async fn rest(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let _ = self.stream.read_to_end(&mut bytes).await;
        bytes
    }
}

/// Waits until something is so. The limit is for what would never be so.
pub(crate) async fn until(so: impl AsyncFn() -> bool) {
    let wait = async {
        while !so().await {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), wait).await.expect("it never came to that");
}

// === content ===

pub(crate) fn sha256(bytes: &[u8]) -> Digest {
    Digest::of(Algorithm::Sha256, bytes)
}

/// Bytes that do not repeat.
pub(crate) fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

/// An image manifest.
pub(crate) fn image(config: &Digest, config_size: usize, layers: &[(&Digest, usize)]) -> Value {
    let layers: Vec<Value> = layers
        .iter()
        .map(|(digest, size)| json!({"mediaType": media_type::LAYER_TAR, "digest": digest.as_str(), "size": size}))
        .collect();
    json!({
        "schemaVersion": 2,
        "mediaType": media_type::IMAGE_MANIFEST,
        "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": config.as_str(), "size": config_size},
        "layers": layers,
    })
}

/// A header's text; empty where it is missing.
pub(crate) fn header(response: &Response, name: &str) -> String {
    response.headers().get(name).map_or("", |value| value.to_str().unwrap()).to_owned()
}

/// Status and code of a refusal, whose body has the form of the specification.
pub(crate) async fn refusal(response: Response) -> (u16, String) {
    let (status, code, _) = refusal_in_full(response).await;
    (status, code)
}

/// Status, code and message of a refusal.
pub(crate) async fn refusal_in_full(response: Response) -> (u16, String, String) {
    let status = response.status().as_u16();
    assert_eq!(header(&response, "content-type"), "application/json");
    let body: Value = response.json().await.unwrap();
    let error = &body["errors"][0];
    let text = |field: &str| error[field].as_str().unwrap().to_owned();
    (status, text("code"), text("message"))
}
