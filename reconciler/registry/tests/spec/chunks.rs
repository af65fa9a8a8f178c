// SPDX-License-Identifier: AGPL-3.0-or-later
//! Pushing a blob in chunks.

use http::Method;

use crate::content::{Content, blob, noise};
use crate::support::{Answer, Served};

/// Nothing was taken: the upload still ends where it did, and there is no blob.
async fn assert_unchanged(registry: &Served, location: &str, end: u64, blob: &Content) -> String {
    let state = registry.get(location).await.expect(204);
    assert_eq!(state.end_of_range(), end);
    registry.get_blob("chunks", &blob.digest).await.expect(404);
    state.location()
}

// covers: chunk-05, chunk-06, chunk-10, chunk-11, chunk-15, chunk-19, chunk-20, chunk-22, chunk-23
#[tokio::test]
async fn chunks_in_order_become_a_blob_whether_the_last_comes_with_the_put_or_before_it() {
    let registry = Served::start().await;
    for with_put in [true, false] {
        let blob = noise(if with_put { 700_001 } else { 650_001 });
        let mut location = registry.upload("chunks").await;
        let chunks: Vec<&[u8]> = blob.bytes.chunks(250_000).collect();
        let before_put = if with_put { &chunks[..2] } else { &chunks[..] };
        let mut first = 0;
        for chunk in before_put {
            let taken = registry.chunk(&location, first, chunk).await.expect(202);
            first += chunk.len();
            assert_eq!(taken.end_of_range(), first as u64 - 1);
            let state = registry.get(&taken.location()).await.expect(204);
            assert_eq!(state.end_of_range(), first as u64 - 1);
            location = state.location();
        }
        let rest = &blob.bytes[first..];
        let target = crate::support::with_digest(&location, blob.digest.as_str());
        let mut put = registry.ask(Method::PUT, &target);
        if with_put {
            put = put.header("content-range", &format!("{first}-{}", blob.bytes.len() - 1)).body(rest);
        }
        let created = put.send().await.expect(201);
        let pulled = registry.get(&created.location()).await.expect(200);
        assert!(pulled.body == blob.bytes, "{} bytes", pulled.body.len());
    }
}

// covers: chunk-05, chunk-09
#[tokio::test]
async fn chunks_of_one_byte_are_taken() {
    let registry = Served::start().await;
    let blob = blob("bytes");
    let opened = registry.post("/v2/chunks/blobs/uploads/").await.expect(202);
    assert!(opened.header("oci-chunk-min-length").is_none());
    let mut location = opened.location();
    for (at, byte) in blob.bytes.iter().enumerate() {
        let taken = registry.chunk(&location, at, &[*byte]).await.expect(202);
        assert_eq!(taken.end_of_range(), at as u64);
        location = taken.location();
    }
    registry.close(&location, &blob.digest, b"").await.expect(201);
    assert_eq!(registry.get_blob("chunks", &blob.digest).await.expect(200).body, blob.bytes);
}

// covers: chunk-10, chunk-11
#[tokio::test]
async fn a_chunk_without_a_range_or_a_length_is_added_at_the_end() {
    let registry = Served::start().await;
    let blob = noise(500_000);
    let location = registry.upload("chunks").await;
    let parts = blob.bytes[..400_000].chunks(7_001).map(<[u8]>::to_vec).collect();
    let taken = registry.ask(Method::PATCH, &location).stream(parts).send().await.expect(202);
    assert_eq!(taken.end_of_range(), 399_999);
    let rest =
        registry.ask(Method::PATCH, &taken.location()).body(&blob.bytes[400_000..]).send().await.expect(202);
    assert_eq!(rest.end_of_range(), 499_999);
    registry.close(&rest.location(), &blob.digest, b"").await.expect(201);
    assert!(registry.get_blob("chunks", &blob.digest).await.expect(200).body == blob.bytes);
}

// covers: chunk-06, chunk-13, chunk-14
#[tokio::test]
async fn a_chunk_out_of_order_is_refused_and_the_upload_goes_on_where_it_was() {
    let registry = Served::start().await;
    let blob = noise(300);
    let location = registry.upload("chunks").await;
    // The first chunk does not begin at 0.
    registry.chunk(&location, 1, &blob.bytes[1..101]).await.refused(416, "BLOB_UPLOAD_INVALID");
    let location = registry.chunk(&location, 0, &blob.bytes[..100]).await.expect(202).location();
    // Ahead, again, overlapping, one short.
    for (first, end) in [(200, 300), (0, 100), (50, 150), (99, 199), (101, 201)] {
        let refused = registry.chunk(&location, first, &blob.bytes[first..end]).await;
        refused.refused(416, "BLOB_UPLOAD_INVALID");
        assert_unchanged(&registry, &location, 99, &blob).await;
    }
    let location = registry.get(&location).await.expect(204).location();
    let location = registry.chunk(&location, 100, &blob.bytes[100..]).await.expect(202).location();
    registry.close(&location, &blob.digest, b"").await.expect(201);
    assert_eq!(registry.get_blob("chunks", &blob.digest).await.expect(200).body, blob.bytes);
}

// covers: chunk-21
#[tokio::test]
async fn a_last_chunk_out_of_order_is_refused_and_can_be_sent_again() {
    let registry = Served::start().await;
    let blob = noise(300);
    let location = registry.upload("chunks").await;
    let location = registry.chunk(&location, 0, &blob.bytes[..100]).await.expect(202).location();
    let put = |location: &str, range: &str| {
        let target = crate::support::with_digest(location, blob.digest.as_str());
        registry.ask(Method::PUT, &target).header("content-range", range)
    };
    put(&location, "200-299").body(&blob.bytes[200..]).send().await.refused(416, "BLOB_UPLOAD_INVALID");
    let location = assert_unchanged(&registry, &location, 99, &blob).await;
    put(&location, "0-299").body(&blob.bytes).send().await.refused(416, "BLOB_UPLOAD_INVALID");
    let location = assert_unchanged(&registry, &location, 99, &blob).await;
    put(&location, "100-299").body(&blob.bytes[100..]).send().await.expect(201);
    assert_eq!(registry.get_blob("chunks", &blob.digest).await.expect(200).body, blob.bytes);
}

// covers: chunk-05, chunk-07
#[tokio::test]
async fn a_range_that_is_malformed_or_not_as_long_as_the_chunk_is_refused_and_nothing_is_taken() {
    let registry = Served::start().await;
    let blob = noise(20);
    let location = registry.upload("chunks").await;
    let location = registry.chunk(&location, 0, &blob.bytes[..10]).await.expect(202).location();
    for range in [
        "",
        "-",
        "10-",
        "-19",
        "10",
        "10 - 19",
        "10-19/20",
        "bytes 10-19/20",
        "bytes=10-19",
        "a-b",
        "0x0a-0x13",
        "+10-+19",
        "19-10",
        "10-19,20-29",
        "10-18",
        "10-20",
        "99999999999999999999-99999999999999999999",
    ] {
        let patch = registry.ask(Method::PATCH, &location).header("content-range", range);
        let answer: Answer = patch.body(&blob.bytes[10..]).send().await;
        assert!(
            [400, 416].contains(&answer.status.as_u16()),
            "{range:?}: {} {}",
            answer.status,
            answer.text()
        );
        assert_unchanged(&registry, &location, 9, &blob).await;
    }
}

// covers: chunk-16
#[tokio::test]
async fn there_is_no_blob_before_the_put_although_all_its_bytes_are_there() {
    let registry = Served::start().await;
    let blob = blob("all of it");
    let location = registry.upload("chunks").await;
    let location = registry.chunk(&location, 0, &blob.bytes).await.expect(202).location();
    registry.get_blob("chunks", &blob.digest).await.expect(404);
    registry.head(&format!("/v2/chunks/blobs/{}", blob.digest)).await.expect(404);
    registry.close(&location, &blob.digest, b"").await.expect(201);
    registry.get_blob("chunks", &blob.digest).await.expect(200);
}

// covers: chunk-17
#[tokio::test]
async fn the_closing_put_needs_the_digest_of_the_whole_blob() {
    let registry = Served::start().await;
    let (begin, end, whole) = (blob("begin"), blob("end"), blob("beginend"));
    let location = registry.upload("chunks").await;
    let location = registry.chunk(&location, 0, &begin.bytes).await.expect(202).location();
    registry.ask(Method::PUT, &location).body(&end.bytes).send().await.refused(400, "DIGEST_INVALID");
    let location = registry.upload("chunks").await;
    let location = registry.chunk(&location, 0, &begin.bytes).await.expect(202).location();
    registry.close(&location, &end.digest, &end.bytes).await.refused(400, "DIGEST_INVALID");
    for blob in [&begin, &end, &whole] {
        registry.get_blob("chunks", &blob.digest).await.expect(404);
    }
}

// covers: chunk-03
#[tokio::test]
async fn the_algorithm_named_when_the_upload_is_opened_is_the_one_of_the_blob() {
    let registry = Served::start().await;
    for algorithm in ["sha256", "sha512"] {
        let blob = noise(300_001);
        let blob = if algorithm == "sha512" { blob.by_sha512() } else { blob };
        let target = format!("/v2/chunks/blobs/uploads/?digest-algorithm={algorithm}");
        let location = registry.post(&target).await.expect(202).location();
        let location = registry.chunk(&location, 0, &blob.bytes[..200_000]).await.expect(202).location();
        registry.close(&location, &blob.digest, &blob.bytes[200_000..]).await.expect(201);
        assert!(registry.get_blob("chunks", &blob.digest).await.expect(200).body == blob.bytes);
    }
    registry.post("/v2/chunks/blobs/uploads/?digest-algorithm=crc32").await.expect(400);
}

// covers: chunk-22, chunk-23
#[tokio::test]
async fn the_state_of_an_upload_that_is_not_there_or_is_another_repositorys_is_not_found() {
    let registry = Served::start().await;
    let location = registry.upload("chunks").await;
    // Nothing came yet; the form of the header knows no way to say so.
    assert_eq!(registry.get(&location).await.expect(204).end_of_range(), 0);
    let none = "/v2/chunks/blobs/uploads/9f3c5d3e-0000-4000-8000-0123456789ab".to_owned();
    let path = url::Url::parse("http://registry/").unwrap().join(&location).unwrap().path().to_owned();
    let other = path.replacen("/v2/chunks/", "/v2/other/", 1);
    assert_ne!(other, path);
    for target in [none, other] {
        registry.get(&target).await.refused(404, "BLOB_UPLOAD_UNKNOWN");
        registry.chunk(&target, 0, b"x").await.refused(404, "BLOB_UPLOAD_UNKNOWN");
        registry.close(&target, &blob("x").digest, b"x").await.refused(404, "BLOB_UPLOAD_UNKNOWN");
        registry.delete(&target).await.refused(404, "BLOB_UPLOAD_UNKNOWN");
    }
    registry.chunk(&location, 0, b"x").await.expect(202);
}
