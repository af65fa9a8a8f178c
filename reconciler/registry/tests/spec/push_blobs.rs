// SPDX-License-Identifier: AGPL-3.0-or-later
//! Pushing blobs: monolithically, with a POST and a PUT or with one POST; wrong digests.

use std::collections::BTreeSet;

use http::Method;
use shoal_oci::{Algorithm, Digest};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::content::{blob, noise};
use crate::support::{Served, with_digest};

/// The UUID in a location: 32 hexadecimal digits in groups of 8, 4, 4, 4 and 12.
fn uuid_in(location: &str) -> &str {
    let is_uuid = |text: &&str| {
        let groups: Vec<usize> = text.split('-').map(str::len).collect();
        groups == [8, 4, 4, 4, 12] && text.bytes().all(|byte| byte == b'-' || byte.is_ascii_hexdigit())
    };
    location.split(['/', '?', '=', '&']).find(is_uuid).unwrap_or_else(|| panic!("no UUID in {location}"))
}

// covers: post-put-01, post-put-02, post-put-03, post-put-07, post-put-08
#[tokio::test]
async fn a_post_opens_an_upload_of_its_own_and_a_put_makes_a_blob_of_it() {
    let registry = Served::start().await;
    let mut uuids = BTreeSet::new();
    for (number, blob) in [blob("one"), noise(700_000), blob(""), blob("four").by_sha512()].iter().enumerate()
    {
        let opened = registry.post("/v2/push/blobs/uploads/").await.expect(202);
        let location = opened.location();
        uuids.insert(uuid_in(&location).to_owned());
        assert_eq!(uuids.len(), number + 1, "{uuids:?}");
        let put = registry.ask(Method::PUT, &with_digest(&location, blob.digest.as_str()));
        let created =
            put.header("content-type", "application/octet-stream").body(&blob.bytes).send().await.expect(201);
        assert_eq!(created.header("docker-content-digest"), Some(blob.digest.as_str()));
        let pulled = registry.get(&created.location()).await.expect(200);
        assert!(pulled.body == blob.bytes, "{} bytes", pulled.body.len());
        // The upload is over.
        registry.get(&location).await.refused(404, "BLOB_UPLOAD_UNKNOWN");
    }
}

// covers: push-blob-02
#[tokio::test]
async fn two_pushes_of_the_same_blob_at_once_both_succeed() {
    let registry = Served::start().await;
    let blob = noise(300_000);
    let (one, two) = (registry.upload("twice").await, registry.upload("twice").await);
    let (begin, end) = blob.bytes.split_at(100_000);
    let one = registry.chunk(&one, 0, begin).await.expect(202).location();
    let two = registry.chunk(&two, 0, begin).await.expect(202).location();
    let (one, two) =
        tokio::join!(registry.close(&one, &blob.digest, end), registry.close(&two, &blob.digest, end));
    one.expect(201);
    two.expect(201);
    assert!(registry.get_blob("twice", &blob.digest).await.expect(200).body == blob.bytes);
}

// covers: single-post-01, single-post-06, single-post-07
#[tokio::test]
async fn one_post_with_the_digest_pushes_a_blob() {
    let registry = Served::start().await;
    for blob in [blob("one post"), noise(700_000), blob(""), blob("long digest").by_sha512()] {
        let target = format!("/v2/single/blobs/uploads/?digest={}", blob.digest);
        let post = registry.ask(Method::POST, &target).header("content-type", "application/octet-stream");
        let created = post.body(&blob.bytes).send().await.expect(201);
        assert_eq!(created.header("docker-content-digest"), Some(blob.digest.as_str()));
        assert!(registry.get(&created.location()).await.expect(200).body == blob.bytes, "{}", blob.digest);
    }
}

// covers: single-post-02
#[tokio::test]
async fn a_body_that_ends_before_its_length_makes_no_blob() {
    let registry = Served::start().await;
    let short = blob("0123456789");
    let mut stream = TcpStream::connect(registry.address).await.unwrap();
    let head = format!(
        "POST /v2/short/blobs/uploads/?digest={} HTTP/1.1\r\nHost: registry\r\nContent-Length: 20\r\n\r\n",
        short.digest
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(&short.bytes).await.unwrap();
    stream.shutdown().await.unwrap();
    // The registry has given up by the time it closes.
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    assert!(!String::from_utf8_lossy(&answer).starts_with("HTTP/1.1 2"));
    registry.get_blob("short", &short.digest).await.expect(404);
}

// covers: push-blob-01, single-post-03
#[tokio::test]
async fn content_that_does_not_have_its_digest_is_refused_on_every_way_and_nothing_is_left() {
    let registry = Served::start().await;
    let (meant, sent) = (blob("what was meant"), blob("what was sent"));
    for meant in [meant.clone(), meant.by_sha512()] {
        let single = format!("/v2/wrong/blobs/uploads/?digest={}", meant.digest);
        registry.ask(Method::POST, &single).body(&sent.bytes).send().await.refused(400, "DIGEST_INVALID");

        let location = registry.upload("wrong").await;
        registry.close(&location, &meant.digest, &sent.bytes).await.refused(400, "DIGEST_INVALID");

        let location = registry.upload("wrong").await;
        let location = registry.chunk(&location, 0, &sent.bytes).await.expect(202).location();
        registry.close(&location, &meant.digest, b"").await.refused(400, "DIGEST_INVALID");

        for digest in [&meant.digest, &sent.digest, &sent.by_sha512().digest] {
            registry.get_blob("wrong", digest).await.expect(404);
        }
    }
}

// covers: push-blob-01
#[tokio::test]
async fn a_digest_that_is_malformed_or_of_an_unsupported_algorithm_is_a_bad_request() {
    let registry = Served::start().await;
    let blob = blob("digests");
    let upper = format!("sha256:{}", blob.digest.hex().to_uppercase());
    let long = format!("{}0", blob.digest);
    let mixed = format!("sha512:{}", blob.digest.hex());
    let md5 = "md5:d41d8cd98f00b204e9800998ecf8427e";
    let other = format!("sha384:{}", "a".repeat(96));
    let good = Digest::of(Algorithm::Sha256, &blob.bytes);
    for digest in
        ["", "sha256", "sha256:", "sha256:baddigeststring", "..%2F..", &upper, &long, &mixed, md5, &other]
    {
        let single = format!("/v2/digests/blobs/uploads/?digest={digest}");
        registry.ask(Method::POST, &single).body(&blob.bytes).send().await.expect(400);
        let location = registry.upload("digests").await;
        registry.ask(Method::PUT, &with_digest(&location, digest)).body(&blob.bytes).send().await.expect(400);
        registry.get_blob("digests", &good).await.expect(404);
    }
    registry.post("/v2/digests/blobs/uploads/?digest-algorithm=md5").await.expect(400);
}
