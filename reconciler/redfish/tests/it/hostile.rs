// SPDX-License-Identifier: AGPL-3.0-or-later
//! BMCs that send anything: they cost a bounded amount of time and memory, and never touch their
//! neighbours. Redirects, link loops, pages without end and a slow drip are in `http` and
//! `discovery`.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use futures_util::stream;
use shoal_redfish::{Bmc, BmcEndpoint, ErrorKind, Lane, RedfishBmc, RetryPolicy, Timeouts, TlsTrust, Wiring};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use crate::support::client::{endpoint, wiring};
use crate::support::fake::Fake;
use crate::support::server::{Asked, Handler, Reply, Server};
use crate::support::trees::{MEDIA, SYSTEM, two_cd};

#[tokio::test]
async fn garbage_instead_of_resources_is_told_and_costs_few_requests() {
    let garbage: [fn() -> Vec<u8>; 5] = [
        || b"<html>not found</html>".to_vec(),
        || vec![0xff; 4096],
        || vec![b'['; 1 << 20],
        || b"{\"Members\": [{\"@odata.id\": \"/redfish/v1/Sys".to_vec(),
        Vec::new,
    ];
    for bytes in garbage {
        let fake = Fake::new(two_cd());
        fake.hook(move |asked, _| {
            let beyond_the_root = asked.method == "GET" && asked.path.contains("/Systems");
            beyond_the_root.then(|| Reply { body: Body::from(bytes()), ..Reply::status(200) })
        });
        let (_server, bmc) = fake.tried().await;
        let error = bmc.err().unwrap();
        assert!(matches!(error.kind(), ErrorKind::NotRedfish { .. }), "{error}");
        assert!(fake.log().len() < 10, "{} requests", fake.log().len());
        assert!(fake.state().sessions.is_empty(), "a session is left behind");
    }
}

#[tokio::test]
async fn a_body_that_announces_a_gigabyte_is_cut_off() {
    let fake = Fake::new(two_cd());
    let (_server, bmc) = fake.connected().await;
    fake.answer("GET", SYSTEM, u32::MAX, || Reply {
        body: Body::from_stream(stream::repeat_with(|| Ok::<_, std::io::Error>(vec![b' '; 64 * 1024]))),
        ..Reply::status(200).header("Content-Length", (1_u64 << 30).to_string())
    });
    let error = bmc.read_state().await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::AnswerTooLarge { .. }), "{error}");
}

#[tokio::test]
async fn a_list_of_more_members_than_any_bmc_has_is_not_walked() {
    let members: Vec<String> =
        (0..100_000).map(|n| format!("{{\"@odata.id\":\"/redfish/v1/x/{n}\"}}")).collect();
    let body = format!("{{\"Members\":[{}]}}", members.join(","));
    let fake = Fake::new(two_cd());
    fake.answer("GET", MEDIA, u32::MAX, move || Reply { body: body.clone().into(), ..Reply::status(200) });
    let (_server, bmc) = fake.tried().await;
    let error = bmc.err().unwrap();
    assert!(matches!(error.kind(), ErrorKind::TooManyResources { .. }), "{error}");
    assert!(fake.log().len() < 250, "{} requests", fake.log().len());
}

/// Says the same to everybody, again and again, and never stops by itself.
async fn shouting(words: &'static [u8]) -> (BmcEndpoint, tokio::task::JoinHandle<()>) {
    let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", tcp.local_addr().unwrap()).parse().unwrap();
    let task = tokio::spawn(async move {
        loop {
            let (mut stream, _) = tcp.accept().await.unwrap();
            let _ = stream.read(&mut [0; 4096]).await;
            // Until the client has enough.
            while stream.write_all(words).await.is_ok() {}
        }
    });
    let fast = Duration::from_millis(1);
    let endpoint = BmcEndpoint {
        retry: RetryPolicy { tries: 2, first_pause: fast, longest_pause: fast, ..RetryPolicy::default() },
        timeouts: Timeouts { request: Duration::from_secs(5), ..Timeouts::default() },
        ..BmcEndpoint::new(
            url,
            TlsTrust::Insecure,
            shoal_redfish::Credentials::new("user".to_owned(), "password".to_owned()),
        )
    };
    (endpoint, task)
}

#[tokio::test]
async fn what_speaks_no_http_or_headers_without_end_is_unreachable() {
    for words in [&b"\x00\xffSSH-2.0-what\r\n"[..], b"HTTP/1.1 200 OK\r\nX: y\r\nX: y\r\n"] {
        let (endpoint, task) = shouting(words).await;
        let error = RedfishBmc::connect(&endpoint, wiring()).await.err().unwrap();
        assert!(error.kind().is_unreachable(), "{error}");
        task.abort();
    }
}

/// Takes a request and never answers.
struct Silent;

impl Handler for Silent {
    async fn answer(&self, _asked: Asked) -> Reply {
        std::future::pending().await
    }
}

#[tokio::test]
async fn a_silent_bmc_does_not_hold_up_its_neighbour() {
    let (silent, fake) = (Server::https(Arc::new(Silent)).await, Fake::new(two_cd()));
    let neighbour = Server::https(fake).await;
    let shared = Wiring { limit: Arc::new(Semaphore::new(2)), ..wiring() };
    let lane = || Wiring { lane: Arc::new(Lane::default()), ..shared.clone() };
    let stuck = tokio::spawn({
        let (endpoint, wiring) = (endpoint(&silent), lane());
        async move { RedfishBmc::connect(&endpoint, wiring).await.is_ok() }
    });
    while shared.limit.available_permits() == 2 {
        tokio::task::yield_now().await;
    }
    let bmc = RedfishBmc::connect(&endpoint(&neighbour), lane()).await.unwrap();
    bmc.read_state().await.unwrap();
    assert!(!stuck.is_finished());
    stuck.abort();
}
