// SPDX-License-Identifier: AGPL-3.0-or-later
//! A controller on a loopback port: scripted answers in, recorded requests out.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use rcgen::{CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};
use serde_json::{Value, json};
use shoal_schema::Sha256;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::rustls::{self, ServerConfig};
use tokio_rustls::server::TlsStream;

/// A request as it came in.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    /// Path segment behind the route: a job or a machine.
    pub(crate) subject: String,
    /// `Authorization` or `X-Webhook-Secret`.
    pub(crate) credential: Option<String>,
    /// JSON.
    pub(crate) body: Value,
}

#[derive(Default)]
struct Inner {
    permits: VecDeque<(u16, Value)>,
    webhooks: VecDeque<(u16, Value)>,
    permits_seen: Vec<Seen>,
    webhooks_seen: Vec<Seen>,
    progress: watch::Sender<Option<Seen>>,
}

/// The controller. It ends when it is dropped.
pub(crate) struct Controller {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// SHA-256 of its public key, where it speaks TLS.
    pub(crate) pin: Option<String>,
    /// SHA-256 of the public key that signed its certificate.
    pub(crate) authority_pin: Option<String>,
    inner: Arc<Mutex<Inner>>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Controller {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Controller {
    /// Plain HTTP.
    pub(crate) async fn plain() -> Self {
        let (inner, listener, address) = Self::listen().await;
        let router = router(inner.clone());
        let task = tokio::spawn(async move { axum::serve(listener, router).await.expect("it serves") });
        Self { address, pin: None, authority_pin: None, inner, task }
    }

    /// TLS with a certificate of its own that expired in 1999 and names another host, signed by an authority that
    /// is sent along.
    pub(crate) async fn tls() -> Self {
        let (inner, listener, address) = Self::listen().await;
        let router = router(inner.clone());
        let authority_key = KeyPair::generate().expect("a key");
        let mut authority = CertificateParams::new(Vec::new()).expect("parameters");
        authority.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        (authority.not_before, authority.not_after) = (date_time_ymd(1990, 1, 1), date_time_ymd(2000, 1, 1));
        let authority_certificate = authority.self_signed(&authority_key).expect("signed").der().clone();
        let authority_pin = pin(&authority_key);
        let issuer = Issuer::new(authority, authority_key);
        let key = KeyPair::generate().expect("a key");
        let mut leaf = CertificateParams::new(vec!["elsewhere.example".to_owned()]).expect("parameters");
        (leaf.not_before, leaf.not_after) = (date_time_ymd(1998, 1, 1), date_time_ymd(1999, 1, 1));
        let certificate = leaf.signed_by(&key, &issuer).expect("signed").der().clone();
        let own_pin = pin(&key);
        let acceptor = acceptor(vec![certificate, authority_certificate], &key);
        let task = tokio::spawn(async move {
            axum::serve(TlsListener { listener, acceptor }, router).await.expect("it serves");
        });
        Self { address, pin: Some(own_pin), authority_pin: Some(authority_pin), inner, task }
    }

    async fn listen() -> (Arc<Mutex<Inner>>, TcpListener, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        (Arc::default(), listener, address)
    }

    /// Scheme, host and port.
    pub(crate) fn url(&self) -> String {
        let scheme = if self.pin.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.address)
    }

    /// What it says to permit requests, in order; the last answer is repeated.
    pub(crate) fn permits(&self, answers: impl IntoIterator<Item = (u16, Value)>) {
        self.inner.lock().unwrap().permits = answers.into_iter().collect();
    }

    /// What it says to webhooks, in order; the last answer is repeated.
    pub(crate) fn webhooks(&self, answers: impl IntoIterator<Item = (u16, Value)>) {
        self.inner.lock().unwrap().webhooks = answers.into_iter().collect();
    }

    /// Permit requests so far.
    pub(crate) fn permits_seen(&self) -> Vec<Seen> {
        self.inner.lock().unwrap().permits_seen.clone()
    }

    /// The newest progress, as soon as there is any.
    pub(crate) async fn heard_progress(&self) -> Seen {
        let mut heard = self.inner.lock().unwrap().progress.subscribe();
        let heard = heard.wait_for(Option::is_some).await.expect("it goes on");
        heard.clone().expect("there is some")
    }

    /// Webhooks so far.
    pub(crate) fn webhooks_seen(&self) -> Vec<Seen> {
        self.inner.lock().unwrap().webhooks_seen.clone()
    }
}

/// SHA-256 of a key's SubjectPublicKeyInfo.
pub(crate) fn pin(key: &KeyPair) -> String {
    use rcgen::PublicKeyData as _;
    Sha256::of(&key.subject_public_key_info()).hex()
}

fn acceptor(chain: Vec<CertificateDer<'static>>, key: &KeyPair) -> TlsAcceptor {
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .expect("a key that fits");
    TlsAcceptor::from(Arc::new(config))
}

struct TlsListener {
    listener: TcpListener,
    acceptor: TlsAcceptor,
}

impl axum::serve::Listener for TlsListener {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            let Ok((stream, address)) = self.listener.accept().await else { continue };
            // A client that does not like the certificate hangs up here.
            if let Ok(stream) = self.acceptor.accept(stream).await {
                return (stream, address);
            }
        }
    }

    fn local_addr(&self) -> std::io::Result<Self::Addr> {
        self.listener.local_addr()
    }
}

fn router(inner: Arc<Mutex<Inner>>) -> Router {
    Router::new()
        .route("/api/v1/jobs/{job}/permit", post(permit))
        .route("/api/v1/jobs/{job}/progress", post(progress))
        .route("/api/v1/status-webhook/{machine}", post(webhook))
        .with_state(inner)
}

async fn permit(
    State(inner): State<Arc<Mutex<Inner>>>,
    Path(subject): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let mut inner = inner.lock().unwrap();
    let seen = seen(subject, &headers, "authorization", &body);
    inner.permits_seen.push(seen);
    answer(&mut inner.permits)
}

async fn progress(
    State(inner): State<Arc<Mutex<Inner>>>,
    Path(subject): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let seen = seen(subject, &headers, "authorization", &body);
    inner.lock().unwrap().progress.send_replace(Some(seen));
    json!({"ok": true}).to_string().into_response()
}

async fn webhook(
    State(inner): State<Arc<Mutex<Inner>>>,
    Path(subject): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let mut inner = inner.lock().unwrap();
    let seen = seen(subject, &headers, "x-webhook-secret", &body);
    inner.webhooks_seen.push(seen);
    if inner.webhooks.is_empty() {
        inner.webhooks.push_back((200, json!({"ok": true})));
    }
    answer(&mut inner.webhooks)
}

fn seen(subject: String, headers: &HeaderMap, credential: &str, body: &[u8]) -> Seen {
    let credential = headers.get(credential).and_then(|value| value.to_str().ok()).map(str::to_owned);
    Seen { subject, credential, body: serde_json::from_slice(body).expect("JSON") }
}

fn answer(script: &mut VecDeque<(u16, Value)>) -> Response {
    let next = if script.len() > 1 { script.pop_front() } else { script.front().cloned() };
    let (status, body) =
        next.unwrap_or((404, json!({"error": "not_found", "message": "nothing is scripted"})));
    let mut response = (StatusCode::from_u16(status).expect("a status"), body.to_string()).into_response();
    if let Some(location) = body["location"].as_str() {
        response.headers_mut().insert("location", location.parse().expect("a header"));
    }
    response
}
