// SPDX-License-Identifier: AGPL-3.0-or-later
//! Content management: deleting tags, manifests and blobs.

use crate::content::{blob, config, small_image};
use crate::support::Served;

// covers: delete-tag-01, delete-tag-03
#[tokio::test]
async fn a_deleted_tag_is_gone_and_its_manifest_is_not() {
    let registry = Served::start().await;
    let config = config("tags");
    registry.push_blob("tags", &config).await;
    let image = small_image(&config);
    registry.put_manifest("tags", "one", &image).await.expect(201);
    registry.put_manifest("tags", "two", &image).await.expect(201);
    registry.delete("/v2/tags/manifests/one").await.expect(202);
    registry.get_manifest("tags", "one").await.refused(404, "MANIFEST_UNKNOWN");
    registry.get_manifest("tags", "two").await.expect(200);
    registry.get_manifest("tags", &image.digest).await.expect(200);
    assert_eq!(registry.get("/v2/tags/tags/list").await.json()["tags"], serde_json::json!(["two"]));
    registry.delete("/v2/tags/manifests/one").await.refused(404, "MANIFEST_UNKNOWN");
}

// covers: delete-manifest-01, delete-manifest-04
#[tokio::test]
async fn a_deleted_manifest_is_gone_by_its_digest_and_by_its_tags() {
    let registry = Served::start().await;
    let (one, two) = (config("one"), config("two"));
    registry.push_blobs("manifests", &[&one, &two]).await;
    let (one, two) = (small_image(&one), small_image(&two));
    for tag in ["a", "b"] {
        registry.put_manifest("manifests", tag, &one).await.expect(201);
    }
    registry.put_manifest("manifests", "c", &two).await.expect(201);
    let long = two.by_sha512();
    registry.put_manifest("manifests", &format!("{}?tag=long", long.digest), &long).await.expect(201);
    registry.delete(&format!("/v2/manifests/manifests/{}", one.digest)).await.expect(202);
    for reference in ["a", "b", one.digest.as_str()] {
        registry.get_manifest("manifests", reference).await.refused(404, "MANIFEST_UNKNOWN");
        registry.head(&format!("/v2/manifests/manifests/{reference}")).await.expect(404);
    }
    registry.delete(&format!("/v2/manifests/manifests/{}", long.digest)).await.expect(202);
    registry.get_manifest("manifests", "long").await.expect(404);
    registry.get_manifest("manifests", "c").await.expect(200);
    assert_eq!(registry.get("/v2/manifests/tags/list").await.json()["tags"], serde_json::json!(["c"]));
    registry
        .delete(&format!("/v2/manifests/manifests/{}", one.digest))
        .await
        .refused(404, "MANIFEST_UNKNOWN");
}

// covers: delete-manifest-02
#[tokio::test]
async fn in_a_repository_that_does_not_exist_there_is_nothing_to_delete() {
    let registry = Served::start().await;
    let image = small_image(&config("none"));
    registry.delete(&format!("/v2/no/such/manifests/{}", image.digest)).await.expect(404);
    registry.delete("/v2/no/such/manifests/latest").await.expect(404);
    registry.delete(&format!("/v2/no/such/blobs/{}", image.digest)).await.expect(404);
}

// covers: delete-blob-01, delete-blob-02
#[tokio::test]
async fn a_deleted_blob_is_gone_from_its_repository_and_from_no_other() {
    let registry = Served::start().await;
    for blob in [blob("delete"), blob("delete").by_sha512()] {
        registry.push_blob("one", &blob).await;
        registry.push_blob("two", &blob).await;
        let target = format!("/v2/one/blobs/{}", blob.digest);
        registry.delete(&target).await.expect(202);
        registry.get(&target).await.refused(404, "BLOB_UNKNOWN");
        registry.delete(&target).await.refused(404, "BLOB_UNKNOWN");
        assert_eq!(registry.get_blob("two", &blob.digest).await.expect(200).body, blob.bytes);
        // What was deleted can be pushed again.
        registry.push_blob("one", &blob).await;
        registry.get(&target).await.expect(200);
    }
}
