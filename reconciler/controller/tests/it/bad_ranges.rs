// SPDX-License-Identifier: AGPL-3.0-or-later
//! Media: wrong, tampered and expired addresses, silly ranges, and a thousand readers at once.

use std::net::{Ipv4Addr, SocketAddr};

use rustix::process::{Resource, Rlimit};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpSocket;
use tokio::task::JoinSet;

use super::outage::waiting_for_its_permit;
use super::world::{World, client};

/// Connections at once.
const READERS: usize = 1000;
/// Addresses that they come from: one alone may not have as many.
const SOURCES: usize = 4;

/// A world in which a machine has read its media and waits, and where those are.
async fn media() -> (World, Vec<String>) {
    let mut world = World::new(&["idrac9-6"]).await;
    world.tweak = |settings| settings.budgets.boot_ms = 600_000;
    waiting_for_its_permit(&mut world).await;
    let media = world.puppets[0].seen().media;
    assert!(!media.is_empty());
    (world, media)
}

/// The status, the `Content-Range` and the body of one answer.
async fn get(url: &str, range: Option<&str>) -> (u16, Option<String>, Vec<u8>) {
    let request = range.iter().fold(client().get(url), |request, range| request.header("range", *range));
    let answer = request.send().await.unwrap();
    let span = answer.headers().get("content-range").map(|span| span.to_str().unwrap().to_owned());
    (answer.status().as_u16(), span, answer.bytes().await.unwrap().to_vec())
}

#[tokio::test(flavor = "multi_thread")]
async fn silly_ranges_are_answered_as_the_standard_says() {
    let (mut world, media) = media().await;
    let url = &media[0];
    let (status, _, whole) = get(url, None).await;
    assert_eq!(status, 200);
    let len = whole.len() as u64;
    let (last, huge) = (len - 1, "9".repeat(5_000));
    let many = format!("bytes={}", (0..500).map(|n| format!("{n}-{n}")).collect::<Vec<_>>().join(","));
    // Parts that are answered with what they ask for.
    for (range, from, to) in [
        ("bytes=0-0".to_owned(), 0, 0),
        (format!("bytes={last}-"), last, last),
        (format!("bytes={last}-{len}"), last, last),
        ("bytes=-1".to_owned(), last, last),
        (format!("bytes=-{}", u64::MAX), 0, last),
        (format!("bytes=-{huge}"), 0, last),
        (format!("bytes=7-{}", u64::MAX), 7, last),
        (format!("bytes=7-{huge}"), 7, last),
        ("bytes=2047-2048".to_owned(), 2047, 2048),
    ] {
        let (status, span, body) = get(url, Some(&range)).await;
        let range = &range[..range.len().min(60)];
        assert_eq!((status, span), (206, Some(format!("bytes {from}-{to}/{len}"))), "{range}");
        assert!(body == whole[from as usize..=to as usize], "{range}: other bytes");
    }
    // Parts that are not there.
    for range in [
        format!("bytes={len}-"),
        format!("bytes={len}-{}", len + 1),
        format!("bytes={}-{}", u64::MAX, u64::MAX),
        format!("bytes={huge}-"),
        "bytes=-0".to_owned(),
    ] {
        let (status, span, body) = get(url, Some(&range)).await;
        let range = &range[..range.len().min(60)];
        assert_eq!((status, span), (416, Some(format!("bytes */{len}"))), "{range}");
        assert!(body.len() < 1_000, "{range}: {} bytes", body.len());
    }
    // What is no range, or several, is as if it were not there: one whole, and never more than that.
    for range in [
        "bytes=0-0,2-3",
        "bytes=0-,0-,0-,0-",
        "bytes=5-4",
        "bytes=-",
        "bytes=--1",
        "bytes=1-2-3",
        "bytes=a-b",
        "bytes=0x0-0x1",
        "items=0-1",
        "bytes",
        "",
        "bytes=1.5-2",
        "bytes=\u{b2}-3",
        &many,
    ] {
        let Ok(value) = reqwest::header::HeaderValue::from_bytes(range.as_bytes()) else { continue };
        let answer = client().get(url).header("range", value).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), 200, "{range}");
        assert!(answer.bytes().await.unwrap() == whole, "{range}: other bytes");
    }
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_was_not_given_out_opens_nothing() {
    let (mut world, media) = media().await;
    let url = &media[0];
    let (base, rest) = url.split_once("/media/").unwrap();
    let (capability, name) = rest.split_once('/').unwrap();
    let mut tampered = capability.to_owned();
    let last = tampered.pop().unwrap();
    tampered.push(if last == 'A' { 'B' } else { 'A' });
    let (long, upper, padded) =
        ("A".repeat(7_000), capability.to_ascii_uppercase(), format!("{capability}="));
    for wrong in
        ["x", "%00", "..", "%2e%2e", "%2e%2e%2f%2e%2e", &tampered, &long, &upper, &padded, &capability[1..]]
    {
        let (status, _, body) = get(&format!("{base}/media/{wrong}/{name}"), None).await;
        let body = String::from_utf8(body).unwrap();
        assert_eq!(status, 404, "{wrong}: {body}");
        assert!(body.contains("\"hint\":") && !body.contains(capability), "{wrong}: {body}");
    }
    for name in
        ["task.iso", "task.img", "boot.img", "boot.iso.", "BOOT.ISO", "%2e%2e%2fboot.iso", "boot.iso%00"]
    {
        if rest.ends_with(name) {
            continue;
        }
        assert_eq!(get(&format!("{base}/media/{capability}/{name}"), None).await.0, 404, "{name}");
    }
    for path in ["", "/", "/media", "/media/", "/api/v1/status", "/metrics", "/openapi.json", "/v2/"] {
        let (status, _, body) = get(&format!("{base}{path}"), None).await;
        let body = String::from_utf8(body).unwrap();
        assert!(
            status == 404 && body.contains("media alone") && body.contains("hint"),
            "{path}: {status} {body}"
        );
    }
    for method in [reqwest::Method::POST, reqwest::Method::PUT, reqwest::Method::DELETE] {
        let answer = client().request(method.clone(), url).body("x").send().await.unwrap();
        assert_eq!(answer.status().as_u16(), 405, "{method}");
        let body: serde_json::Value = answer.json().await.unwrap();
        assert_eq!(body["error"], "wrong_method", "{body}");
    }
    let (status, _, body) = get(&format!("{base}/media/%ff/{name}"), None).await;
    assert!(status == 400 && serde_json::from_slice::<serde_json::Value>(&body).is_ok(), "{status}");
    // The attempt goes on as if nobody had tried.
    assert_eq!(get(url, Some("bytes=0-3")).await.0, 206);
    let (_, answer) =
        world.post(&format!("/api/v1/jobs/{}/cancel", job(&world)), serde_json::json!({})).await;
    assert_eq!(answer["ok"], true, "{answer}");
    world.wait_job_complete(0, "failed").await;
    // Over with the job.
    assert_eq!(get(url, None).await.0, 404);
    world.stop().await;
}

fn job(world: &World) -> String {
    world.puppets[0].seen().task.unwrap()["job_id"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_readers_at_once_get_each_the_bytes_that_it_asked_for() {
    // Both ends of every connection are here; shells often allow 1,024 files.
    let limit = rustix::process::getrlimit(Resource::Nofile);
    rustix::process::setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).unwrap();
    let (mut world, media) = media().await;
    let url = url::Url::parse(&media[0]).unwrap();
    let (_, _, whole) = get(url.as_str(), None).await;
    let server: SocketAddr = format!("{}:{}", url.host_str().unwrap(), url.port().unwrap()).parse().unwrap();
    let mut waiting = Vec::new();
    // All are connected before the first one asks.
    for reader in 0..READERS {
        let socket = TcpSocket::new_v4().unwrap();
        let source = Ipv4Addr::new(127, 0, 0, (2 + reader % SOURCES) as u8);
        socket.bind(SocketAddr::from((source, 0))).unwrap();
        waiting.push(socket.connect(server).await.unwrap());
    }
    let mut readers = JoinSet::new();
    for (reader, mut stream) in waiting.into_iter().enumerate() {
        let from = reader * 61 % (whole.len() - 3000);
        let wanted = whole[from..from + 3000].to_vec();
        let head = format!(
            "GET {} HTTP/1.1\r\nhost: {server}\r\nrange: bytes={from}-{}\r\nconnection: close\r\n\r\n",
            url.path(),
            from + 2999
        );
        readers.spawn(async move {
            stream.write_all(head.as_bytes()).await.unwrap();
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).await.unwrap();
            assert!(answer.starts_with(b"HTTP/1.1 206 "), "{}", String::from_utf8_lossy(&answer[..64]));
            assert!(answer.ends_with(&wanted), "reader {reader} got other bytes");
        });
    }
    let mut served = 0;
    while let Some(reader) = readers.join_next().await {
        reader.unwrap();
        served += 1;
    }
    assert_eq!(served, READERS);
    let status = client().get(world.api("/api/v1/status")).send().await.unwrap();
    assert_eq!(status.status().as_u16(), 200);
    world.stop().await;
}
