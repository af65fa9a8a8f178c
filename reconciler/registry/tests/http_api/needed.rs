// SPDX-License-Identifier: AGPL-3.0-or-later
//! What cannot be deleted: images that the inventory or a job needs, and what tags that may not move reach.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use serde_json::json;
use shoal_oci::{Digest, media_type};
use shoal_registry::RootsSource;

use crate::support::{Server, Setup, header, refusal, refusal_in_full, sha256};

/// What the inventory says at the moment.
#[derive(Default)]
struct Inventory(Mutex<Option<BTreeSet<Digest>>>);

impl RootsSource for Inventory {
    fn roots(&self) -> Option<BTreeSet<Digest>> {
        self.0.lock().unwrap().clone()
    }
}

/// An index of one image in a repository: the index, the image, one of its layers.
async fn index(server: &Server, repository: &str) -> [Digest; 3] {
    let (image, digest) = server.push_image(repository, "image").await;
    let index = json!({
        "schemaVersion": 2,
        "mediaType": media_type::IMAGE_INDEX,
        "manifests": [{
            "mediaType": media_type::IMAGE_MANIFEST,
            "digest": digest.as_str(),
            "size": image.to_string().len(),
        }],
    });
    assert_eq!(server.push_manifest(repository, "all", &index).await.status(), 201);
    [sha256(index.to_string().as_bytes()), digest, sha256(b"image")]
}

fn paths(repository: &str, [index, image, layer]: &[Digest; 3]) -> [String; 4] {
    [
        format!("/v2/{repository}/manifests/{index}"),
        format!("/v2/{repository}/manifests/{image}"),
        format!("/v2/{repository}/blobs/{layer}"),
        format!("/v2/{repository}/blobs/{}", sha256(b"{}")),
    ]
}

#[tokio::test]
async fn what_the_inventory_needs_cannot_be_deleted_until_it_needs_it_no_more() {
    let inventory = Arc::new(Inventory::default());
    let server = Server::with(Setup { roots: Arc::clone(&inventory) as _, ..Setup::default() }).await;
    let digests = index(&server, "a").await;
    let unneeded = server.push_blob("a", b"unneeded").await;
    let elsewhere = server.push_blob("b", b"image").await;
    *inventory.0.lock().unwrap() = Some(BTreeSet::from([digests[0].clone()]));
    for path in paths("a", &digests) {
        let (status, code, message) = refusal_in_full(server.delete(&path).await).await;
        assert_eq!((status, code.as_str()), (409, "DENIED"), "{path}");
        assert!(message.contains(digests[0].as_str()) && message.contains("inventory"), "{message}");
        assert_eq!(server.get(&path).await.status(), 200, "{path}");
    }
    assert_eq!(server.delete("/v2/a/manifests/image").await.status(), 202, "a tag is no content");
    assert_eq!(server.delete(&format!("/v2/a/blobs/{unneeded}")).await.status(), 202);
    assert_eq!(
        server.delete(&format!("/v2/b/blobs/{elsewhere}")).await.status(),
        202,
        "the root is not there"
    );
    let missing = format!("/v2/a/blobs/{}", sha256(b"missing"));
    assert_eq!(refusal(server.delete(&missing).await).await, (404, "BLOB_UNKNOWN".to_owned()));
    *inventory.0.lock().unwrap() = Some(BTreeSet::new());
    for path in paths("a", &digests) {
        assert_eq!(server.delete(&path).await.status(), 202, "{path}");
    }
}

#[tokio::test]
async fn while_nobody_knows_what_is_needed_only_tags_are_deleted() {
    let inventory = Arc::new(Inventory::default());
    let server = Server::with(Setup { roots: inventory, ..Setup::default() }).await;
    let digests = index(&server, "a").await;
    for path in paths("a", &digests) {
        let response = server.delete(&path).await;
        assert!(header(&response, "retry-after").parse::<u64>().is_ok_and(|seconds| seconds > 0));
        assert_eq!(refusal(response).await.0, 503, "{path}");
        assert_eq!(server.get(&path).await.status(), 200, "{path}");
    }
    assert_eq!(server.delete("/v2/a/manifests/image").await.status(), 202);
}

#[tokio::test]
async fn what_a_tag_that_may_not_move_reaches_cannot_be_deleted() {
    let server = Server::with(Setup::policy(json!({"immutableTags": ["release/*"]}))).await;
    for (repository, status) in [("release/a", 409), ("work/a", 202)] {
        let digests = index(&server, repository).await;
        let [_, _, layer, config] = paths(repository, &digests);
        for path in [layer, config] {
            let response = server.delete(&path).await;
            assert_eq!(response.status(), status, "{path}");
            if status == 409 {
                let (_, code, message) = refusal_in_full(response).await;
                assert_eq!(code, "DENIED");
                assert!(message.contains("immutableTags"), "{message}");
            }
        }
    }
    // Without a tag of its own: the index's tag needs it.
    let server = Server::with(Setup::policy(json!({"immutableTags": []}))).await;
    let digests = index(&server, "release/a").await;
    assert_eq!(server.delete("/v2/release/a/manifests/image").await.status(), 202);
    server.replace(Setup::policy(json!({"immutableTags": ["release/*"]})));
    let [_, image, ..] = paths("release/a", &digests);
    let (status, _, message) = refusal_in_full(server.delete(&image).await).await;
    assert_eq!(status, 409);
    assert!(message.contains("the tag all"), "{message}");
}
