// SPDX-License-Identifier: AGPL-3.0-or-later
//! The medium of a trial: a tiny ISO without anything on it to start, and who read it.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, Method, StatusCode, Uri, header};
use serde::Serialize;
use shoal_http::Peer;
use shoal_http::conditional::judge;
use shoal_http::listen::{Serving, listen};
use shoal_redfish::MediaUrl;
use shoal_taskiso::{TaskFiles, build_volume};
use shoal_tls::OwnCertificate;
use tokio::sync::Notify;
use url::Url;

use crate::error::CliError;
use crate::host::{Context, ScratchDir};
use crate::output::clean;

/// Zero bytes behind the one file: some BMCs refuse images that are smaller than what they read ahead.
const PAD: u64 = 1 << 20;
/// Requests that are kept.
const MOST: usize = 200;
/// Characters of a header that are kept.
const LONGEST: usize = 120;
const README: &str = "Shoal put this medium in to see whether the BMC can read it. It may be ejected.\n";

/// One request for the medium.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Read {
    pub(super) peer: IpAddr,
    pub(super) method: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) range: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) user_agent: Option<String>,
    pub(super) status: u16,
    /// Bytes of the answer.
    pub(super) bytes: u64,
}

struct Shelf {
    path: String,
    etag: String,
    image: Bytes,
    reads: Mutex<Vec<Read>>,
    came: Notify,
}

/// A medium that is served for as long as this is kept.
pub(super) struct Medium {
    pub(super) url: MediaUrl,
    /// Where it is served.
    pub(super) address: SocketAddr,
    shelf: Arc<Shelf>,
    serving: Serving,
    _scratch: Option<ScratchDir>,
}

impl Drop for Medium {
    fn drop(&mut self) {
        self.serving.shutdown.cancel();
    }
}

impl Medium {
    /// Serves a medium at `at`, over TLS where the BMC takes nothing else.
    pub(super) async fn serve(context: &Context, at: SocketAddr, tls: bool) -> Result<Self, CliError> {
        let defect = |what: &str| CliError::internal("bmc.medium", format!("cannot make {what}"));
        let mut files = TaskFiles::new();
        files.insert("readme.txt", README).map_err(|error| defect("the medium").because(error))?;
        let iso = build_volume("SHOAL_CHECK", &files, 0, PAD, 4 * PAD)
            .map_err(|error| defect("the medium").because(error))?;
        let mut random = [0_u8; 16];
        getrandom::fill(&mut random).map_err(|_| defect("an address that nobody guesses"))?;
        let word = format!("{:032x}", u128::from_be_bytes(random));

        let mut scratch = None;
        let config = if tls {
            let dir = context.interrupts().scratch(&context.temp_dir())?;
            let own = OwnCertificate::kept_as(dir.path(), "check");
            let config =
                own.and_then(|own| own.config()).map_err(|error| defect("a certificate").because(error))?;
            scratch = Some(dir);
            Some(Arc::new(RwLock::new(config)))
        } else {
            None
        };
        let (listener, address) = listen(at).await.map_err(|error| {
            CliError::user("bmc.try-media", "the medium cannot be served")
                .because(error)
                .hint("name an address of this machine that the BMC reaches: --try-media=IP:PORT")
        })?;
        let scheme = if tls { "https" } else { "http" };
        let path = format!("/media/{word}/check.iso");
        let shelf = Arc::new(Shelf {
            etag: format!("\"{}\"", iso.sha256_hex()),
            image: iso.bytes,
            reads: Mutex::default(),
            came: Notify::new(),
            path: path.clone(),
        });
        let router = axum::Router::new().fallback(answer).with_state(Arc::clone(&shelf));
        let serving = Serving {
            shutdown: tokio_util::sync::CancellationToken::new(),
            tasks: tokio_util::task::TaskTracker::new(),
        };
        serving.tcp(listener, config, router);
        let url = MediaUrl::new(format!("{scheme}://{address}{path}"));
        Ok(Self { url, address, shelf, serving, _scratch: scratch })
    }

    /// Bytes of the image.
    pub(super) fn size(&self) -> usize {
        self.shelf.image.len()
    }

    /// Who read it so far.
    pub(super) fn reads(&self) -> Vec<Read> {
        self.shelf.reads.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until somebody asked for it.
    pub(super) async fn read(&self) {
        loop {
            let came = self.shelf.came.notified();
            if !self.reads().is_empty() {
                return;
            }
            came.await;
        }
    }
}

/// The address of ours from which the BMC is reached, with a port that the kernel chooses.
pub(super) fn local_address(bmc: &Url) -> Result<SocketAddr, CliError> {
    let failed = || {
        CliError::user("bmc.try-media", "which address of this machine the BMC can reach is not clear")
            .hint("name it: --try-media=IP:PORT")
    };
    let port = bmc.port_or_known_default().unwrap_or(443);
    let there = bmc.socket_addrs(|| Some(port)).map_err(|error| failed().because(error))?;
    let there = there.first().copied().ok_or_else(failed)?;
    let any: SocketAddr = if there.is_ipv4() { ([0, 0, 0, 0], 0).into() } else { ([0_u16; 8], 0).into() };
    // Nothing is sent: a datagram socket only picks its own address.
    let socket = UdpSocket::bind(any).map_err(|error| failed().because(error))?;
    socket.connect(there).map_err(|error| failed().because(error))?;
    let ours = socket.local_addr().map_err(|error| failed().because(error))?;
    Ok(SocketAddr::new(ours.ip(), 0))
}

async fn answer(
    State(shelf): State<Arc<Shelf>>,
    Extension(Peer(peer)): Extension<Peer>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    let text = |name: HeaderName| {
        let value = headers.get(name)?.to_str().ok()?;
        Some(clean(value).chars().take(LONGEST).collect::<String>())
    };
    let fits = uri.path() == shelf.path && matches!(method, Method::GET | Method::HEAD);
    let len = shelf.image.len() as u64;
    let judged = judge(&method, &headers, len, &shelf.etag);
    let has_body = fits && method == Method::GET;
    let read = Read {
        peer: peer.ip(),
        method: method.as_str().chars().take(16).collect(),
        range: text(header::RANGE),
        user_agent: text(header::USER_AGENT),
        status: if fits { judged.status.as_u16() } else { 404 },
        bytes: if has_body { judged.count } else { 0 },
    };
    {
        let mut reads = shelf.reads.lock().unwrap_or_else(PoisonError::into_inner);
        if reads.len() < MOST {
            reads.push(read);
        }
    }
    shelf.came.notify_waiters();
    if !fits {
        return StatusCode::NOT_FOUND.into_response();
    }
    let mut builder = Response::builder()
        .status(judged.status)
        .header(header::CONTENT_TYPE, "application/octet-stream")
        .header(header::ACCEPT_RANGES, "bytes")
        .header(header::ETAG, &shelf.etag);
    if judged.status != StatusCode::NOT_MODIFIED {
        builder = builder.header(header::CONTENT_LENGTH, judged.count);
    }
    if let Some(range) = judged.content_range(len) {
        builder = builder.header(header::CONTENT_RANGE, range);
    }
    let part =
        usize::try_from(judged.first).unwrap_or(0)..usize::try_from(judged.first + judged.count).unwrap_or(0);
    let body = if has_body { Body::from(shelf.image.slice(part)) } else { Body::empty() };
    builder.body(body).unwrap_or_else(|_| StatusCode::INTERNAL_SERVER_ERROR.into_response())
}
