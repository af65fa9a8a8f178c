// SPDX-License-Identifier: AGPL-3.0-or-later
//! HTTP as BMCs speak it: refusals that pass, redirects, bodies without end.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use futures_util::stream;
use shoal_redfish::{Bmc, BmcEndpoint, CircuitBreaker, ErrorKind, Lane, RedfishBmc, Timeouts, Wiring};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use crate::flow::image;
use crate::support::client::{endpoint, wiring};
use crate::support::fake::Fake;
use crate::support::server::{Asked, Handler, Reply, Server};
use crate::support::trees::{FIRST, SYSTEM, two_cd};

#[tokio::test]
async fn what_cannot_be_sent_uncompressed_is_asked_for_without_that_wish() {
    let fake = Fake::new(two_cd());
    fake.hook(|asked, _| {
        let picky = asked.path == SYSTEM && asked.header("accept-encoding") == Some("identity");
        picky.then(|| Reply::status(406))
    });
    let (_server, bmc) = fake.connected().await;
    bmc.read_state().await.unwrap();
}

#[tokio::test]
async fn reads_are_repeated_after_429_503_500_and_a_broken_connection() {
    for reply in [
        || Reply::status(429).header("Retry-After", "0"),
        || Reply::status(503),
        || Reply::status(500),
        Reply::broken,
    ] {
        let fake = Fake::new(two_cd());
        let (_server, bmc) = fake.connected().await;
        let before = fake.asked("GET", SYSTEM).len();
        fake.answer("GET", SYSTEM, 4, reply);
        bmc.read_state().await.unwrap();
        assert_eq!(fake.asked("GET", SYSTEM).len() - before, 5);
    }
}

#[tokio::test]
async fn reads_are_repeated_five_times_and_no_more() {
    let fake = Fake::new(two_cd());
    let (_server, bmc) = fake.connected().await;
    let before = fake.asked("GET", SYSTEM).len();
    fake.answer("GET", SYSTEM, u32::MAX, || Reply::status(503).header("Retry-After", "86400"));
    let error = bmc.read_state().await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Busy { status: 503, .. }), "{error}");
    assert_eq!(fake.asked("GET", SYSTEM).len() - before, 5);
}

#[tokio::test]
async fn other_refusals_are_not_repeated() {
    for status in [400, 403, 404, 405, 409, 501] {
        let fake = Fake::new(two_cd());
        let (_server, bmc) = fake.connected().await;
        let before = fake.asked("GET", SYSTEM).len();
        fake.answer("GET", SYSTEM, u32::MAX, move || Reply::status(status));
        bmc.read_state().await.unwrap_err();
        assert_eq!(fake.asked("GET", SYSTEM).len() - before, 1, "{status}");
    }
}

#[tokio::test]
async fn a_redirect_on_the_same_host_is_followed() {
    let fake = Fake::new(two_cd());
    fake.hook(|asked, _| {
        (asked.method == "GET" && asked.path == SYSTEM)
            .then(|| Reply::status(308).header("Location", format!("{SYSTEM}/")))
    });
    let (_server, bmc) = fake.connected().await;
    bmc.read_state().await.unwrap();
}

#[tokio::test]
async fn redirects_without_end_or_to_another_host_are_not_followed() {
    for location in ["/redfish/v1/Systems/1", "https://192.0.2.1/redfish/v1/Systems/1", "http://[::bad"] {
        let fake = Fake::new(two_cd());
        let (_server, bmc) = fake.connected().await;
        fake.answer("GET", SYSTEM, u32::MAX, move || Reply::status(302).header("Location", location));
        let error = bmc.read_state().await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::BadRedirect { .. }), "{location}: {error}");
    }
}

#[tokio::test]
async fn a_body_without_end_is_cut_off() {
    let fake = Fake::new(two_cd());
    let (_server, bmc) = fake.connected().await;
    fake.answer("GET", SYSTEM, u32::MAX, || Reply {
        body: Body::from_stream(stream::repeat_with(|| Ok::<_, std::io::Error>(vec![b'x'; 64 * 1024]))),
        ..Reply::status(200)
    });
    let error = bmc.read_state().await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::AnswerTooLarge { .. }), "{error}");
}

#[tokio::test]
async fn a_slow_drip_ends_with_the_time_limit() {
    let fake = Fake::new(two_cd());
    let server = Server::https(fake.clone()).await;
    let mut endpoint = endpoint(&server);
    let discovery = RedfishBmc::connect(&endpoint, wiring()).await.unwrap().discovery();
    endpoint.retry.tries = 1;
    endpoint.timeouts.request = Duration::from_millis(500);
    let bmc = RedfishBmc::resume(&endpoint, wiring(), discovery).unwrap();
    fake.answer("GET", SYSTEM, u32::MAX, || {
        let drip = stream::unfold((), |()| async {
            tokio::time::sleep(Duration::from_millis(20)).await;
            Some((Ok::<_, std::io::Error>(b" ".to_vec()), ()))
        });
        Reply { body: Body::from_stream(drip), ..Reply::status(200) }
    });
    let error = bmc.read_state().await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Timeout { .. }), "{error}");
}

#[tokio::test]
async fn a_dead_bmc_is_not_asked_again_until_its_pause_is_over() {
    let fake = Fake::new(two_cd());
    let server = Server::https(fake.clone()).await;
    let endpoint = BmcEndpoint {
        timeouts: Timeouts { connect: Duration::from_secs(1), request: Duration::from_secs(1) },
        ..endpoint(&server)
    };
    let address = server.address();
    server.stop().await;
    let wiring = Wiring {
        lane: Arc::new(Lane::new(CircuitBreaker::new(5, Duration::from_millis(400), Duration::from_secs(1)))),
        ..wiring()
    };
    let error = RedfishBmc::connect(&endpoint, wiring.clone()).await.err().unwrap();
    assert!(matches!(error.kind(), ErrorKind::Unreachable { .. }), "{error}");
    let error = RedfishBmc::connect(&endpoint, wiring.clone()).await.err().unwrap();
    assert!(
        matches!(error.kind(), ErrorKind::CircuitOpen { last: "unreachable" | "timeout", .. }),
        "{error}"
    );
    assert!(error.kind().is_unreachable() && error.retryable());

    let server = Server::https_on(address, fake.clone()).await;
    let endpoint = BmcEndpoint { tls: crate::support::client::endpoint(&server).tls, ..endpoint };
    loop {
        match RedfishBmc::connect(&endpoint, wiring.clone()).await {
            Ok(_) => break,
            Err(error) => assert!(matches!(error.kind(), ErrorKind::CircuitOpen { .. }), "{error}"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Counts how many requests are under way at once.
pub(crate) struct Counting {
    fake: Arc<Fake>,
    /// Long enough that a second request would get in.
    pause: Duration,
    now: AtomicUsize,
    pub(crate) most: AtomicUsize,
}

impl Counting {
    pub(crate) fn new(fake: Arc<Fake>, pause: Duration) -> Self {
        Self { fake, pause, now: AtomicUsize::new(0), most: AtomicUsize::new(0) }
    }
}

impl Handler for Counting {
    async fn answer(&self, asked: Asked) -> Reply {
        let now = self.now.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(now, Ordering::SeqCst);
        tokio::time::sleep(self.pause).await;
        let reply = Handler::answer(&*self.fake, asked).await;
        self.now.fetch_sub(1, Ordering::SeqCst);
        reply
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_request_at_a_time_reaches_a_bmc_whatever_is_asked_of_its_clients() {
    let counting = Arc::new(Counting::new(Fake::new(two_cd()), Duration::from_millis(3)));
    let server = Server::https(counting.clone()).await;
    let endpoint = endpoint(&server);
    let wiring = wiring();
    let first = RedfishBmc::connect(&endpoint, wiring.clone()).await.unwrap();
    let second = RedfishBmc::resume(&endpoint, wiring, first.discovery()).unwrap();
    let (a, b, c, d) =
        tokio::join!(first.read_state(), second.read_state(), first.read_state(), second.boot_progress());
    a.unwrap();
    b.unwrap();
    c.unwrap();
    d.unwrap();
    assert_eq!(counting.most.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn all_bmcs_together_share_one_limit() {
    let fake = Fake::new(two_cd());
    let server = Server::https(fake.clone()).await;
    let wiring = wiring();
    let endpoint = endpoint(&server);
    let bmc = RedfishBmc::connect(&endpoint, wiring.clone()).await.unwrap();
    let all = wiring.limit.available_permits() as u32;
    let held = wiring.limit.acquire_many(all).await.unwrap();
    let before = fake.log().len();
    let waiting = tokio::time::timeout(Duration::from_millis(100), bmc.read_state()).await;
    assert!(waiting.is_err());
    assert_eq!(fake.log().len(), before);
    drop(held);
    bmc.read_state().await.unwrap();
}

/// One request and its answer, as before connections were kept: no length, and the end is the connection's.
async fn answer_in_http_1_0(fake: &Fake, stream: TcpStream) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    stream.read_line(&mut line).await?;
    let mut words = line.split(' ').map(str::to_owned);
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let mut headers = HeaderMap::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::from_str(value)) {
            headers.insert(name, value);
        }
    }
    let length = headers.get("content-length").and_then(|length| length.to_str().ok()?.parse().ok());
    let mut body = vec![0; length.unwrap_or_default()];
    stream.read_exact(&mut body).await?;
    let reply = Handler::answer(fake, Asked { method, path, headers, body }).await;
    let mut head = format!("HTTP/1.0 {} X\r\n", reply.status);
    for (name, value) in &reply.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    stream.write_all(format!("{head}\r\n").as_bytes()).await?;
    let body = axum::body::to_bytes(reply.body, 1 << 20).await.unwrap_or_default();
    stream.write_all(&body).await?;
    stream.shutdown().await
}

#[tokio::test]
async fn a_server_of_the_time_before_connections_were_kept_is_understood() {
    let fake = Fake::new(two_cd());
    let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", tcp.local_addr().unwrap()).parse().unwrap();
    let task = tokio::spawn({
        let fake = Arc::clone(&fake);
        async move {
            loop {
                let (stream, _) = tcp.accept().await.unwrap();
                // A client that hangs up harms nobody.
                let _ = answer_in_http_1_0(&fake, stream).await;
            }
        }
    });
    let unused = Server::http(Arc::clone(&fake)).await;
    let endpoint = BmcEndpoint { url, ..endpoint(&unused) };
    let bmc = RedfishBmc::connect(&endpoint, wiring()).await.unwrap();
    bmc.insert(FIRST, &image("boot.iso")).await.unwrap();
    bmc.set_boot_once_cd().await.unwrap();
    bmc.close().await.unwrap();
    assert!(fake.state().sessions.is_empty());
    task.abort();
}
