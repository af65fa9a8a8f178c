// SPDX-License-Identifier: AGPL-3.0-or-later
//! A server of one image, with or without ranges, over HTTP or HTTPS, that counts.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::Response;
use axum::routing::any;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

pub(crate) struct ImageServer {
    pub(crate) address: SocketAddr,
    pub(crate) image: Vec<u8>,
    scheme: &'static str,
    shared: Arc<Shared>,
    cancel: CancellationToken,
}

struct Shared {
    image: Vec<u8>,
    ranges: AtomicBool,
    heads: AtomicU64,
    seen: Mutex<Vec<String>>,
}

impl ImageServer {
    pub(crate) async fn start(size: usize) -> Self {
        Self::with(size, false).await
    }

    pub(crate) async fn https(size: usize) -> Self {
        Self::with(size, true).await
    }

    /// From now on ranges are not understood.
    pub(crate) fn without_ranges(self) -> Self {
        self.shared.ranges.store(false, Ordering::SeqCst);
        self
    }

    pub(crate) fn scheme(&self) -> &'static str {
        self.scheme
    }

    async fn with(size: usize, tls: bool) -> Self {
        let image: Vec<u8> = (0..size).map(|at| (at * 31 % 251) as u8).collect();
        let shared = Arc::new(Shared {
            image: image.clone(),
            ranges: AtomicBool::new(true),
            heads: AtomicU64::new(0),
            seen: Mutex::default(),
        });
        let router = Router::new().route("/m/{token}/{name}", any(serve)).with_state(shared.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port on loopback");
        let address = listener.local_addr().expect("bound");
        let cancel = CancellationToken::new();
        let stop = cancel.clone();
        if tls {
            let identity = shoal_testbed::tls::self_signed("images", vec!["127.0.0.1".to_owned()]);
            let acceptor = tokio_rustls::TlsAcceptor::from(identity.expect("a certificate").config);
            tokio::spawn(async move {
                loop {
                    let stream = tokio::select! {
                        () = stop.cancelled() => return,
                        accepted = listener.accept() => accepted.expect("a connection").0,
                    };
                    let (acceptor, router) = (acceptor.clone(), router.clone());
                    tokio::spawn(async move {
                        let Ok(stream) = acceptor.accept(stream).await else { return };
                        let service = hyper_util::service::TowerToHyperService::new(router);
                        let io = hyper_util::rt::TokioIo::new(stream);
                        let _closed =
                            hyper::server::conn::http1::Builder::new().serve_connection(io, service).await;
                    });
                }
            });
        } else {
            tokio::spawn(async move {
                let served = axum::serve(listener, router).with_graceful_shutdown(stop.cancelled_owned());
                served.await.expect("the server ends when told to");
            });
        }
        Self { address, image, scheme: if tls { "https" } else { "http" }, shared, cancel }
    }

    pub(crate) fn url(&self, name: &str) -> String {
        format!("{}://{}/m/token/{name}", self.scheme, self.address)
    }

    pub(crate) fn heads(&self) -> u64 {
        self.shared.heads.load(Ordering::SeqCst)
    }

    /// The `Range` headers of all GETs; `-` for none.
    pub(crate) fn ranges(&self) -> Vec<String> {
        self.shared.seen.lock().expect("no test panicked here").clone()
    }
}

impl Drop for ImageServer {
    fn drop(&mut self) {
        self.cancel.cancel();
    }
}

async fn serve(State(shared): State<Arc<Shared>>, method: Method, headers: HeaderMap) -> Response {
    let size = shared.image.len();
    let response = Response::builder().header(header::ACCEPT_RANGES, "bytes");
    if method == Method::HEAD {
        shared.heads.fetch_add(1, Ordering::SeqCst);
        return response.header(header::CONTENT_LENGTH, size).body(Body::empty()).expect("valid");
    }
    let range = headers.get(header::RANGE).map(|value| value.to_str().expect("text").to_owned());
    shared.seen.lock().expect("no test panicked here").push(range.clone().unwrap_or_else(|| "-".to_owned()));
    let range = range.filter(|_| shared.ranges.load(Ordering::SeqCst)).map(|range| {
        let (start, end) = range.strip_prefix("bytes=").and_then(|r| r.split_once('-')).expect("one range");
        let (start, end): (usize, usize) = (start.parse().expect("start"), end.parse().expect("end"));
        (start, end.min(size - 1))
    });
    match range {
        None => response.body(Body::from(shared.image.clone())).expect("valid"),
        Some((start, end)) => response
            .status(StatusCode::PARTIAL_CONTENT)
            .header(header::CONTENT_RANGE, format!("bytes {start}-{end}/{size}"))
            .body(Body::from(shared.image[start..=end].to_vec()))
            .expect("valid"),
    }
}
