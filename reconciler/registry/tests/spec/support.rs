// SPDX-License-Identifier: AGPL-3.0-or-later
//! A registry in a directory of its own, served over HTTP on loopback, and a client that knows nothing
//! of the registry's insides.
//!
//! Guarantee: every answer that a test receives is held against the rules for all answers
//! ([`rules`](crate::rules)), whatever else the test looks at.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use shoal_http::listen::{self, Serving};
use shoal_oci::Digest;
use shoal_registry::access::{RegistryAuth, Users};
use shoal_registry::maintain::RootsSource;
use shoal_registry::metrics::RegistryMetrics;
use shoal_registry::policy::Policy;
use shoal_registry::{Patience, Registry, RegistryConfig};
use shoal_registry_storage::{Clock, Options, Storage};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use url::Url;

use crate::between::{Between, through};
use crate::content::Content;
use crate::rules;

/// Whom a registry lets in and what it allows, where that is not the default.
pub(crate) struct Setup {
    auth: RegistryAuth,
    policy: Value,
    between: Option<Arc<Between>>,
}

/// A registry that listens.
pub(crate) struct Served {
    pub(crate) storage: Storage,
    pub(crate) clock: Arc<SetClock>,
    pub(crate) address: SocketAddr,
    base: Url,
    http: reqwest::Client,
    shutdown: CancellationToken,
    _directory: TempDir,
}

/// A request that was not sent yet.
pub(crate) struct Ask {
    what: String,
    request: reqwest::RequestBuilder,
}

/// An answer, read to its end.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) what: String,
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// A clock that goes on only when it is told to.
#[derive(Debug)]
pub(crate) struct SetClock(Mutex<Timestamp>);

/// Nothing collects in these tests.
struct NoRoots;

impl RootsSource for NoRoots {
    fn roots(&self) -> Option<BTreeSet<Digest>> {
        Some(BTreeSet::new())
    }
}

// === impl SetClock ===

impl SetClock {
    pub(crate) fn advance(&self, by: SignedDuration) {
        *self.0.lock().unwrap() += by;
    }
}

impl Clock for SetClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }
}

// === impl Setup ===

impl Setup {
    /// Accounts in the form of an htpasswd file.
    pub(crate) fn accounts(mut self, text: &str) -> Self {
        self.auth = RegistryAuth::Basic(Users::parse(text).unwrap());
        self
    }

    /// A policy as an operator writes it.
    pub(crate) fn policy(mut self, policy: Value) -> Self {
        self.policy = policy;
        self
    }

    /// Everything goes through this.
    pub(crate) fn between(mut self, between: &Arc<Between>) -> Self {
        self.between = Some(Arc::clone(between));
        self
    }
}

impl Default for Setup {
    fn default() -> Self {
        Self { auth: RegistryAuth::None, policy: json!({}), between: None }
    }
}

// === impl Served ===

impl Served {
    /// Everyone may do everything.
    pub(crate) async fn start() -> Self {
        Self::start_with(Setup::default()).await
    }

    pub(crate) async fn start_with(setup: Setup) -> Self {
        let mut policy = setup.policy;
        // How full the machine is that the tests run on is not what they are about.
        policy["minFree"] = json!("0%");
        // Files have the time of the machine, so the clock begins there too.
        let clock = Arc::new(SetClock(Mutex::new(Timestamp::now())));
        let config = RegistryConfig {
            policy: Policy::from_value(policy).unwrap(),
            auth: setup.auth,
            tokens: None,
            clock: Arc::<SetClock>::clone(&clock),
            roots: Arc::new(NoRoots),
            metrics: RegistryMetrics::register(&prometheus::Registry::new()).unwrap(),
            patience: Patience::default(),
        };
        let directory = tempfile::tempdir().unwrap();
        let storage = Storage::open(directory.path(), Options::new(Arc::<SetClock>::clone(&clock))).unwrap();
        let registry = Registry::new(storage.clone(), config);
        let (listener, address) = listen::listen(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
        let shutdown = CancellationToken::new();
        let serving = Serving { shutdown: shutdown.clone(), tasks: TaskTracker::new() };
        serving.tcp(listener, None, through(registry.router(), setup.between));
        let base = Url::parse(&format!("http://{address}/")).unwrap();
        Self { storage, clock, address, base, http: client(), shutdown, _directory: directory }
    }

    /// A request to a path with its query, or to a location as an answer gave it.
    pub(crate) fn ask(&self, method: Method, target: &str) -> Ask {
        let url = self.base.join(target).unwrap();
        Ask { what: format!("{method} {target}"), request: self.http.request(method, url) }
    }

    pub(crate) async fn get(&self, target: &str) -> Answer {
        self.ask(Method::GET, target).send().await
    }

    pub(crate) async fn head(&self, target: &str) -> Answer {
        self.ask(Method::HEAD, target).send().await
    }

    pub(crate) async fn delete(&self, target: &str) -> Answer {
        self.ask(Method::DELETE, target).send().await
    }

    /// A POST with nothing in it.
    pub(crate) async fn post(&self, target: &str) -> Answer {
        self.ask(Method::POST, target).body(b"").send().await
    }

    /// The location of a new upload.
    pub(crate) async fn upload(&self, repository: &str) -> String {
        self.post(&format!("/v2/{repository}/blobs/uploads/")).await.expect(202).location()
    }

    /// One chunk, with the range it has.
    pub(crate) async fn chunk(&self, location: &str, first: usize, bytes: &[u8]) -> Answer {
        let range = format!("{first}-{}", first + bytes.len() - 1);
        self.ask(Method::PATCH, location).header("content-range", &range).body(bytes).send().await
    }

    /// The PUT that closes an upload, with what is still missing.
    pub(crate) async fn close(&self, location: &str, digest: &Digest, rest: &[u8]) -> Answer {
        self.ask(Method::PUT, &with_digest(location, digest.as_str())).body(rest).send().await
    }

    /// A blob is in the repository after this.
    pub(crate) async fn push_blob(&self, repository: &str, blob: &Content) {
        let location = self.upload(repository).await;
        self.close(&location, &blob.digest, &blob.bytes).await.expect(201);
    }

    pub(crate) async fn push_blobs(&self, repository: &str, blobs: &[&Content]) {
        for blob in blobs {
            self.push_blob(repository, blob).await;
        }
    }

    /// The PUT of a manifest under a tag or digest, which may have a query.
    pub(crate) async fn put_manifest(&self, repository: &str, reference: &str, manifest: &Content) -> Answer {
        let target = format!("/v2/{repository}/manifests/{reference}");
        let ask = self.ask(Method::PUT, &target).header("content-type", &manifest.media_type);
        ask.body(&manifest.bytes).send().await
    }

    /// A manifest is in the repository, by its digest, after this.
    pub(crate) async fn push(&self, repository: &str, manifest: &Content) {
        self.put_manifest(repository, manifest.digest.as_str(), manifest).await.expect(201);
    }

    pub(crate) async fn get_manifest(&self, repository: &str, reference: impl std::fmt::Display) -> Answer {
        self.get(&format!("/v2/{repository}/manifests/{reference}")).await
    }

    pub(crate) async fn get_blob(&self, repository: &str, digest: &Digest) -> Answer {
        self.get(&format!("/v2/{repository}/blobs/{digest}")).await
    }

    pub(crate) async fn get_referrers(&self, repository: &str, subject: &Digest) -> Answer {
        self.get(&format!("/v2/{repository}/referrers/{subject}")).await
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

/// No redirects, no proxy, nothing decoded: what arrives is what the registry sent.
fn client() -> reqwest::Client {
    reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .tls_backend_preconfigured(no_tls())
        .build()
        .unwrap()
}

/// The client must have a configuration for TLS although it meets none.
fn no_tls() -> rustls::ClientConfig {
    rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth()
}

/// A location with `digest` added to the query that it may have.
pub(crate) fn with_digest(location: &str, digest: &str) -> String {
    let joint = if location.contains('?') { '&' } else { '?' };
    format!("{location}{joint}digest={digest}")
}

// === impl Ask ===

impl Ask {
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.request = self.request.header(name, value);
        self
    }

    pub(crate) fn login(mut self, user: &str, password: &str) -> Self {
        self.request = self.request.basic_auth(user, Some(password));
        self
    }

    pub(crate) fn body(mut self, bytes: &[u8]) -> Self {
        self.request = self.request.body(bytes.to_vec());
        self
    }

    /// A body in parts, whose length is not told beforehand.
    pub(crate) fn stream(mut self, parts: Vec<Vec<u8>>) -> Self {
        let parts = parts.into_iter().map(Ok::<_, std::io::Error>);
        self.request = self.request.body(reqwest::Body::wrap_stream(futures_util::stream::iter(parts)));
        self
    }

    pub(crate) async fn send(self) -> Answer {
        let response = self.request.send().await.unwrap_or_else(|error| panic!("{}: {error:?}", self.what));
        let (status, headers) = (response.status(), response.headers().clone());
        let body = response.bytes().await.unwrap_or_else(|error| panic!("{}: {error:?}", self.what));
        let answer = Answer { what: self.what, status, headers, body };
        if let Some(breach) = rules::breach(&answer) {
            panic!("{breach}: {answer:?}");
        }
        answer
    }
}

// === impl Answer ===

impl Answer {
    /// The answer itself, where it has this status.
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status.as_u16(), status, "{}: {}", self.what, self.text());
        self
    }

    /// The answer itself, where it is an error with this status and code.
    #[track_caller]
    pub(crate) fn refused(self, status: u16, code: &str) -> Self {
        assert_eq!(self.status.as_u16(), status, "{}: {}", self.what, self.text());
        assert_eq!(self.codes(), [code], "{}: {}", self.what, self.text());
        self
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{}: {error}: {}", self.what, self.text()))
    }

    /// The codes of an error.
    #[track_caller]
    pub(crate) fn codes(&self) -> Vec<String> {
        let json = self.json();
        let errors = json["errors"].as_array().unwrap_or_else(|| panic!("{}: {json}", self.what));
        errors.iter().map(|error| error["code"].as_str().unwrap().to_owned()).collect()
    }

    /// A header that is there once, or not at all.
    #[track_caller]
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.get_all(name).iter();
        let value = values.next().map(|value| value.to_str().unwrap());
        assert!(values.next().is_none(), "{}: {name} is there twice", self.what);
        value
    }

    /// The members of a header that is a list, over all of its lines.
    pub(crate) fn list(&self, name: &str) -> Vec<String> {
        let lines = self.headers.get_all(name).iter().map(|value| value.to_str().unwrap());
        lines.flat_map(|line| line.split(',')).map(|member| member.trim().to_owned()).collect()
    }

    #[track_caller]
    pub(crate) fn location(&self) -> String {
        self.header("location").unwrap_or_else(|| panic!("{} gave no location", self.what)).to_owned()
    }

    /// Where `Link: <…>; rel="next"` leads (RFC 5988, section 5).
    #[track_caller]
    pub(crate) fn next(&self) -> Option<String> {
        let link = self.header("link")?;
        let (target, parameters) = link.strip_prefix('<').unwrap().split_once('>').unwrap();
        assert_eq!(parameters.replace(' ', ""), ";rel=\"next\"", "{}: {link}", self.what);
        Some(target.to_owned())
    }

    /// The position of the last byte that an upload has, out of `Range: 0-<end>`.
    #[track_caller]
    pub(crate) fn end_of_range(&self) -> u64 {
        let range = self.header("range").unwrap_or_else(|| panic!("{} gave no range", self.what));
        let end = range.strip_prefix("0-").unwrap_or_else(|| panic!("{}: {range}", self.what));
        end.parse().unwrap_or_else(|_| panic!("{}: {range}", self.what))
    }
}
