// SPDX-License-Identifier: AGPL-3.0-or-later
//! Pushing blobs (distribution-spec, Pushing blobs).

use reqwest::Method;
use shoal_oci::{Algorithm, Digest};

use crate::support::{Server, Setup, header, noise, refusal, refusal_in_full, sha256, until};

#[tokio::test]
async fn a_blob_is_pushed_with_post_and_put() {
    let server = Server::start().await;
    let begun = server.post("/v2/os-images/debian/blobs/uploads/").await;
    assert_eq!(begun.status(), 202);
    let location = header(&begun, "location");
    assert!(location.starts_with("/v2/os-images/debian/blobs/uploads/"), "{location}");
    assert!(location.ends_with(&header(&begun, "docker-upload-uuid")));
    let bytes = noise(3 << 20);
    let digest = sha256(&bytes);
    let done = server.finish(&location, digest.as_str(), &bytes).await;
    assert_eq!(done.status(), 201);
    assert_eq!(header(&done, "location"), format!("/v2/os-images/debian/blobs/{digest}"));
    assert_eq!(header(&done, "docker-content-digest"), digest.as_str());
    assert_eq!(header(&done, "docker-distribution-api-version"), "registry/2.0");
    assert_eq!(server.get(&header(&done, "location")).await.bytes().await.unwrap(), bytes);
    assert_eq!(server.uploads_on_disk(), 0);
}

#[tokio::test]
async fn a_blob_is_pushed_with_a_single_post() {
    let server = Server::start().await;
    let bytes = noise(2000);
    let digest = sha256(&bytes);
    let path = format!("/v2/a/blobs/uploads/?digest={digest}");
    let done = server.request(Method::POST, &path).body(bytes.clone()).send().await.unwrap();
    assert_eq!(done.status(), 201);
    assert_eq!(server.get(&header(&done, "location")).await.bytes().await.unwrap(), bytes);
}

#[tokio::test]
async fn a_single_post_with_the_wrong_digest_leaves_nothing() {
    let server = Server::start().await;
    let digest = sha256(b"something else");
    let path = format!("/v2/a/blobs/uploads/?digest={digest}");
    let done = server.request(Method::POST, &path).body("content").send().await.unwrap();
    assert_eq!(refusal(done).await, (400, "DIGEST_INVALID".to_owned()));
    assert_eq!(server.uploads_on_disk(), 0);
    assert_eq!(server.head(&format!("/v2/a/blobs/{digest}")).await.status(), 404);
}

#[tokio::test]
async fn an_empty_blob_is_a_blob() {
    let server = Server::start().await;
    let location = server.begin("a").await;
    let digest = sha256(b"");
    assert_eq!(server.finish(&location, digest.as_str(), b"").await.status(), 201);
    let got = server.get(&format!("/v2/a/blobs/{digest}")).await;
    assert_eq!((got.status().as_u16(), header(&got, "content-length")), (200, "0".to_owned()));
}

#[tokio::test]
async fn chunks_are_appended_and_each_answer_says_how_far_it_is() {
    let server = Server::start().await;
    let bytes = noise(3000);
    let mut location = server.begin("a").await;
    for (first, last) in [(0, 999), (1000, 1999), (2000, 2999)] {
        let response = server.chunk(&location, first, &bytes[first..=last]).await;
        assert_eq!(response.status(), 202);
        assert_eq!(header(&response, "range"), format!("0-{last}"));
        location = header(&response, "location");
    }
    let digest = sha256(&bytes);
    assert_eq!(server.finish(&location, digest.as_str(), b"").await.status(), 201);
    assert_eq!(server.get(&format!("/v2/a/blobs/{digest}")).await.bytes().await.unwrap(), bytes);
}

#[tokio::test]
async fn the_last_chunk_may_come_with_the_end() {
    let server = Server::start().await;
    let bytes = noise(2000);
    let location = server.begin("a").await;
    assert_eq!(server.chunk(&location, 0, &bytes[..1500]).await.status(), 202);
    let digest = sha256(&bytes);
    let end = |range: &str| {
        let request = server.request(Method::PUT, &format!("{location}?digest={digest}"));
        request.header("content-range", range).body(bytes[1500..].to_vec()).send()
    };
    assert_eq!(end("1000-1499").await.unwrap().status(), 416, "out of order");
    assert_eq!(end("1500-1999").await.unwrap().status(), 201);
    assert_eq!(server.get(&format!("/v2/a/blobs/{digest}")).await.bytes().await.unwrap(), bytes);
}

#[tokio::test]
async fn a_stream_of_unknown_length_is_taken() {
    let server = Server::start().await;
    let bytes = noise(5 << 20);
    let location = server.begin("a").await;
    let pieces: Vec<_> = bytes.chunks(70_001).map(|piece| Ok::<_, std::io::Error>(piece.to_vec())).collect();
    let stream = reqwest::Body::wrap_stream(futures_util::stream::iter(pieces));
    let response = server.request(Method::PATCH, &location).body(stream).send().await.unwrap();
    assert_eq!(response.status(), 202);
    assert_eq!(header(&response, "range"), format!("0-{}", bytes.len() - 1));
    let digest = sha256(&bytes);
    assert_eq!(server.finish(&location, digest.as_str(), b"").await.status(), 201);
    assert_eq!(server.get(&format!("/v2/a/blobs/{digest}")).await.bytes().await.unwrap(), bytes);
}

#[tokio::test]
async fn a_chunk_out_of_order_is_refused_and_its_status_says_where_to_go_on() {
    let server = Server::start().await;
    let bytes = noise(2000);
    let location = server.begin("a").await;
    let early = server.chunk(&location, 1000, &bytes[1000..]).await;
    assert_eq!((early.status().as_u16(), header(&early, "range")), (416, "0-0".to_owned()));
    assert_eq!(header(&early, "location"), location);
    assert_eq!(server.chunk(&location, 0, &bytes[..1000]).await.status(), 202);
    let again = server.chunk(&location, 0, &bytes[..1000]).await;
    assert_eq!(header(&again, "range"), "0-999");
    assert_eq!(refusal(again).await, (416, "BLOB_UPLOAD_INVALID".to_owned()));
    let status = server.get(&location).await;
    assert_eq!((status.status().as_u16(), header(&status, "range")), (204, "0-999".to_owned()));
    assert_eq!(header(&status, "location"), location);
    assert_eq!(server.chunk(&location, 1000, &bytes[1000..]).await.status(), 202);
    assert_eq!(server.finish(&location, sha256(&bytes).as_str(), b"").await.status(), 201);
}

#[tokio::test]
async fn a_range_that_is_none_or_has_another_length_is_refused_and_nothing_is_taken() {
    let server = Server::start().await;
    let location = server.begin("a").await;
    for (range, code) in [
        ("bytes 0-3/4", "BLOB_UPLOAD_INVALID"),
        ("0-", "BLOB_UPLOAD_INVALID"),
        ("3-0", "BLOB_UPLOAD_INVALID"),
        ("x", "BLOB_UPLOAD_INVALID"),
        ("0-4", "SIZE_INVALID"),
        ("0-2", "SIZE_INVALID"),
    ] {
        let request = server.request(Method::PATCH, &location).header("content-range", range).body("1234");
        assert_eq!(refusal(request.send().await.unwrap()).await, (400, code.to_owned()), "{range}");
    }
    assert_eq!(header(&server.get(&location).await, "range"), "0-0");
    assert_eq!(server.finish(&location, sha256(b"").as_str(), b"").await.status(), 201);
}

#[tokio::test]
async fn a_stream_that_is_longer_than_its_range_is_cut_there_and_refused() {
    let server = Server::start().await;
    let location = server.begin("a").await;
    let mut raw = server.raw().await;
    raw.send(&format!(
        "PATCH {location} HTTP/1.1\r\nhost: x\r\ncontent-range: 0-3\r\ntransfer-encoding: chunked\r\n\r\n\
         6\r\nabcdef\r\n0\r\n\r\n"
    ))
    .await;
    assert!(raw.head().await.starts_with("HTTP/1.1 400 "));
    server.until_received(&location, "0-3").await;
    assert_eq!(server.finish(&location, sha256(b"abcd").as_str(), b"").await.status(), 201);
}

#[tokio::test]
async fn a_stream_that_is_shorter_than_its_range_is_refused_and_what_came_is_kept() {
    let server = Server::start().await;
    let location = server.begin("a").await;
    let mut raw = server.raw().await;
    raw.send(&format!(
        "PATCH {location} HTTP/1.1\r\nhost: x\r\ncontent-range: 0-9\r\ntransfer-encoding: chunked\r\n\
         connection: close\r\n\r\n6\r\nabcdef\r\n0\r\n\r\n"
    ))
    .await;
    let answer = String::from_utf8(raw.rest().await).unwrap();
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    assert!(answer.contains("SIZE_INVALID"), "{answer}");
    server.until_received(&location, "0-5").await;
    assert_eq!(server.finish(&location, sha256(b"abcdef").as_str(), b"").await.status(), 201);
}

#[tokio::test]
async fn a_blob_with_a_wrong_digest_is_refused_and_its_upload_is_gone() {
    let server = Server::start().await;
    let location = server.begin("a").await;
    let wrong = sha256(b"something else");
    let (status, code, message) =
        refusal_in_full(server.finish(&location, wrong.as_str(), b"content").await).await;
    assert_eq!((status, code.as_str()), (400, "DIGEST_INVALID"));
    assert!(message.contains(sha256(b"content").as_str()), "{message}");
    assert_eq!(refusal(server.get(&location).await).await, (404, "BLOB_UPLOAD_UNKNOWN".to_owned()));
    for digest in [wrong, sha256(b"content")] {
        assert_eq!(server.head(&format!("/v2/a/blobs/{digest}")).await.status(), 404);
    }
    assert_eq!(server.uploads_on_disk(), 0);
}

#[tokio::test]
async fn a_digest_that_is_none_or_unknown_is_refused_and_the_upload_stays() {
    let server = Server::start().await;
    let location = server.begin("a").await;
    let upper = sha256(b"content").to_string().to_uppercase();
    for digest in ["sha256:abc", "md5:d41d8cd98f00b204e9800998ecf8427e", "x", "", upper.as_str()] {
        let refused = refusal(server.finish(&location, digest, b"content").await).await;
        assert_eq!(refused, (400, "DIGEST_INVALID".to_owned()), "{digest}");
        let path = format!("/v2/a/blobs/uploads/?digest={digest}");
        let refused = server.request(Method::POST, &path).body("content").send().await.unwrap();
        assert_eq!(refusal(refused).await, (400, "DIGEST_INVALID".to_owned()), "{digest}");
    }
    let without = server.request(Method::PUT, &location).body("content").send().await.unwrap();
    assert_eq!(refusal(without).await, (400, "DIGEST_INVALID".to_owned()));
    assert_eq!(server.finish(&location, sha256(b"content").as_str(), b"content").await.status(), 201);
}

#[tokio::test]
async fn an_upload_that_is_not_there_is_unknown_to_every_method() {
    let server = Server::start().await;
    let location = server.begin("a").await;
    let elsewhere = location.replace("/v2/a/", "/v2/b/");
    let never = "/v2/a/blobs/uploads/00000000-0000-4000-8000-000000000000";
    for path in [elsewhere.as_str(), never, "/v2/a/blobs/uploads/x", "/v2/a/blobs/uploads/..%2e"] {
        for method in [Method::GET, Method::PATCH, Method::PUT, Method::DELETE] {
            let digest = sha256(b"");
            let response = server.request(method.clone(), &format!("{path}?digest={digest}")).send().await;
            let refused = refusal(response.unwrap()).await;
            assert_eq!(refused, (404, "BLOB_UPLOAD_UNKNOWN".to_owned()), "{method} {path}");
        }
    }
    assert_eq!(server.get(&location).await.status(), 204);
}

#[tokio::test]
async fn a_cancelled_upload_is_gone() {
    let server = Server::start().await;
    let location = server.begin("a").await;
    assert_eq!(server.chunk(&location, 0, b"abc").await.status(), 202);
    assert_eq!(server.delete(&location).await.status(), 204);
    assert_eq!(refusal(server.get(&location).await).await, (404, "BLOB_UPLOAD_UNKNOWN".to_owned()));
    assert_eq!(refusal(server.delete(&location).await).await, (404, "BLOB_UPLOAD_UNKNOWN".to_owned()));
    assert_eq!(server.uploads_on_disk(), 0);
}

#[tokio::test]
async fn sha512_is_taken_with_and_without_being_announced() {
    let server = Server::start().await;
    let bytes = noise(1000);
    let digest = Digest::of(Algorithm::Sha512, &bytes);
    let begun = server.post("/v2/a/blobs/uploads/?digest-algorithm=sha512").await;
    assert_eq!(begun.status(), 202);
    assert_eq!(server.finish(&header(&begun, "location"), digest.as_str(), &bytes).await.status(), 201);
    assert_eq!(server.get(&format!("/v2/a/blobs/{digest}")).await.bytes().await.unwrap(), bytes);
    let location = server.begin("b").await;
    let done = server.finish(&location, digest.as_str(), &bytes).await;
    assert_eq!(header(&done, "docker-content-digest"), digest.as_str());
    let unknown = server.post("/v2/a/blobs/uploads/?digest-algorithm=md5").await;
    assert_eq!(refusal(unknown).await, (400, "DIGEST_INVALID".to_owned()));
}

#[tokio::test]
async fn a_blob_is_mounted_from_a_repository_that_is_named_or_found() {
    let server = Server::start().await;
    let digest = server.push_blob("from", b"content").await;
    for (to, query) in [("named", "&from=from"), ("found", ""), ("named", "&from=from")] {
        let path = format!("/v2/{to}/blobs/uploads/?mount={digest}{query}");
        let mounted = server.post(&path).await;
        assert_eq!(mounted.status(), 201, "{to}");
        assert_eq!(header(&mounted, "location"), format!("/v2/{to}/blobs/{digest}"));
        assert_eq!(header(&mounted, "docker-content-digest"), digest.as_str());
        assert_eq!(server.get(&header(&mounted, "location")).await.bytes().await.unwrap(), "content");
    }
    assert_eq!(server.delete(&format!("/v2/from/blobs/{digest}")).await.status(), 202);
    assert_eq!(server.head(&format!("/v2/named/blobs/{digest}")).await.status(), 200);
}

#[tokio::test]
async fn what_cannot_be_mounted_is_to_be_uploaded() {
    let server = Server::start().await;
    let there = server.push_blob("from", b"content").await;
    let missing = sha256(b"missing");
    for query in [
        format!("mount={missing}&from=from"),
        format!("mount={missing}"),
        format!("mount={there}&from=nowhere"),
        format!("mount={there}&from=..%2F.."),
    ] {
        let begun = server.post(&format!("/v2/to/blobs/uploads/?{query}")).await;
        assert_eq!(begun.status(), 202, "{query}");
        let location = header(&begun, "location");
        let digest = sha256(query.as_bytes());
        assert_eq!(server.finish(&location, digest.as_str(), query.as_bytes()).await.status(), 201);
    }
    let malformed = server.post("/v2/to/blobs/uploads/?mount=sha256:abc").await;
    assert_eq!(refusal(malformed).await, (400, "DIGEST_INVALID".to_owned()));
}

#[tokio::test]
async fn an_upload_goes_on_after_a_restart() {
    let server = Server::start().await;
    let bytes = noise(400_000);
    let location = server.begin("a").await;
    assert_eq!(server.chunk(&location, 0, &bytes[..300_000]).await.status(), 202);
    let server = server.restart(Setup::default()).await;
    let status = server.get(&location).await;
    assert_eq!((status.status().as_u16(), header(&status, "range")), (204, "0-299999".to_owned()));
    assert_eq!(server.chunk(&location, 300_000, &bytes[300_000..]).await.status(), 202);
    let digest = sha256(&bytes);
    assert_eq!(server.finish(&location, digest.as_str(), b"").await.status(), 201);
    assert_eq!(server.get(&format!("/v2/a/blobs/{digest}")).await.bytes().await.unwrap(), bytes);
}

#[tokio::test]
async fn an_upload_goes_on_after_its_client_hung_up_in_the_middle() {
    let server = Server::start().await;
    let location = server.begin("a").await;
    let mut raw = server.raw().await;
    raw.send(&format!("PATCH {location} HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\nabcd")).await;
    server.until_receiving(1).await;
    drop(raw);
    server.until_received(&location, "0-3").await;
    server.until_receiving(0).await;
    let done = server.finish(&location, sha256(b"abcdefghij").as_str(), b"efghij").await;
    assert_eq!(done.status(), 201);
}

#[tokio::test]
async fn a_push_is_carried_to_its_end_although_the_client_hangs_up_before_the_answer() {
    let server = Server::start().await;
    let bytes = "x".repeat(3 << 20);
    let digest = sha256(bytes.as_bytes());
    let location = server.begin("a").await;
    let mut raw = server.raw().await;
    let length = bytes.len();
    raw.send(&format!(
        "PUT {location}?digest={digest} HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\n\r\n"
    ))
    .await;
    raw.send(&bytes).await;
    drop(raw);
    until(async || server.head(&format!("/v2/a/blobs/{digest}")).await.status() == 200).await;
}

#[tokio::test]
async fn pushing_what_is_there_already_succeeds() {
    let server = Server::start().await;
    let bytes = noise(300_000);
    let digest = server.push_blob("a", &bytes).await;
    assert_eq!(server.push_blob("a", &bytes).await, digest);
    assert_eq!(server.get(&format!("/v2/a/blobs/{digest}")).await.bytes().await.unwrap(), bytes);
}

#[tokio::test]
async fn many_clients_push_the_same_blob_at_once() {
    let server = Server::start().await;
    let bytes = noise(600_000);
    let pushes = (0..8).map(|_| server.push_blob("a", &bytes));
    let digests = futures_util::future::join_all(pushes).await;
    assert!(digests.iter().all(|digest| *digest == sha256(&bytes)));
    let got = server.get(&format!("/v2/a/blobs/{}", digests[0])).await;
    assert_eq!(got.bytes().await.unwrap(), bytes);
    assert_eq!(server.uploads_on_disk(), 0);
}
