// SPDX-License-Identifier: AGPL-3.0-or-later
//! A small controller: serves images by range, grants one permit per attempt and boot, takes one outcome.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, post};
use serde_json::{Value, json};
use shoal_dispatcher::endpoint::Pin;
use shoal_schema::Sha256;
use shoal_schema::wire::recipe::recipe_schema;
use shoal_taskiso::{
    Composed, DEFAULT_LIMIT, Iso, ReadAt as _, TaskFiles, TaskMedium, build, build_volume, raw_image,
};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// The job of every test.
pub(crate) const JOB: &str = "0123456789abcdef0123456789abcdef";
const LEDGER: &str = "fedcba9876543210fedcba9876543210";
const TOKEN: &str = "canary-token-of-the-job";
/// The image of every test.
pub(crate) const IMAGE: &str =
    "registry.example/os/debian@sha256:00000000000000000000000000000000000000000000000000000000000000aa";
/// What a machine's user-data holds.
pub(crate) const USER_DATA: &str = "#cloud-config\npassword: canary-password\n";

/// A webhook as it came in.
pub(crate) type Webhook = Value;

#[derive(Default)]
struct Inner {
    images: BTreeMap<String, Bytes>,
    ranges: u64,
    /// The attempt that runs.
    attempt: u32,
    /// Who has the permit: attempt and boot id.
    granted: Option<(u64, String)>,
    /// The job has ended.
    ended: bool,
    /// Says this to every permit request instead.
    answer: Option<Value>,
    requests: Vec<Value>,
    webhooks: Vec<Webhook>,
}

/// The controller. It ends when it is dropped.
pub(crate) struct Controller {
    address: SocketAddr,
    pins: Vec<String>,
    inner: Arc<Mutex<Inner>>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Controller {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Controller {
    pub(crate) async fn plain() -> Self {
        let (listener, address, inner) = Self::listen().await;
        let router = router(inner.clone());
        let task = tokio::spawn(async move { axum::serve(listener, router).await.expect("it serves") });
        Self { address, pins: Vec::new(), inner, task }
    }

    /// Over TLS; `pin` tells whether the task medium names the right key.
    pub(crate) async fn tls(pin: bool) -> Self {
        let (listener, address, inner) = Self::listen().await;
        let identity =
            shoal_testbed::tls::self_signed("controller", vec!["elsewhere".to_owned()]).expect("a key");
        let right = Pin::of_certificate(&identity.certificate).expect("a certificate");
        let pins = vec![if pin { right } else { Pin::from([7; 32]) }.to_string()];
        let router = router(inner.clone());
        let acceptor = TlsAcceptor::from(identity.config);
        let task = tokio::spawn(async move {
            axum::serve(TlsListener { listener, acceptor }, router).await.expect("it serves");
        });
        Self { address, pins, inner, task }
    }

    async fn listen() -> (TcpListener, SocketAddr, Arc<Mutex<Inner>>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        (listener, address, Arc::new(Mutex::new(Inner { attempt: 1, ..Inner::default() })))
    }

    fn url(&self) -> String {
        let scheme = if self.pins.is_empty() { "http" } else { "https" };
        format!("{scheme}://{}", self.address)
    }

    /// Puts an image where BMCs can fetch it.
    pub(crate) fn serve(&self, name: &str, bytes: Bytes) -> String {
        self.inner.lock().unwrap().images.insert(name.to_owned(), bytes);
        format!("{}/media/{name}", self.url())
    }

    /// The stand-in for a maintenance ISO.
    pub(crate) fn maintenance(&self) -> String {
        self.serve("maintenance.iso", maintenance().bytes)
    }

    /// The task medium of the attempt that runs now.
    pub(crate) fn task(&self, task: &Value, recipe: &Value) -> String {
        self.serve("task.iso", task_iso(task, recipe).bytes)
    }

    /// The same as an image for a USB slot.
    pub(crate) fn usb_task(&self, task: &Value, recipe: &Value) -> String {
        let raw = raw_image(&task_iso(task, recipe), 1 << 20).expect("padded");
        self.serve("task.img", raw.bytes)
    }

    /// Both in one image.
    pub(crate) fn composed(&self, task: &Value, recipe: &Value) -> String {
        let composed = Composed::new(maintenance().bytes, &task_iso(task, recipe)).expect("composed");
        let mut bytes = vec![0; composed.len() as usize];
        assert_eq!(composed.read_at(0, &mut bytes).expect("in memory"), bytes.len());
        self.serve("composed.iso", bytes.into())
    }

    /// A task for a machine with this serial.
    pub(crate) fn task_for(&self, serial: &str) -> Value {
        json!({
            "format": 1, "job_id": JOB, "attempt": self.inner.lock().unwrap().attempt, "epoch": 1,
            "ledger": LEDGER, "server": "web-01",
            "entry_digest": Sha256::of(b"entry"),
            "identity": {"serial": serial},
            "require_blank": false,
            "callback": {"url": self.url(), "pins": self.pins},
            "token": TOKEN,
            "on_failure": "off",
        })
    }

    /// The next attempt of the job.
    pub(crate) fn next_attempt(&self) {
        let mut inner = self.inner.lock().unwrap();
        inner.attempt += 1;
        inner.granted = None;
    }

    /// Says this to every permit request from now on.
    pub(crate) fn answers(&self, answer: Value) {
        self.inner.lock().unwrap().answer = Some(answer);
    }

    /// Judges permit requests by itself again.
    pub(crate) fn grants_again(&self) {
        self.inner.lock().unwrap().answer = None;
    }

    pub(crate) fn permit_requests(&self) -> Vec<Value> {
        self.inner.lock().unwrap().requests.clone()
    }

    pub(crate) fn webhooks(&self) -> Vec<Webhook> {
        self.inner.lock().unwrap().webhooks.clone()
    }

    pub(crate) fn range_requests(&self) -> u64 {
        self.inner.lock().unwrap().ranges
    }
}

/// The stamp of the job.
pub(crate) fn stamp() -> Value {
    json!({
        "job_id": JOB, "entry_digest": Sha256::of(b"entry"), "desired_digest": Sha256::of(b"desired"),
        "ledger": LEDGER, "record": 7, "server": "web-01", "granted_at": "2026-03-01T12:00:00Z",
    })
}

/// A recipe for Linux on any disk of at least 32 MiB.
pub(crate) fn linux() -> Value {
    json!({
        "task_target": "install-linux.target",
        "target_disk": {"minSize": "32M"},
        "oci_url": IMAGE,
        "partition_layout": [
            {"size": "8M", "type_guid": "ef00", "format": "vfat", "label": "esp"},
            {"size": "4M", "type_guid": "8200", "format": "swap", "label": "swap"},
            {"size": "100%", "type_guid": "8300", "format": "ext4", "label": "root"},
        ],
    })
}

fn maintenance() -> Iso {
    let mut files = TaskFiles::new();
    files.insert("efi/boot/bootx64.efi", "a stand-in for the kernel").expect("a legal name");
    files.insert("root.squashfs", vec![0x5a; 300_000]).expect("a legal name");
    build_volume("SHOAL_MAINTENANCE", &files, 0, 0, 1 << 20).expect("small")
}

fn task_iso(task: &Value, recipe: &Value) -> Iso {
    let mut files = TaskFiles::new();
    for (name, content) in
        [("task.json", task), ("recipe.json", recipe), ("recipe.schema.json", &recipe_schema())]
    {
        files.insert(name, content.to_string()).expect("a legal name");
    }
    build(&TaskMedium { job_id: JOB.to_owned(), files, epoch: 0, pad: 0, limit: DEFAULT_LIMIT })
        .expect("small")
}

fn router(inner: Arc<Mutex<Inner>>) -> Router {
    Router::new()
        .route("/media/{name}", any(media))
        .route("/api/v1/jobs/{job}/permit", post(permit))
        .route("/api/v1/status-webhook/{machine}", post(webhook))
        .with_state(inner)
}

async fn media(
    State(inner): State<Arc<Mutex<Inner>>>,
    Path(name): Path<String>,
    method: Method,
    headers: HeaderMap,
) -> Response {
    let mut inner = inner.lock().unwrap();
    let Some(image) = inner.images.get(&name).cloned() else { return StatusCode::NOT_FOUND.into_response() };
    if method == Method::HEAD {
        let len = image.len().to_string();
        return ([(header::CONTENT_LENGTH, len.as_str()), (header::ACCEPT_RANGES, "bytes")], Body::empty())
            .into_response();
    }
    let range = headers.get(header::RANGE).and_then(|range| range.to_str().ok()?.strip_prefix("bytes="));
    let Some((from, to)) = range.and_then(|range| range.split_once('-')) else {
        return image.into_response();
    };
    inner.ranges += 1;
    let from: usize = from.parse().expect("a number");
    let to = to.parse().unwrap_or(usize::MAX).min(image.len() - 1);
    let total = format!("bytes {from}-{to}/{}", image.len());
    (StatusCode::PARTIAL_CONTENT, [(header::CONTENT_RANGE, total)], image.slice(from..=to)).into_response()
}

async fn permit(
    State(inner): State<Arc<Mutex<Inner>>>,
    Path(job): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let mut inner = inner.lock().unwrap();
    let request: Value = serde_json::from_slice(&body).expect("JSON");
    inner.requests.push(request.clone());
    let bearer = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    if bearer != Some(&format!("Bearer {TOKEN}")) || job != JOB {
        return (StatusCode::UNAUTHORIZED, json!({"error": "unauthorized", "message": "who?"}).to_string())
            .into_response();
    }
    let refused =
        |code: &str| json!({"decision": "refused", "code": code, "message": format!("refused: {code}")});
    let boot = request["boot_id"].as_str().expect("a boot id").to_owned();
    let attempt = request["attempt"].as_u64().expect("an attempt");
    let answer = if let Some(answer) = &inner.answer {
        answer.clone()
    } else if inner.ended {
        refused("job_ended")
    } else if attempt != u64::from(inner.attempt) {
        refused("stale_attempt")
    } else if request["matching_disks"] != 1 {
        refused("disk")
    } else if inner.granted.as_ref().is_some_and(|granted| *granted != (attempt, boot.clone())) {
        refused("other_boot")
    } else {
        inner.granted = Some((attempt, boot));
        json!({
            "decision": "granted", "stamp": stamp(), "time": "2026-03-01T12:00:00Z", "user_data": USER_DATA,
            "network_config": {"version": 2},
        })
    };
    answer.to_string().into_response()
}

async fn webhook(State(inner): State<Arc<Mutex<Inner>>>, headers: HeaderMap, body: Bytes) -> Response {
    let mut inner = inner.lock().unwrap();
    if headers.get("x-webhook-secret").and_then(|value| value.to_str().ok()) != Some(TOKEN) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let body: Value = serde_json::from_slice(&body).expect("JSON");
    let known = inner.webhooks.iter().any(|seen| seen["delivery_id"] == body["delivery_id"]);
    inner.ended |= body["status"] == "success";
    inner.webhooks.push(body);
    json!({"ok": true, "idempotent": known}).to_string().into_response()
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
