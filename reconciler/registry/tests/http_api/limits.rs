// SPDX-License-Identifier: AGPL-3.0-or-later
//! What the registry does not take: too much at once, too slowly, too large, beyond quotas and disk.

use std::time::Duration;

use reqwest::Method;
use serde_json::json;
use shoal_registry::Patience;

use crate::support::{Server, Setup, header, image, noise, refusal, refusal_in_full, sha256};

fn impatient(idle: u64, turn: u64) -> Patience {
    Patience { idle: Duration::from_millis(idle), turn: Duration::from_millis(turn) }
}

fn put(location: &str, length: usize, body: &str) -> String {
    let digest = sha256(b"abcdefghij");
    format!("PUT {location}?digest={digest} HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\n\r\n{body}")
}

#[tokio::test]
async fn a_client_that_sends_nothing_more_is_left_and_its_upload_is_kept() {
    let server = Server::with(Setup { patience: impatient(50, 1000), ..Setup::default() }).await;
    let location = server.begin("a").await;
    let mut raw = server.raw().await;
    raw.send(&put(&location, 10, "abcd")).await;
    let answer = String::from_utf8(raw.rest().await).unwrap();
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(answer.contains("BLOB_UPLOAD_INVALID"), "{answer}");
    assert_eq!(header(&server.get(&location).await, "range"), "0-3");
    assert_eq!(server.finish(&location, sha256(b"abcdefghij").as_str(), b"efghij").await.status(), 201);
}

#[tokio::test]
async fn a_client_that_sends_a_byte_now_and_then_keeps_no_turn_and_its_upload_is_kept() {
    let setup = Setup { patience: impatient(200, 60_000), ..Setup::policy(json!({"uploads": 1})) };
    let server = Server::with(setup).await;
    let location = server.begin("a").await;
    let content = vec![b'x'; 1 << 20];
    let head = format!("PATCH {location} HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\nxx", content.len());
    let mut raw = server.raw().await;
    raw.send(&head).await;
    // Never nothing for as long as the registry waits, and it would take hours.
    let answer = raw.trickle(Duration::from_millis(20)).await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    let other = server.begin("a").await;
    assert_eq!(server.finish(&other, sha256(b"y").as_str(), b"y").await.status(), 201, "the turn is free");
    let range = header(&server.get(&location).await, "range");
    let received: usize = range.strip_prefix("0-").unwrap().parse::<usize>().unwrap() + 1;
    let rest = server.finish(&location, sha256(&content).as_str(), &content[received..]).await;
    assert_eq!(rest.status(), 201);
}

#[tokio::test]
async fn a_second_writer_of_an_upload_is_refused() {
    let server = Server::start().await;
    let location = server.begin("a").await;
    let mut raw = server.raw().await;
    raw.send(&put(&location, 10, "abcd")).await;
    server.until_receiving(1).await;
    for method in [Method::PATCH, Method::PUT, Method::DELETE] {
        let path = format!("{location}?digest={}", sha256(b"xyz"));
        let second = server.request(method, &path).body("xyz").send().await.unwrap();
        assert_eq!(refusal(second).await, (409, "BLOB_UPLOAD_INVALID".to_owned()));
    }
    raw.send("efghij").await;
    assert!(raw.head().await.starts_with("HTTP/1.1 201 "));
}

#[tokio::test]
async fn a_client_that_finds_no_turn_is_told_when_to_come_back_and_is_not_asked_for_its_body() {
    let setup = Setup { patience: impatient(60_000, 50), ..Setup::policy(json!({"uploads": 1})) };
    let server = Server::with(setup).await;
    let (first, second) = (server.begin("a").await, server.begin("a").await);
    let mut busy = server.raw().await;
    busy.send(&put(&first, 10, "abcd")).await;
    server.until_receiving(1).await;
    let mut late = server.raw().await;
    late.send(&put(&second, 10, "").replace("host: x", "host: x\r\nexpect: 100-continue")).await;
    let answer = late.head().await;
    assert!(answer.starts_with("HTTP/1.1 429 "), "{answer}");
    assert!(answer.contains("retry-after: 10\r\n"), "{answer}");
    let refused = server.finish(&second, sha256(b"x").as_str(), b"x").await;
    assert_eq!(refusal(refused).await, (429, "TOOMANYREQUESTS".to_owned()));
    busy.send("efghij").await;
    assert!(busy.head().await.starts_with("HTTP/1.1 201 "));
    server.until_receiving(0).await;
    assert_eq!(server.finish(&second, sha256(b"x").as_str(), b"x").await.status(), 201);
}

#[tokio::test]
async fn a_client_that_waits_gets_the_turn_of_one_that_ends() {
    let server = Server::with(Setup::policy(json!({"uploads": 1}))).await;
    let (first, second) = (server.begin("a").await, server.begin("a").await);
    let mut busy = server.raw().await;
    busy.send(&put(&first, 10, "abcd")).await;
    server.until_receiving(1).await;
    let digest = sha256(b"x");
    let waits = server.finish(&second, digest.as_str(), b"x");
    let ends = async {
        busy.send("efghij").await;
        busy.head().await
    };
    let (waited, ended) = tokio::join!(waits, ends);
    assert!(ended.starts_with("HTTP/1.1 201 "), "{ended}");
    assert_eq!(waited.status(), 201);
}

#[tokio::test]
async fn an_exchanged_policy_counts_from_the_next_request_on() {
    let server = Server::with(Setup::policy(json!({"uploads": 1, "maxManifest": "64K"}))).await;
    let (first, second) = (server.begin("a").await, server.begin("a").await);
    let (mut one, mut two) = (server.raw().await, server.raw().await);
    one.send(&put(&first, 10, "abcd")).await;
    server.until_receiving(1).await;
    server.replace(Setup::policy(json!({"uploads": 2, "immutableTags": ["*"]})));
    two.send(&put(&second, 10, "abcd")).await;
    server.until_receiving(2).await;
    for raw in [&mut one, &mut two] {
        raw.send("efghij").await;
        assert!(raw.head().await.starts_with("HTTP/1.1 201 "));
    }
    server.push_image("a", "v1").await;
    let config = server.push_blob("a", b"{\"other\":1}").await;
    let moved = server.push_manifest("a", "v1", &image(&config, 11, &[])).await;
    assert_eq!(refusal(moved).await, (409, "DENIED".to_owned()));
}

#[tokio::test]
async fn an_end_without_a_body_needs_no_turn() {
    let setup = Setup { patience: impatient(60_000, 50), ..Setup::policy(json!({"uploads": 1})) };
    let server = Server::with(setup).await;
    let (first, second) = (server.begin("a").await, server.begin("a").await);
    assert_eq!(server.chunk(&second, 0, b"abc").await.status(), 202);
    let mut busy = server.raw().await;
    busy.send(&put(&first, 10, "abcd")).await;
    server.until_receiving(1).await;
    assert_eq!(server.finish(&second, sha256(b"abc").as_str(), b"").await.status(), 201);
}

#[tokio::test]
async fn a_client_that_waits_to_be_asked_is_asked_for_its_body() {
    let server = Server::start().await;
    let location = server.begin("a").await;
    let mut raw = server.raw().await;
    raw.send(&put(&location, 10, "").replace("host: x", "host: x\r\nexpect: 100-continue")).await;
    assert_eq!(raw.head().await, "HTTP/1.1 100 Continue\r\n\r\n");
    raw.send("abcdefghij").await;
    assert!(raw.head().await.starts_with("HTTP/1.1 201 "));
}

#[tokio::test]
async fn a_refused_client_that_sends_on_still_reads_why() {
    let server = Server::start().await;
    let mut raw = server.raw().await;
    let path = "/v2/a/blobs/uploads/00000000-0000-4000-8000-000000000000";
    raw.send(&put(path, 4 << 20, "")).await;
    raw.send(&"x".repeat(4 << 20)).await;
    let answer = raw.head().await;
    assert!(answer.starts_with("HTTP/1.1 404 "), "{answer}");
}

#[tokio::test]
async fn nothing_is_taken_where_the_disk_has_less_than_stays_free() {
    let server = Server::with(Setup::policy(json!({"minFree": "1000000T"}))).await;
    let begun = server.post("/v2/a/blobs/uploads/").await;
    let (status, code, message) = refusal_in_full(begun).await;
    assert_eq!((status, code.as_str()), (507, "DENIED"));
    assert!(message.contains("shoal image gc"), "{message}");
    let path = format!("/v2/a/blobs/uploads/?digest={}", sha256(b"x"));
    let single = server.request(Method::POST, &path).body("x").send().await.unwrap();
    assert_eq!(refusal(single).await, (507, "DENIED".to_owned()));
    let manifest = image(&sha256(b"{}"), 2, &[]);
    assert_eq!(refusal(server.push_manifest("a", "v1", &manifest).await).await, (507, "DENIED".to_owned()));
    assert_eq!(server.uploads_on_disk(), 0);
}

#[tokio::test]
async fn an_upload_stops_where_the_disk_gets_full_and_goes_on_when_there_is_room() {
    let server = Server::start().await;
    let location = server.begin("a").await;
    assert_eq!(server.chunk(&location, 0, b"abc").await.status(), 202);
    let server = server.restart(Setup::policy(json!({"minFree": "1000000T"}))).await;
    assert_eq!(refusal(server.chunk(&location, 3, b"def").await).await, (507, "DENIED".to_owned()));
    assert_eq!(header(&server.get(&location).await, "range"), "0-2");
    let server = server.restart(Setup::default()).await;
    assert_eq!(server.chunk(&location, 3, b"def").await.status(), 202);
    assert_eq!(server.finish(&location, sha256(b"abcdef").as_str(), b"").await.status(), 201);
}

#[tokio::test]
async fn a_quota_is_named_where_an_upload_does_not_fit_into_it() {
    let quota = json!({"quotas": [{"repositories": "small/*", "max": "1M"}]});
    let server = Server::with(Setup::policy(quota)).await;
    let large = noise(2 << 20);
    let digest = sha256(&large);
    let path = format!("/v2/small/a/blobs/uploads/?digest={digest}");
    let announced = server.request(Method::POST, &path).body(large.clone()).send().await.unwrap();
    let (status, code, message) = refusal_in_full(announced).await;
    assert_eq!((status, code.as_str()), (403, "DENIED"));
    assert!(message.contains("small/*"), "{message}");
    let location = server.begin("small/a").await;
    let pieces: Vec<_> = large.chunks(1 << 16).map(|piece| Ok::<_, std::io::Error>(piece.to_vec())).collect();
    let stream = reqwest::Body::wrap_stream(futures_util::stream::iter(pieces));
    let streamed = server.request(Method::PATCH, &location).body(stream).send().await.unwrap();
    assert_eq!(refusal(streamed).await, (403, "DENIED".to_owned()));
    assert_eq!(server.push_blob("large/a", &large).await, digest);
    let mount = server.post(&format!("/v2/small/a/blobs/uploads/?mount={digest}&from=large/a")).await;
    assert_eq!(refusal(mount).await, (403, "DENIED".to_owned()));
    assert_eq!(server.head(&format!("/v2/small/a/blobs/{digest}")).await.status(), 404);
}

#[tokio::test]
async fn what_other_repositories_of_a_quota_hold_counts() {
    let quota = json!({"quotas": [{"repositories": "small/*", "max": "1M"}]});
    let server = Server::with(Setup::policy(quota)).await;
    server.push_blob("small/a", &noise(700_000)).await;
    let more = noise(800_000);
    let path = format!("/v2/small/b/blobs/uploads/?digest={}", sha256(&more));
    let refused = server.request(Method::POST, &path).body(more.clone()).send().await.unwrap();
    assert_eq!(refusal(refused).await, (403, "DENIED".to_owned()));
    assert_eq!(server.push_blob("small/b", &more[..200_000]).await, sha256(&more[..200_000]));
}

#[tokio::test]
async fn a_manifest_beyond_the_limit_is_refused_whether_its_length_is_said_or_not() {
    let server = Server::with(Setup::policy(json!({"maxManifest": "64K"}))).await;
    let config = server.push_blob("a", b"{}").await;
    let mut manifest = image(&config, 2, &[]);
    manifest["annotations"] = json!({"filler": "x".repeat(70_000)});
    let said = server.push_manifest("a", "v1", &manifest).await;
    assert_eq!(refusal(said).await, (413, "MANIFEST_INVALID".to_owned()));
    let pieces = vec![Ok::<_, std::io::Error>(manifest.to_string())];
    let stream = reqwest::Body::wrap_stream(futures_util::stream::iter(pieces));
    let request = server.request(Method::PUT, "/v2/a/manifests/v1").body(stream);
    let unsaid =
        request.header("content-type", manifest["mediaType"].as_str().unwrap()).send().await.unwrap();
    assert_eq!(refusal(unsaid).await, (413, "MANIFEST_INVALID".to_owned()));
    manifest["annotations"] = json!({"filler": "x".repeat(60_000)});
    assert_eq!(server.push_manifest("a", "v1", &manifest).await.status(), 201);
}
