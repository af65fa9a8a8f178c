// SPDX-License-Identifier: AGPL-3.0-or-later
//! One HTTP/1 connection, from its first request to its end.
//!
//! Guarantees: it ends when the head of a request, the first or a later one, is not there in time, when
//! the other end does not take what it asked for ([`Watched`]), and at the end of the server, after the
//! request that is under way. A request that takes long is never cut, whether or not bytes move.

use std::convert::Infallible;
use std::time::Duration;

use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::CancellationToken;

#[cfg(doc)]
use crate::progress::Watched;
use crate::progress::{HeadTimer, Progress};

/// At the end of the server, a client may take so long to finish; then it is left behind.
const FINISH: Duration = Duration::from_secs(5);

/// Serves a router on a stream whose writes `progress` follows. `head` is how long a request's head may
/// take, from the beginning of the connection or the last byte of the answer before.
pub(crate) async fn serve<S, R>(
    stream: S,
    progress: Progress,
    head: Duration,
    router: R,
    shutdown: &CancellationToken,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    R: tower::Service<
            http::Request<hyper::body::Incoming>,
            Response = axum::response::Response,
            Error = Infallible,
        > + Clone
        + Send
        + 'static,
    R::Future: Send,
{
    let mut builder = Builder::new(TokioExecutor::new()).http1_only();
    builder.http1().timer(HeadTimer(progress)).header_read_timeout(head);
    let connection = builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    tokio::pin!(connection);
    tokio::select! {
        result = connection.as_mut() => {
            if let Err(error) = result {
                tracing::trace!(%error, "a connection ended badly");
            }
        }
        () = shutdown.cancelled() => {
            connection.as_mut().graceful_shutdown();
            let _ = tokio::time::timeout(FINISH, connection).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::ops::Range;
    use std::sync::Arc;

    use axum::Router;
    use axum::routing::{get, post};
    use shoal_tls::{OwnCertificate, Trust, client_config};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
    use tokio::task::JoinHandle;
    use tokio::time::{Instant, sleep};
    use tokio_rustls::{TlsAcceptor, TlsConnector};

    use super::*;
    use crate::progress::Watched;

    const HEAD: Duration = Duration::from_secs(30);
    const STALLED: Duration = Duration::from_secs(60);
    const HOUR: Duration = Duration::from_secs(3600);
    const BIG: usize = 4 << 20;

    fn router() -> Router {
        Router::new()
            .route("/", get(|| async { "here" }))
            .route("/4096", get(|| async { vec![b'x'; 4096] }))
            .route("/big", get(|| async { vec![b'x'; BIG] }))
            .route("/hour", get(|| async { sleep(HOUR).await }))
            .route("/length", post(|body: String| async move { body.len().to_string() }))
    }

    /// The client's end, a few bytes deep, and the server's task.
    fn connected() -> (DuplexStream, JoinHandle<()>) {
        let (client, server) = duplex(64);
        let stream = Watched::new(server, Some(STALLED));
        let progress = stream.progress();
        let shutdown = CancellationToken::new();
        let served = async move { serve(stream, progress, HEAD, router(), &shutdown).await };
        (client, tokio::spawn(served))
    }

    fn request(line: &str) -> Vec<u8> {
        format!("{line} HTTP/1.1\r\nhost: x\r\n\r\n").into_bytes()
    }

    /// The next answer, up to the end of a body that ends so.
    async fn answer(client: &mut DuplexStream, end: &str) -> String {
        let mut text = String::new();
        while !text.ends_with(end) {
            text.push(char::from(client.read_u8().await.unwrap()));
        }
        text
    }

    /// What is left until the server hangs up.
    async fn rest(client: &mut DuplexStream) -> Vec<u8> {
        let mut rest = Vec::new();
        client.read_to_end(&mut rest).await.unwrap();
        rest
    }

    fn seconds(since: Instant) -> u64 {
        since.elapsed().as_secs()
    }

    /// The clock is tokio's, and stands still but for what is waited for.
    const AFTER_A_STALL: Range<u64> = 60..62;
    const AFTER_A_HEAD: Range<u64> = 30..32;

    #[tokio::test(start_paused = true)]
    async fn a_client_that_asks_for_a_body_and_never_reads_it_is_cut() {
        for path in ["/big", "/4096"] {
            let (mut client, served) = connected();
            let begun = Instant::now();
            client.write_all(&request(&format!("GET {path}"))).await.unwrap();
            served.await.unwrap();
            assert!(AFTER_A_STALL.contains(&seconds(begun)), "{path}: {}", seconds(begun));
            assert!(rest(&mut client).await.len() <= 64);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn under_tls_a_client_that_never_reads_is_cut_too() {
        let dir = tempfile::tempdir().unwrap();
        let certificate = OwnCertificate::kept_as(dir.path(), "http").unwrap();
        let trusted = client_config(Trust::Pins(vec![certificate.pin()])).unwrap();
        let config = certificate.config().unwrap();
        let (client, server) = duplex(16_384);
        let served = tokio::spawn(async move {
            let stream = Watched::new(server, Some(STALLED));
            let progress = stream.progress();
            let stream = TlsAcceptor::from(config).accept(stream).await.unwrap();
            serve(stream, progress, HEAD, router(), &CancellationToken::new()).await;
        });
        let connector = TlsConnector::from(Arc::new(trusted));
        let mut client = connector.connect("localhost".try_into().unwrap(), client).await.unwrap();
        let begun = Instant::now();
        client.write_all(&request("GET /big")).await.unwrap();
        client.flush().await.unwrap();
        served.await.unwrap();
        assert!(AFTER_A_STALL.contains(&seconds(begun)), "{}", seconds(begun));
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_reads_slowly_gets_all_of_it() {
        let (mut client, served) = connected();
        client.write_all(&request("GET /4096")).await.unwrap();
        let begun = Instant::now();
        let mut got = Vec::new();
        while !got.ends_with(&[b'x'; 4096]) {
            sleep(STALLED.checked_sub(Duration::from_secs(1)).unwrap()).await;
            let mut some = [0; 64];
            let length = client.read(&mut some).await.unwrap();
            assert_ne!(length, 0, "cut after {} bytes", got.len());
            got.extend_from_slice(&some[..length]);
        }
        assert!(begun.elapsed() > HOUR, "it took as long as this test means it to");
        served.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_takes_long_is_not_cut_though_no_byte_moves() {
        let (mut client, _served) = connected();
        client.write_all(&request("GET /hour")).await.unwrap();
        assert!(answer(&mut client, "\r\n\r\n").await.starts_with("HTTP/1.1 200"));
        client.write_all(b"POST /length HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\nab").await.unwrap();
        sleep(HOUR).await;
        client.write_all(b"cde").await.unwrap();
        assert!(answer(&mut client, "\r\n\r\n5").await.starts_with("HTTP/1.1 200"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_is_idle_ends_a_while_after_its_last_answer() {
        let (mut client, served) = connected();
        for _ in 0..3 {
            sleep(HEAD / 2).await;
            client.write_all(&request("GET /")).await.unwrap();
            answer(&mut client, "here").await;
        }
        let begun = Instant::now();
        assert_eq!(rest(&mut client).await, b"");
        served.await.unwrap();
        assert!(AFTER_A_HEAD.contains(&seconds(begun)), "{}", seconds(begun));
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_that_comes_byte_by_byte_has_to_be_there_in_time() {
        let (mut client, served) = connected();
        let begun = Instant::now();
        for byte in b"GET / HTTP/1.1\r\nhost: x\r\nname: a value that goes on and on".iter().cycle() {
            if client.write_u8(*byte).await.is_err() {
                break;
            }
            sleep(Duration::from_secs(1)).await;
        }
        served.await.unwrap();
        assert!(AFTER_A_HEAD.contains(&seconds(begun)), "{}", seconds(begun));
    }
}
