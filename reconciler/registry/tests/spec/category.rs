// SPDX-License-Identifier: AGPL-3.0-or-later
//! Conformance as a whole: the endpoints of all four categories.

use http::Method;

use crate::content::{blob, config, image, manifest, small_image};
use crate::support::Served;

// covers: category-01
#[tokio::test]
async fn every_endpoint_of_pull_answers() {
    let registry = Served::start().await;
    let config = config("pull");
    let image = small_image(&config);
    registry.push_blob("pull", &config).await;
    registry.put_manifest("pull", "latest", &image).await.expect(201);
    for target in [
        format!("/v2/pull/blobs/{}", config.digest),
        format!("/v2/pull/manifests/{}", image.digest),
        "/v2/pull/manifests/latest".to_owned(),
    ] {
        registry.get(&target).await.expect(200);
        registry.head(&target).await.expect(200);
    }
}

// covers: category-02, category-03
#[tokio::test]
async fn every_endpoint_of_push_discovery_and_management_answers() {
    let registry = Served::start().await;
    let (config, layer, posted) = (config("all"), blob("layer"), blob("posted"));
    let image = manifest(&image(&config, &[&layer]));

    // Push: opened, in one POST, by algorithm, chunk, state, close, mount, cancel, manifest with tags.
    let uploads = "/v2/all/blobs/uploads/";
    let location = registry.post(uploads).await.expect(202).location();
    let location = registry.chunk(&location, 0, &config.bytes).await.expect(202).location();
    registry.get(&location).await.expect(204);
    registry.close(&location, &config.digest, b"").await.expect(201);
    let single = format!("{uploads}?digest={}", posted.digest);
    registry.ask(Method::POST, &single).body(&posted.bytes).send().await.expect(201);
    let location = registry.post(&format!("{uploads}?digest-algorithm=sha512")).await.expect(202).location();
    registry.delete(&location).await.expect(204);
    registry.push_blob("other", &layer).await;
    registry.post(&format!("{uploads}?mount={}&from=other", layer.digest)).await.expect(201);
    registry.put_manifest("all", "one", &image).await.expect(201);
    registry.put_manifest("all", &format!("{}?tag=two&tag=three", image.digest), &image).await.expect(201);

    // Content Discovery.
    registry.get("/v2/all/tags/list").await.expect(200);
    registry.get("/v2/all/tags/list?n=1&last=one").await.expect(200);
    registry.get_referrers("all", &image.digest).await.expect(200);
    registry.get(&format!("/v2/all/referrers/{}?artifactType=a/b", image.digest)).await.expect(200);

    // Content Management.
    registry.delete("/v2/all/manifests/one").await.expect(202);
    registry.delete(&format!("/v2/all/manifests/{}", image.digest)).await.expect(202);
    registry.delete(&format!("/v2/all/blobs/{}", posted.digest)).await.expect(202);
}
