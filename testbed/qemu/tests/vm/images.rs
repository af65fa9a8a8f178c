// SPDX-License-Identifier: AGPL-3.0-or-later
//! A server of images with byte ranges, which counts them.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::Response;
use axum::routing::any;

pub(crate) struct Images {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    images: BTreeMap<String, Vec<u8>>,
    /// `User-Agent` of every ranged request; QEMU gives none.
    agents: Mutex<Vec<String>>,
}

impl Images {
    pub(crate) async fn serve(images: impl IntoIterator<Item = (&'static str, Vec<u8>)>) -> Self {
        let images = images.into_iter().map(|(name, image)| (name.to_owned(), image)).collect();
        let shared = Arc::new(Shared { images, agents: Mutex::default() });
        let router = Router::new().route("/m/{name}", any(image)).with_state(shared.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound");
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { address, shared }
    }

    pub(crate) fn url(&self, name: &str) -> String {
        format!("http://{}/m/{name}", self.address)
    }

    /// How many ranges were asked for.
    pub(crate) fn ranges(&self) -> usize {
        self.shared.agents.lock().expect("no test panicked here").len()
    }
}

async fn image(
    State(shared): State<Arc<Shared>>,
    Path(name): Path<String>,
    method: Method,
    headers: HeaderMap,
) -> Response {
    let Some(image) = shared.images.get(&name) else {
        return Response::builder().status(StatusCode::NOT_FOUND).body(Body::empty()).expect("valid");
    };
    let response = Response::builder().header(header::ACCEPT_RANGES, "bytes");
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    let range = text(header::RANGE);
    let Some((start, end)) = range.strip_prefix("bytes=").and_then(|range| range.split_once('-')) else {
        let body = if method == Method::HEAD { Body::empty() } else { Body::from(image.clone()) };
        return response.header(header::CONTENT_LENGTH, image.len()).body(body).expect("valid");
    };
    shared.agents.lock().expect("no test panicked here").push(text(header::USER_AGENT));
    let start: usize = start.parse().expect("a number");
    let end = end.parse().unwrap_or(usize::MAX).min(image.len() - 1);
    response
        .status(StatusCode::PARTIAL_CONTENT)
        .header(header::CONTENT_RANGE, format!("bytes {start}-{end}/{}", image.len()))
        .body(Body::from(image[start..=end].to_vec()))
        .expect("valid")
}
