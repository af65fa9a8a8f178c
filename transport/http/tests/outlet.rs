// SPDX-License-Identifier: AGPL-3.0-or-later
//! Parts of files in bodies, over real connections: what arrives is what the file has, or nothing.

use std::convert::Infallible;
use std::fs::File;
use std::io::Write as _;
use std::net::SocketAddr;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::pin::Pin;
use std::sync::{Arc, RwLock};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::Path;
use axum::routing::get;
use axum::{Extension, Router};
use hyper::body::{Frame, SizeHint};
use shoal_http::listen::{Serving, listen};
use shoal_http::{Limits, Outlet, PART};
use shoal_tls::{OwnCertificate, Trust, client_config};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpSocket, TcpStream, UnixStream};
use tokio::sync::Notify;
use tokio_rustls::TlsConnector;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

const SIZE: usize = 9 * PART + 1234;

/// Bytes in which no two parts are the same, and none of which is `?`: that is what stands for parts.
fn content() -> Vec<u8> {
    (0..SIZE).map(|at| ((at * 31 + at / 251 + at / PART) % 251) as u8 | 0x80).collect()
}

/// A server of one file, by parts.
struct Server {
    serving: Serving,
    at: SocketAddr,
    file: Arc<File>,
    content: Arc<Vec<u8>>,
    dropped: Arc<Notify>,
}

/// Some of a file as a body: parts of `step` bytes, and memory between them where it is `mixed`.
struct Parts {
    outlet: Outlet,
    file: Arc<File>,
    rest: Range<u64>,
    step: u64,
    kind: Kind,
    frames: usize,
    dropped: Arc<Notify>,
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    /// With its length in the head.
    Plain,
    /// Without, so in chunks.
    Chunked,
    /// Every third frame is memory.
    Mixed,
    /// Each frame is copied to memory by somebody above.
    Copied,
    /// Each second part changes places with the next.
    Swapped,
    /// Some parts are made and left out.
    LeftOut,
    /// The file becomes shorter when the first part was made.
    Cut,
}

impl hyper::body::Body for Parts {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let (offset, length) = (self.rest.start, self.step.min(self.rest.end - self.rest.start));
        if length == 0 {
            return Poll::Ready(None);
        }
        self.rest.start += length;
        self.frames += 1;
        let part = |offset| self.outlet.part(&self.file, offset, length as usize);
        let frame = match self.kind {
            Kind::Mixed if self.frames.is_multiple_of(3) => {
                let mut memory = vec![0; length as usize];
                self.file.read_exact_at(&mut memory, offset).unwrap();
                memory.into()
            }
            Kind::Copied => Bytes::copy_from_slice(&part(offset)),
            Kind::Swapped => {
                let (_first, second) = (part(offset), part(offset));
                second
            }
            Kind::LeftOut if self.frames == 3 => {
                drop(part(offset));
                part(offset)
            }
            Kind::Cut if self.frames == 1 => {
                let part = part(offset);
                self.file.set_len(offset + length / 2).unwrap();
                part
            }
            _ => part(offset),
        };
        Poll::Ready(Some(Ok(Frame::data(frame))))
    }

    fn size_hint(&self) -> SizeHint {
        match self.kind {
            Kind::Chunked => SizeHint::default(),
            _ => SizeHint::with_exact(self.rest.end - self.rest.start),
        }
    }
}

impl Drop for Parts {
    fn drop(&mut self) {
        self.dropped.notify_one();
    }
}

fn serving() -> Serving {
    Serving { shutdown: CancellationToken::new(), tasks: TaskTracker::new() }
}

impl Server {
    async fn new(limits: Limits) -> Self {
        let content = Arc::new(content());
        let file = tempfile::tempfile().unwrap();
        (&file).write_all(&content).unwrap();
        let (file, dropped) = (Arc::new(file), Arc::new(Notify::new()));
        let router = {
            let (file, dropped) = (Arc::clone(&file), Arc::clone(&dropped));
            let answer =
                move |Extension(outlet), Path((kind, start, end, step)): Path<(String, u64, u64, u64)>| async move {
                    let kind = match kind.as_str() {
                        "plain" => Kind::Plain,
                        "chunked" => Kind::Chunked,
                        "mixed" => Kind::Mixed,
                        "copied" => Kind::Copied,
                        "swapped" => Kind::Swapped,
                        "left-out" => Kind::LeftOut,
                        _ => Kind::Cut,
                    };
                    Body::new(Parts { outlet, file, rest: start..end, step, kind, frames: 0, dropped })
                };
            Router::new().route("/{kind}/{start}/{end}/{step}", get(answer))
        };
        let serving = serving();
        let (listener, at) = listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
        serving.tcp_within(limits, listener, None, router);
        Self { serving, at, file, content, dropped }
    }

    async fn connect(&self) -> BufReader<TcpStream> {
        BufReader::new(TcpStream::connect(self.at).await.unwrap())
    }

    async fn stop(self) {
        self.serving.shutdown.cancel();
        self.serving.tasks.close();
        self.serving.tasks.wait().await;
        assert_eq!(Arc::strong_count(&self.file), 1, "nobody keeps the file");
    }
}

fn request(method: &str, path: &str) -> Vec<u8> {
    format!("{method} {path} HTTP/1.1\r\nhost: x\r\n\r\n").into_bytes()
}

async fn line(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut line = String::new();
    while !line.ends_with("\r\n") {
        line.push(char::from(stream.read_u8().await.unwrap()));
    }
    line
}

/// The length that the head of an answer says.
async fn head(stream: &mut (impl AsyncRead + Unpin)) -> Option<usize> {
    assert_eq!(line(stream).await, "HTTP/1.1 200 OK\r\n");
    let mut length = None;
    loop {
        let line = line(stream).await.to_lowercase();
        if line == "\r\n" {
            return length;
        }
        length = line.strip_prefix("content-length:").map(|text| text.trim().parse().unwrap()).or(length);
    }
}

async fn body(stream: &mut (impl AsyncRead + Unpin)) -> Vec<u8> {
    if let Some(length) = head(stream).await {
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await.unwrap();
        return body;
    }
    let mut body = Vec::new();
    loop {
        let length = usize::from_str_radix(line(stream).await.trim(), 16).unwrap();
        let begin = body.len();
        body.resize(begin + length, 0);
        stream.read_exact(&mut body[begin..]).await.unwrap();
        assert_eq!(line(stream).await, "\r\n");
        if length == 0 {
            return body;
        }
    }
}

async fn ask(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), path: &str) -> Vec<u8> {
    stream.write_all(&request("GET", path)).await.unwrap();
    body(stream).await
}

/// Ranges that matter, and steps: parts of one byte, of odd lengths, as large as may be.
fn cases() -> Vec<(Range<usize>, usize)> {
    vec![
        (0..0, PART),
        (0..1, PART),
        (SIZE - 1..SIZE, PART),
        (5..105, 1),
        (0..PART, PART),
        (1..PART + 2, PART),
        (PART - 1..3 * PART, 1000),
        (0..SIZE, PART),
        (777..SIZE - 777, 65_537),
    ]
}

#[tokio::test]
async fn what_arrives_is_what_the_file_has() {
    let server = Server::new(Limits::default()).await;
    let mut stream = server.connect().await;
    for kind in ["plain", "chunked", "mixed"] {
        for (range, step) in cases() {
            let got = ask(&mut stream, &format!("/{kind}/{}/{}/{step}", range.start, range.end)).await;
            assert!(got == server.content[range.clone()], "{kind} {range:?} by {step}");
        }
    }
    drop(stream);
    server.stop().await;
}

#[tokio::test]
async fn requests_that_come_at_once_are_answered_one_after_the_other() {
    let server = Server::new(Limits::default()).await;
    let stream = TcpStream::connect(server.at).await.unwrap();
    let (read, mut write) = stream.into_split();
    let mut read = BufReader::new(read);
    let ranges: Vec<_> = (0..40).map(|n| n * 997..SIZE - (40 - n) * 9973).collect();
    let mut requests = Vec::new();
    for (n, range) in ranges.iter().enumerate() {
        let kind = ["plain", "chunked", "mixed"][n % 3];
        let method = if n % 5 == 4 { "HEAD" } else { "GET" };
        requests.extend(request(method, &format!("/{kind}/{}/{}/{PART}", range.start, range.end)));
    }
    let sent = tokio::spawn(async move { write.write_all(&requests).await.map(|()| write) });
    for (n, range) in ranges.into_iter().enumerate() {
        if n % 5 == 4 {
            head(&mut read).await;
        } else {
            assert!(body(&mut read).await == server.content[range], "request {n}");
        }
    }
    drop((read, sent.await.unwrap().unwrap()));
    server.stop().await;
}

#[tokio::test]
async fn many_connections_at_once_get_each_what_it_asked_for() {
    let server = Arc::new(Server::new(Limits::default()).await);
    let mut clients = tokio::task::JoinSet::new();
    for n in 0..16 {
        let server = Arc::clone(&server);
        clients.spawn(async move {
            let mut stream = server.connect().await;
            for round in 0..4 {
                let range = n * 1000 + round..SIZE - round * 1000;
                let got = ask(&mut stream, &format!("/plain/{}/{}/{PART}", range.start, range.end)).await;
                assert!(got == server.content[range], "client {n}, round {round}");
            }
        });
    }
    while let Some(done) = clients.join_next().await {
        done.unwrap();
    }
    Arc::into_inner(server).unwrap().stop().await;
}

#[tokio::test]
async fn a_client_that_reads_slowly_gets_all_of_it() {
    let limits = Limits { stalled: Duration::from_secs(5), ..Limits::default() };
    let server = Server::new(limits).await;
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let mut stream = socket.connect(server.at).await.unwrap();
    stream.write_all(&request("GET", &format!("/plain/0/{SIZE}/{PART}"))).await.unwrap();
    assert_eq!(head(&mut stream).await, Some(SIZE));
    let mut got = Vec::new();
    while got.len() < SIZE {
        let mut some = [0; 1021];
        let length = stream.read(&mut some).await.unwrap();
        assert_ne!(length, 0, "cut after {} bytes", got.len());
        got.extend_from_slice(&some[..length]);
    }
    assert!(got == *server.content);
    drop(stream);
    server.stop().await;
}

#[tokio::test]
async fn a_client_that_takes_nothing_is_cut_and_the_file_is_let_go() {
    let limits = Limits { stalled: Duration::from_millis(50), ..Limits::default() };
    let server = Server::new(limits).await;
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let mut stream = socket.connect(server.at).await.unwrap();
    let requests = request("GET", &format!("/plain/0/{SIZE}/{PART}")).repeat(100);
    stream.write_all(&requests).await.unwrap();
    // One answer may be in the kernel's hands whole; the connection ends all the same, as not all of them are.
    server.dropped.notified().await;
    server.serving.tasks.close();
    server.serving.shutdown.cancel();
    server.serving.tasks.wait().await;
    assert_eq!(Arc::strong_count(&server.file), 1);
}

#[tokio::test]
async fn a_client_that_hangs_up_harms_nobody() {
    let server = Server::new(Limits::default()).await;
    for taken in [0, 1, PART, 3 * PART + 7] {
        let mut stream = server.connect().await;
        stream.write_all(&request("GET", &format!("/plain/0/{SIZE}/{PART}"))).await.unwrap();
        head(&mut stream).await;
        stream.read_exact(&mut vec![0; taken]).await.unwrap();
        drop(stream);
        server.dropped.notified().await;
    }
    let mut stream = server.connect().await;
    assert!(ask(&mut stream, &format!("/plain/0/{SIZE}/{PART}")).await == *server.content);
    drop(stream);
    server.stop().await;
}

#[tokio::test]
async fn a_body_that_does_not_hand_on_its_parts_ends_the_connection_and_no_byte_is_made_up() {
    let server = Server::new(Limits::default()).await;
    for kind in ["copied", "swapped", "left-out"] {
        let mut stream = server.connect().await;
        stream.write_all(&request("GET", &format!("/{kind}/0/{SIZE}/{PART}"))).await.unwrap();
        let mut got = Vec::new();
        // It may be cut with a reset, which is an end as well.
        let _ = stream.read_to_end(&mut got).await;
        let end = got.windows(4).position(|window| window == b"\r\n\r\n");
        let body = end.map_or(&[][..], |end| &got[end + 4..]);
        assert!(body.len() < SIZE, "{kind}");
        assert!(*body == server.content[..body.len()], "{kind}: {} bytes", body.len());
    }
    server.stop().await;
}

#[tokio::test]
async fn a_file_that_becomes_shorter_ends_the_connection_and_nothing_is_filled_up() {
    let server = Server::new(Limits::default()).await;
    let mut stream = server.connect().await;
    stream.write_all(&request("GET", &format!("/cut/0/{SIZE}/{PART}"))).await.unwrap();
    assert_eq!(head(&mut stream).await, Some(SIZE));
    let mut got = Vec::new();
    let _ = stream.read_to_end(&mut got).await;
    assert!(got.len() <= PART / 2 && *got == server.content[..got.len()], "{} bytes", got.len());
    drop(stream);
    server.stop().await;
}

#[tokio::test]
async fn connections_with_tls_and_sockets_have_no_outlet() {
    let router = || {
        let answer = |outlet: Option<Extension<Outlet>>| async move { format!("{}", outlet.is_some()) };
        Router::new().route("/", get(answer))
    };
    let dir = tempfile::tempdir().unwrap();
    let serving = serving();

    let (listener, at) = listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
    serving.tcp(listener, None, router());
    let mut stream = TcpStream::connect(at).await.unwrap();
    assert_eq!(ask(&mut stream, "/").await, b"true");
    drop(stream);

    let certificate = OwnCertificate::kept_as(dir.path(), "http").unwrap();
    let tls = Arc::new(RwLock::new(certificate.config().unwrap()));
    let (listener, at) = listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
    serving.tcp(listener, Some(tls), router());
    let trusted = client_config(Trust::Pins(vec![certificate.pin()])).unwrap();
    let stream = TcpStream::connect(at).await.unwrap();
    let connector = TlsConnector::from(Arc::new(trusted));
    let mut stream = connector.connect("localhost".try_into().unwrap(), stream).await.unwrap();
    assert_eq!(ask(&mut stream, "/").await, b"false");
    drop(stream);

    let path = dir.path().join("socket");
    serving.unix(&path, |uid| uid, router()).unwrap();
    let mut stream = UnixStream::connect(&path).await.unwrap();
    assert_eq!(ask(&mut stream, "/").await, b"false");
    drop(stream);

    serving.shutdown.cancel();
    serving.tasks.close();
    serving.tasks.wait().await;
}
