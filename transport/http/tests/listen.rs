// SPDX-License-Identifier: AGPL-3.0-or-later
//! Listeners over real connections.

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::{Arc, Mutex, RwLock};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::routing::get;
use axum::{Extension, Router};
use hyper::body::Frame;
use shoal_http::listen::{ListenError, Serving, SharedTls, listen};
use shoal_http::{Limits, Peer};
use shoal_tls::{OwnCertificate, Pin, Trust, client_config};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream, UnixStream};
use tokio::sync::Notify;
use tokio_rustls::TlsConnector;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

fn serving() -> Serving {
    Serving { shutdown: CancellationToken::new(), tasks: TaskTracker::new() }
}

/// Everything that has begun is over when this returns.
async fn stop(serving: Serving) {
    serving.shutdown.cancel();
    serving.tasks.close();
    serving.tasks.wait().await;
}

/// The body of `GET /`.
async fn ask(mut stream: impl AsyncRead + AsyncWrite + Unpin) -> String {
    stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    assert!(text.starts_with("HTTP/1.1 200"), "{text}");
    text.split_once("\r\n\r\n").unwrap().1.to_owned()
}

fn who() -> Router {
    Router::new().route("/", get(|Extension(Peer(peer)): Extension<Peer>| async move { peer.to_string() }))
}

async fn any_port() -> (tokio::net::TcpListener, SocketAddr) {
    listen("127.0.0.1:0".parse().unwrap()).await.unwrap()
}

#[tokio::test]
async fn a_request_knows_the_address_that_it_came_from() {
    let serving = serving();
    let (listener, address) = any_port().await;
    serving.tcp(listener, None, who());
    let stream = TcpStream::connect(address).await.unwrap();
    let from = stream.local_addr().unwrap();
    assert_eq!(ask(stream).await, from.to_string());
    stop(serving).await;
    assert!(TcpStream::connect(address).await.is_err(), "nobody listens any more");
}

#[tokio::test]
async fn an_address_that_is_taken_is_named() {
    let (_listener, address) = any_port().await;
    let error = listen(address).await.unwrap_err();
    assert!(matches!(error, ListenError::Tcp { addr, .. } if addr == address));
    assert!(error.to_string().contains(&address.to_string()));
}

#[tokio::test]
async fn a_certificate_that_is_replaced_meets_the_next_connection() {
    let dir = tempfile::tempdir().unwrap();
    let certificate = |name| OwnCertificate::kept_as(dir.path(), name).unwrap();
    let (old, new) = (certificate("old"), certificate("new"));
    let serving = serving();
    let (listener, address) = any_port().await;
    let shared: SharedTls = Arc::new(RwLock::new(old.config().unwrap()));
    serving.tcp(listener, Some(Arc::clone(&shared)), who());
    let connect = |pin: Pin| async move {
        let config = client_config(Trust::Pins(vec![pin])).unwrap();
        let stream = TcpStream::connect(address).await.unwrap();
        TlsConnector::from(Arc::new(config)).connect("localhost".try_into().unwrap(), stream).await
    };
    assert!(connect(new.pin()).await.is_err());
    let before = connect(old.pin()).await.unwrap();
    *shared.write().unwrap() = new.config().unwrap();
    assert!(connect(old.pin()).await.is_err());
    let after = connect(new.pin()).await.unwrap();
    for stream in [before, after] {
        let from = stream.get_ref().0.local_addr().unwrap();
        assert_eq!(ask(stream).await, from.to_string(), "a connection that is there goes on");
    }
    stop(serving).await;
}

#[tokio::test]
async fn a_socket_tells_the_router_what_was_made_of_the_uid_at_the_other_end() {
    #[derive(Clone)]
    struct Uid(u32);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("run/shoal.sock");
    let router = Router::new()
        .route("/", get(|Extension(Uid(uid)): Extension<Uid>| async move { format!("uid {uid}") }));
    let serving = serving();
    serving.unix(&path, Uid, router.clone()).unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o660);
    let own = std::os::unix::fs::MetadataExt::uid(&std::fs::metadata(&path).unwrap());
    assert_eq!(ask(UnixStream::connect(&path).await.unwrap()).await, format!("uid {own}"));
    stop(serving).await;
    assert!(!path.exists(), "a socket that nobody listens on only misleads");

    // What a crash left behind is in nobody's way.
    std::fs::write(&path, "").unwrap();
    let serving = self::serving();
    serving.unix(&path, Uid, router).unwrap();
    assert_eq!(ask(UnixStream::connect(&path).await.unwrap()).await, format!("uid {own}"));
    stop(serving).await;
}

#[tokio::test]
async fn a_request_under_way_is_answered_before_the_end() {
    let (begun, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let router = {
        let (begun, go_on) = (Arc::clone(&begun), Arc::clone(&go_on));
        Router::new().route(
            "/",
            get(move || async move {
                begun.notify_one();
                go_on.notified().await;
                "done"
            }),
        )
    };
    let serving = serving();
    let (listener, address) = any_port().await;
    serving.tcp(listener, None, router);
    let asked = tokio::spawn(async move { ask(TcpStream::connect(address).await.unwrap()).await });
    begun.notified().await;
    serving.shutdown.cancel();
    go_on.notify_one();
    assert_eq!(asked.await.unwrap(), "done");
    stop(serving).await;
}

/// A body without end; tells when nobody wants it any more.
struct Endless(Arc<Notify>);

impl hyper::body::Body for Endless {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        self: std::pin::Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&[0; 8192])))))
    }
}

impl Drop for Endless {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

#[tokio::test]
async fn a_client_that_takes_nothing_of_its_answer_is_cut_with_and_without_tls() {
    let dropped = Arc::new(Notify::new());
    let router = {
        let dropped = Arc::clone(&dropped);
        Router::new().route("/", get(move || async move { Body::new(Endless(dropped)) }))
    };
    let dir = tempfile::tempdir().unwrap();
    let certificate = OwnCertificate::kept_as(dir.path(), "http").unwrap();
    let serving = serving();
    let limits = Limits { stalled: Duration::from_millis(50), ..Limits::default() };
    let request = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n";

    let (listener, address) = any_port().await;
    serving.tcp_within(limits, listener, None, router.clone());
    let mut client = TcpStream::connect(address).await.unwrap();
    client.write_all(request).await.unwrap();
    dropped.notified().await;

    let (listener, address) = any_port().await;
    let tls = Arc::new(RwLock::new(certificate.config().unwrap()));
    serving.tcp_within(limits, listener, Some(tls), router);
    let trusted = client_config(Trust::Pins(vec![certificate.pin()])).unwrap();
    let stream = TcpStream::connect(address).await.unwrap();
    let connector = TlsConnector::from(Arc::new(trusted));
    let mut client = connector.connect("localhost".try_into().unwrap(), stream).await.unwrap();
    client.write_all(request).await.unwrap();
    client.flush().await.unwrap();
    dropped.notified().await;
    stop(serving).await;
}

#[tokio::test]
async fn a_connection_without_room_waits_for_one_that_ends() {
    /// One request on a connection that stays.
    async fn once(stream: &mut TcpStream, path: &str) {
        let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut text = String::new();
        while !text.ends_with("done") {
            text.push(char::from(stream.read_u8().await.unwrap()));
        }
    }
    let asked = Arc::new(Mutex::new(Vec::new()));
    let router = {
        let asked = Arc::clone(&asked);
        Router::new().fallback(async move |uri: http::Uri| {
            asked.lock().unwrap().push(uri.path().to_owned());
            "done"
        })
    };
    let serving = serving();
    let (listener, address) = any_port().await;
    serving.tcp_within(Limits { connections: 1, ..Limits::default() }, listener, None, router);
    let mut first = TcpStream::connect(address).await.unwrap();
    once(&mut first, "/first").await;
    // The kernel takes it, and what it asks.
    let mut second = TcpStream::connect(address).await.unwrap();
    second.write_all(b"GET /second HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    for _ in 0..100 {
        once(&mut first, "/first").await;
    }
    drop(first);
    let mut byte = [0];
    second.read_exact(&mut byte).await.unwrap();
    let asked = asked.lock().unwrap().clone();
    assert_eq!(asked.iter().position(|path| path == "/second"), Some(101), "the last of all");
    stop(serving).await;
}

#[tokio::test]
async fn an_address_with_too_many_connections_is_let_in_no_more_and_others_are() {
    let serving = serving();
    let (listener, address) = any_port().await;
    serving.tcp_within(Limits { per_address: 1, ..Limits::default() }, listener, None, who());
    let mut first = TcpStream::connect(address).await.unwrap();
    first.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    first.read_u8().await.unwrap();

    let mut second = TcpStream::connect(address).await.unwrap();
    assert!(!matches!(second.read(&mut [0]).await, Ok(1..)), "closed without a word");

    let other = TcpSocket::new_v4().unwrap();
    other.bind("127.0.0.2:0".parse().unwrap()).unwrap();
    let from = other.local_addr().unwrap();
    assert_eq!(ask(other.connect(address).await.unwrap()).await, from.to_string());
    stop(serving).await;
}
