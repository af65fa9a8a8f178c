// SPDX-License-Identifier: AGPL-3.0-or-later
//! Pulling blobs.

use http::Method;
use shoal_oci::{Algorithm, Digest};

use crate::content::{blob, noise};
use crate::support::{Answer, Served};

/// Content and its digests, as other programs compute them.
const KNOWN: [(&str, &str); 4] = [
    ("", "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
    (
        "",
        "sha512:cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e",
    ),
    ("{}", "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"),
    (
        "{}",
        "sha512:27c74670adb75075fad058d5ceaf7b20c4e7786c83bae8a32f626f9782af34c9a33c2046ef60fd2a7878d378e29fec851806bbd9a67878f3a9f1cda4830763fd",
    ),
];

// covers: pull-blob-01, pull-blob-02, pull-blob-03, pull-blob-04
#[tokio::test]
async fn a_blob_comes_back_with_the_digest_of_its_bytes() {
    let registry = Served::start().await;
    let mut blobs: Vec<(Vec<u8>, Digest)> = KNOWN
        .iter()
        .map(|(text, digest)| (text.as_bytes().to_vec(), Digest::parse(digest).unwrap()))
        .collect();
    // Longer than any buffer between the disk and the network.
    let long = noise(1_300_000);
    blobs.push((long.bytes.clone(), long.by_sha512().digest));
    blobs.push((long.bytes, long.digest));
    for (bytes, digest) in blobs {
        let location = registry.upload("pull").await;
        registry.close(&location, &digest, &bytes).await.expect(201);
        let answer = registry.get_blob("pull", &digest).await.expect(200);
        assert!(answer.body == bytes, "{digest}: {} bytes", answer.body.len());
        assert_eq!(answer.header("docker-content-digest"), Some(digest.as_str()));
        assert_eq!(answer.header("content-length"), Some(bytes.len().to_string().as_str()));
    }
}

// covers: pull-blob-07
#[tokio::test]
async fn a_blob_that_the_repository_does_not_have_is_not_found() {
    let registry = Served::start().await;
    let (here, there) = (blob("here"), blob("there"));
    registry.push_blob("here", &here).await;
    registry.push_blob("there", &there).await;
    registry.get_blob("here", &blob("nowhere").digest).await.refused(404, "BLOB_UNKNOWN");
    registry.get_blob("here", &there.digest).await.refused(404, "BLOB_UNKNOWN");
    // The same bytes under a digest that nobody pushed them by.
    registry.get_blob("here", &here.by_sha512().digest).await.refused(404, "BLOB_UNKNOWN");
    registry.get_blob("never/pushed", &here.digest).await.expect(404);
}

struct Ranged {
    registry: Served,
    target: String,
    bytes: Vec<u8>,
    digest: Digest,
}

impl Ranged {
    async fn with(len: usize) -> Self {
        let registry = Served::start().await;
        let blob = noise(len);
        registry.push_blob("ranges", &blob).await;
        let target = format!("/v2/ranges/blobs/{}", blob.digest);
        Self { registry, target, bytes: blob.bytes, digest: blob.digest }
    }

    async fn get(&self, range: &str) -> Answer {
        self.registry.ask(Method::GET, &self.target).header("range", range).send().await
    }
}

// covers: pull-blob-08
#[tokio::test]
async fn a_range_of_a_blob_is_exactly_those_bytes() {
    // Over several pieces of the storage, so that ranges cross their borders.
    let blob = Ranged::with(600_000).await;
    let len = blob.bytes.len();
    for (range, first, last) in [
        ("bytes=0-0", 0, 0),
        ("bytes=500-1499", 500, 1499),
        ("bytes=262143-262144", 262_143, 262_144),
        ("bytes=1-599998", 1, 599_998),
        ("bytes=262144-", 262_144, len - 1),
        ("bytes=-500", len - 500, len - 1),
        ("bytes=-9999999", 0, len - 1),
        ("bytes=599000-700000", 599_000, len - 1),
        ("bytes=599999-", len - 1, len - 1),
        ("bytes=1-18446744073709551616", 1, len - 1),
    ] {
        let answer = blob.get(range).await.expect(206);
        assert!(answer.body == blob.bytes[first..=last], "{range}: {} bytes", answer.body.len());
        assert_eq!(
            answer.header("content-range"),
            Some(format!("bytes {first}-{last}/{len}").as_str()),
            "{range}"
        );
        assert_eq!(answer.header("content-length"), Some((last - first + 1).to_string().as_str()), "{range}");
    }
}

// covers: pull-blob-08
#[tokio::test]
async fn a_range_with_nothing_in_it_is_not_satisfiable_and_the_answer_says_how_much_there_is() {
    let blob = Ranged::with(2048).await;
    for range in ["bytes=2048-", "bytes=5000-10000", "bytes=-0"] {
        let answer = blob.get(range).await.expect(416);
        assert_eq!(answer.header("content-range"), Some("bytes */2048"), "{range}");
    }
    // Backwards is no range at all; the public conformance suite wants it told.
    blob.get("bytes=500-0").await.expect(416);
}

// covers: pull-blob-08
#[tokio::test]
async fn a_range_that_is_not_understood_is_answered_with_the_whole_blob() {
    let blob = Ranged::with(2048).await;
    for range in ["items=0-1", "bytes=a-b", "bytes=-", "0-1"] {
        let answer = blob.get(range).await.expect(200);
        assert_eq!(answer.body, blob.bytes, "{range}");
        assert!(answer.header("content-range").is_none(), "{range}");
    }
}

// covers: pull-blob-08
#[tokio::test]
async fn a_range_is_for_a_get_alone_and_for_the_version_that_was_meant() {
    let blob = Ranged::with(2048).await;
    let whole = blob.registry.get(&blob.target).await.expect(200);
    assert_eq!(whole.header("accept-ranges"), Some("bytes"));
    let tag = whole.header("etag").unwrap().to_owned();
    let ask = |method: Method| blob.registry.ask(method, &blob.target).header("range", "bytes=0-9");
    ask(Method::GET).header("if-range", &tag).send().await.expect(206);
    let other = Digest::of(Algorithm::Sha256, b"other");
    let answer = ask(Method::GET).header("if-range", &format!("\"{other}\"")).send().await.expect(200);
    assert_eq!(answer.body, blob.bytes);
    // Section 14.2: for any method but GET there are no ranges.
    let head = ask(Method::HEAD).send().await.expect(200);
    assert_eq!(head.header("content-length"), Some("2048"));
    assert_eq!(head.header("docker-content-digest"), Some(blob.digest.as_str()));
}
