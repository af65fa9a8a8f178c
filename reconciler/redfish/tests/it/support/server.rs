// SPDX-License-Identifier: AGPL-3.0-or-later
//! An HTTPS server on a free port of the loopback, with a certificate of its own.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, Response};
use axum::serve::Listener;
use rustls::ServerConfig;
use rustls_pki_types::PrivateKeyDer;
use serde_json::Value;
use shoal_redfish::Fingerprint;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use url::Url;

/// A request as the tests see it.
pub(crate) struct Asked {
    pub(crate) method: String,
    /// Path and query.
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Asked {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }
}

/// An answer.
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Body,
}

impl Reply {
    pub(crate) fn status(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Body::empty() }
    }

    pub(crate) fn json(status: u16, value: &Value) -> Self {
        Self {
            status,
            headers: vec![("Content-Type", "application/json".to_owned())],
            body: Body::from(value.to_string()),
        }
    }

    pub(crate) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// An answer that breaks off before its body.
    pub(crate) fn broken() -> Self {
        let parts = [Err::<Vec<u8>, _>(std::io::Error::other("broken on purpose"))];
        Self {
            status: 200,
            headers: vec![("Content-Length", "100".to_owned())],
            body: Body::from_stream(futures_util::stream::iter(parts)),
        }
    }
}

/// What answers.
pub(crate) trait Handler: Send + Sync + 'static {
    fn answer(&self, asked: Asked) -> impl Future<Output = Reply> + Send;
}

/// A running server; ends when dropped.
pub(crate) struct Server {
    pub(crate) url: Url,
    pub(crate) certificate_pem: String,
    pub(crate) fingerprint: Fingerprint,
    task: JoinHandle<()>,
}

impl Server {
    pub(crate) async fn https(handler: Arc<impl Handler>) -> Self {
        Self::https_on("127.0.0.1:0".parse().unwrap(), handler).await
    }

    pub(crate) async fn https_on(address: SocketAddr, handler: Arc<impl Handler>) -> Self {
        let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![made.cert.der().clone()],
                PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap(),
            )
            .unwrap();
        let tcp = TcpListener::bind(address).await.unwrap();
        let url = Url::parse(&format!("https://{}", tcp.local_addr().unwrap())).unwrap();
        let listener = TlsListener { tcp, acceptor: TlsAcceptor::from(Arc::new(config)) };
        Self {
            url,
            certificate_pem: made.cert.pem(),
            fingerprint: Fingerprint::of_der(made.cert.der()),
            task: tokio::spawn(serve(listener, handler)),
        }
    }

    pub(crate) async fn http(handler: Arc<impl Handler>) -> Self {
        let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = Url::parse(&format!("http://{}", tcp.local_addr().unwrap())).unwrap();
        Self {
            url,
            certificate_pem: String::new(),
            fingerprint: Fingerprint::of_der(b""),
            task: tokio::spawn(serve(tcp, handler)),
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.url.socket_addrs(|| None).unwrap()[0]
    }

    /// Stops answering and frees the port.
    pub(crate) async fn stop(mut self) {
        self.task.abort();
        let _ = (&mut self.task).await;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve<L: Listener<Addr = SocketAddr>>(listener: L, handler: Arc<impl Handler>) {
    let app = Router::new().fallback(move |request: Request| {
        let handler = Arc::clone(&handler);
        async move {
            let (head, body) = request.into_parts();
            let body = axum::body::to_bytes(body, 1 << 20).await.unwrap_or_default();
            let asked = Asked {
                method: head.method.to_string(),
                path: head.uri.path_and_query().map_or_else(String::new, ToString::to_string),
                headers: head.headers,
                body: body.to_vec(),
            };
            let reply = handler.answer(asked).await;
            let mut response = Response::builder().status(reply.status);
            for (name, value) in reply.headers {
                response = response.header(name, value);
            }
            response.body(reply.body).unwrap()
        }
    });
    axum::serve(listener, app).await.unwrap();
}

struct TlsListener {
    tcp: TcpListener,
    acceptor: TlsAcceptor,
}

impl Listener for TlsListener {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            // A client that distrusts the certificate hangs up in the handshake.
            if let Ok((stream, peer)) = self.tcp.accept().await
                && let Ok(stream) = self.acceptor.accept(stream).await
            {
                return (stream, peer);
            }
        }
    }

    fn local_addr(&self) -> std::io::Result<Self::Addr> {
        self.tcp.local_addr()
    }
}
