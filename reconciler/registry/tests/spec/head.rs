// SPDX-License-Identifier: AGPL-3.0-or-later
//! Checking if content exists in the registry.

use crate::content::{blob, config, small_image};
use crate::support::Served;

// covers: head-01, head-02, head-03
#[tokio::test]
async fn a_head_tells_digest_and_size_of_what_a_get_would_send() {
    let registry = Served::start().await;
    let (config, empty) = (config("head"), blob(""));
    let image = small_image(&config);
    registry.push_blobs("head", &[&config, &config.by_sha512(), &empty]).await;
    registry.put_manifest("head", "latest", &image).await.expect(201);
    registry.push("head", &image.by_sha512()).await;
    for (target, content) in [
        (format!("/v2/head/blobs/{}", config.digest), &config),
        (format!("/v2/head/blobs/{}", config.by_sha512().digest), &config.by_sha512()),
        (format!("/v2/head/blobs/{}", empty.digest), &empty),
        (format!("/v2/head/manifests/{}", image.digest), &image),
        (format!("/v2/head/manifests/{}", image.by_sha512().digest), &image.by_sha512()),
        ("/v2/head/manifests/latest".to_owned(), &image),
    ] {
        let head = registry.head(&target).await.expect(200);
        assert_eq!(head.header("docker-content-digest"), Some(content.digest.as_str()), "{target}");
        assert_eq!(head.header("content-length"), Some(content.bytes.len().to_string().as_str()), "{target}");
        assert!(head.body.is_empty(), "{target}");
        let get = registry.get(&target).await.expect(200);
        assert_eq!(head.header("content-type"), get.header("content-type"), "{target}");
        assert_eq!(head.header("etag"), get.header("etag"), "{target}");
    }
}

// covers: head-04
#[tokio::test]
async fn a_head_of_what_is_not_there_is_not_found() {
    let registry = Served::start().await;
    let config = config("head");
    registry.push_blob("head", &config).await;
    let none = blob("none").digest;
    for target in [
        format!("/v2/head/blobs/{none}"),
        format!("/v2/head/manifests/{none}"),
        format!("/v2/head/manifests/{}", config.digest),
        "/v2/head/manifests/latest".to_owned(),
        format!("/v2/other/blobs/{}", config.digest),
        "/v2/other/manifests/latest".to_owned(),
    ] {
        let head = registry.head(&target).await.expect(404);
        assert!(head.body.is_empty(), "{target}");
    }
}
