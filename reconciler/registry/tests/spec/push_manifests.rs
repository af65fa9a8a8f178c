// SPDX-License-Identifier: AGPL-3.0-or-later
//! Pushing manifests.

use serde_json::json;
use shoal_oci::Digest;

use crate::content::{Content, IMAGE, blob, config, image, index, manifest, small_image};
use crate::support::{Served, Setup};

/// An image of exactly so many bytes.
fn image_of(len: usize, config: &Content) -> Content {
    let mut value = image(config, &[]);
    value["annotations"] = json!({"padding": ""});
    let bare = manifest(&value).bytes.len();
    value["annotations"]["padding"] = json!("x".repeat(len - bare));
    let image = manifest(&value);
    assert_eq!(image.bytes.len(), len);
    image
}

// covers: push-manifest-03, pull-manifest-07
#[tokio::test]
async fn parameters_of_a_content_type_are_neither_kept_nor_told() {
    let registry = Served::start().await;
    let config = config("parameters");
    registry.push_blob("types", &config).await;
    let image = small_image(&config);
    for (number, parameters) in ["; charset=utf-8", ";charset=\"utf-8\"; a=b", " ; q=1"].iter().enumerate() {
        let tag = format!("v{number}");
        let pushed = Content { media_type: format!("{IMAGE}{parameters}"), ..image.clone() };
        registry.put_manifest("types", &tag, &pushed).await.expect(201);
        assert_eq!(
            registry.get_manifest("types", &tag).await.expect(200).header("content-type"),
            Some(IMAGE)
        );
        let head = registry.head(&format!("/v2/types/manifests/{tag}")).await.expect(200);
        assert_eq!(head.header("content-type"), Some(IMAGE));
    }
}

// covers: push-manifest-08
#[tokio::test]
async fn a_manifest_may_name_no_blobs() {
    let registry = Served::start().await;
    let config = config("no layers");
    registry.push_blob("empty", &config).await;
    for manifest in [small_image(&config), manifest(&index(&[]))] {
        registry.push("empty", &manifest).await;
        assert_eq!(registry.get_manifest("empty", &manifest.digest).await.expect(200).body, manifest.bytes);
    }
}

// covers: push-manifest-10, push-manifest-11, push-manifest-12
#[tokio::test]
async fn a_push_tells_the_digest_and_where_the_manifest_is() {
    let registry = Served::start().await;
    let config = config("push");
    registry.push_blob("push", &config).await;
    let image = small_image(&config);
    let long = image.by_sha512();
    for (reference, digest) in [
        ("latest", &image.digest),
        (image.digest.as_str(), &image.digest),
        (long.digest.as_str(), &long.digest),
        ("latest", &image.digest),
    ] {
        let created = registry.put_manifest("push", reference, &image).await.expect(201);
        assert_eq!(created.header("docker-content-digest"), Some(digest.as_str()), "{reference}");
        let pulled = registry.get(&created.location()).await.expect(200);
        assert_eq!(pulled.body, image.bytes, "{reference}");
        assert_eq!(pulled.header("content-type"), Some(IMAGE), "{reference}");
    }
}

// covers: push-manifest-12
#[tokio::test]
async fn a_manifest_that_does_not_have_the_digest_it_is_pushed_by_is_refused() {
    let registry = Served::start().await;
    let config = config("wrong");
    registry.push_blob("wrong", &config).await;
    let (image, other) = (small_image(&config), manifest(&index(&[])));
    for other in [&other.digest, &other.by_sha512().digest] {
        registry.put_manifest("wrong", other.as_str(), &image).await.refused(400, "DIGEST_INVALID");
        registry.get_manifest("wrong", other).await.expect(404);
        registry.get_manifest("wrong", &image.digest).await.expect(404);
    }
}

// covers: push-manifest-14, push-manifest-16
#[tokio::test]
async fn one_push_by_digest_sets_ten_tags_and_names_each() {
    let registry = Served::start().await;
    let config = config("tags");
    registry.push_blob("tags", &config).await;
    let tags: Vec<String> = (0..10).map(|number| format!("{number}.{}", "t".repeat(number * 14))).collect();
    assert_eq!(tags[9].len(), 128);
    for image in [small_image(&config), small_image(&config).by_sha512()] {
        let query = tags.iter().map(|tag| format!("tag={tag}")).collect::<Vec<_>>().join("&");
        let created =
            registry.put_manifest("tags", &format!("{}?{query}", image.digest), &image).await.expect(201);
        let mut named = created.list("oci-tag");
        named.sort();
        assert_eq!(named, tags);
        for tag in &tags {
            let pulled = registry.get_manifest("tags", tag).await.expect(200);
            assert_eq!(pulled.header("docker-content-digest"), Some(image.digest.as_str()), "{tag}");
        }
    }
}

// covers: push-manifest-16
#[tokio::test]
async fn tags_in_the_query_are_set_all_or_none() {
    let registry = Served::start().await;
    let config = config("none");
    registry.push_blob("tags", &config).await;
    let image = small_image(&config);
    let refused = registry.put_manifest("tags", &format!("{}?tag=good&tag=-bad", image.digest), &image).await;
    assert!(refused.expect(400).headers.get("oci-tag").is_none());
    registry.get_manifest("tags", "good").await.expect(404);
    let plain = registry.put_manifest("tags", image.digest.as_str(), &image).await.expect(201);
    assert!(plain.headers.get("oci-tag").is_none());
}

// covers: push-manifest-15, push-manifest-16
#[tokio::test]
async fn too_many_tags_in_one_push_are_refused_and_none_is_set() {
    let registry = Served::start().await;
    let config = config("many");
    registry.push_blob("tags", &config).await;
    let image = small_image(&config);
    let query = (0..2000).map(|number| format!("tag=t{number}")).collect::<Vec<_>>().join("&");
    registry.put_manifest("tags", &format!("{}?{query}", image.digest), &image).await.expect(414);
    registry.get_manifest("tags", "t0").await.expect(404);
}

// covers: push-manifest-17
#[tokio::test]
async fn nothing_can_be_pulled_from_a_repository_that_does_not_exist() {
    let registry = Served::start().await;
    let digest = Digest::of(shoal_oci::Algorithm::Sha256, b"x");
    registry.get_manifest("no/such", "latest").await.expect(404);
    registry.get_manifest("no/such", &digest).await.expect(404);
    registry.get_blob("no/such", &digest).await.expect(404);
    registry.get("/v2/no/such/tags/list").await.refused(404, "NAME_UNKNOWN");
    // An upload that was opened makes no repository yet.
    registry.upload("no/such").await;
    registry.get_manifest("no/such", "latest").await.expect(404);
}

// covers: push-manifest-20
#[tokio::test]
async fn a_manifest_of_four_megabytes_is_let_in() {
    let registry = Served::start().await;
    let config = config("large");
    registry.push_blob("large", &config).await;
    let image = image_of(4 * 1024 * 1024, &config);
    registry.put_manifest("large", "latest", &image).await.expect(201);
    assert!(registry.get_manifest("large", "latest").await.expect(200).body == image.bytes);
}

// covers: push-manifest-18, push-manifest-19
#[tokio::test]
async fn a_manifest_above_the_limit_is_too_large_however_it_is_sent() {
    let registry = Served::start_with(Setup::default().policy(json!({"maxManifest": "64K"}))).await;
    let config = config("limit");
    registry.push_blob("limit", &config).await;
    let (at, above) = (image_of(65_536, &config), image_of(65_537, &config));
    registry.put_manifest("limit", "at", &at).await.expect(201);
    registry.put_manifest("limit", "above", &above).await.expect(413);
    // Its length is not told beforehand.
    let parts = above.bytes.chunks(1000).map(<[u8]>::to_vec).collect();
    let ask = registry.ask(http::Method::PUT, "/v2/limit/manifests/above").header("content-type", IMAGE);
    ask.stream(parts).send().await.expect(413);
    registry.get_manifest("limit", "above").await.expect(404);
}

// covers: push-manifest-18
#[tokio::test]
async fn there_is_a_limit_unless_the_policy_says_another() {
    let registry = Served::start().await;
    let config = config("default");
    registry.push_blob("limit", &config).await;
    registry.put_manifest("limit", "huge", &image_of(8 * 1024 * 1024, &config)).await.expect(413);
}

// covers: push-manifest-06
#[tokio::test]
async fn what_is_no_manifest_is_refused() {
    let registry = Served::start().await;
    let config = config("invalid");
    registry.push_blob("invalid", &config).await;
    let descriptor = config.descriptor();
    for text in [
        String::new(),
        "no json".to_owned(),
        "[]".to_owned(),
        "null".to_owned(),
        format!("{{\"schemaVersion\":2,\"config\":{descriptor},\"layers\":[]"),
        format!("{{\"schemaVersion\":2,\"config\":{descriptor},\"layers\":{{}}}}"),
        "{\"schemaVersion\":2,\"config\":{\"mediaType\":\"a/b\",\"digest\":\"sha256:abc\",\"size\":1},\"layers\":[]}".to_owned(),
        format!("{{\"schemaVersion\":2,\"mediaType\":\"a/b\",\"config\":{descriptor},\"layers\":[]}}"),
    ] {
        let pushed = Content::new(IMAGE, text.as_str());
        registry.put_manifest("invalid", "latest", &pushed).await.refused(400, "MANIFEST_INVALID");
        registry.get_manifest("invalid", "latest").await.expect(404);
    }
    // A blob that is there is still no manifest.
    let blob = blob("plain");
    registry.push_blob("invalid", &blob).await;
    registry.put_manifest("invalid", "latest", &blob).await.refused(400, "MANIFEST_INVALID");
}
