// SPDX-License-Identifier: AGPL-3.0-or-later
//! Push, in general: the order in which content comes.

use serde_json::json;

use crate::content::{Content, blob, config, image, index, manifest, small_image};
use crate::support::Served;

// covers: push-01
#[tokio::test]
async fn a_manifest_may_come_before_the_one_it_is_about() {
    let registry = Served::start().await;
    let config = config("subject");
    registry.push_blob("order", &config).await;
    let later = small_image(&config);
    let mut about = image(&config, &[]);
    about["subject"] = later.descriptor();
    let mut list = index(&[]);
    list["subject"] = later.descriptor();
    for early in [manifest(&about), manifest(&list)] {
        registry.push("order", &early).await;
        registry.get_manifest("order", &early.digest).await.expect(200);
    }
    registry.get_manifest("order", &later.digest).await.expect(404);
    registry.push("order", &later).await;
    let listed = registry.get_referrers("order", &later.digest).await.expect(200).json();
    assert_eq!(listed["manifests"].as_array().unwrap().len(), 2, "{listed}");
}

// covers: push-02, push-03
#[tokio::test]
async fn a_manifest_whose_content_is_not_there_is_refused_and_not_kept() {
    let registry = Served::start().await;
    let (config, layer, elsewhere) = (config("sparse"), blob("layer"), blob("elsewhere"));
    registry.push_blobs("sparse", &[&config]).await;
    registry.push_blob("other", &elsewhere).await;
    for (missing, of) in [
        (small_image(&Content::new("a/b", "none")), 1),
        (manifest(&image(&config, &[&layer])), 1),
        (manifest(&image(&config, &[&elsewhere])), 1),
        (manifest(&image(&config, &[&layer, &blob("another")])), 2),
        (manifest(&index(&[&small_image(&config)])), 1),
    ] {
        let answer = registry.put_manifest("sparse", "latest", &missing).await;
        assert!(answer.status.is_client_error(), "{}", answer.status);
        let codes = answer.codes();
        assert!((1..=of).contains(&codes.len()), "{codes:?}");
        assert!(codes.iter().all(|code| code == "MANIFEST_BLOB_UNKNOWN"), "{codes:?}");
        registry.get_manifest("sparse", "latest").await.expect(404);
        registry.get_manifest("sparse", &missing.digest).await.expect(404);
    }
    registry.push_blob("sparse", &layer).await;
    registry.put_manifest("sparse", "latest", &manifest(&image(&config, &[&layer]))).await.expect(201);
}

// covers: push-02
#[tokio::test]
async fn where_the_policy_says_so_a_manifest_is_let_in_without_its_content() {
    let setup = crate::support::Setup::default().policy(json!({"sparse": ["mirror/*"]}));
    let registry = Served::start_with(setup).await;
    let missing = small_image(&config("none"));
    registry.put_manifest("mirror/a", "latest", &missing).await.expect(201);
    registry.put_manifest("own/a", "latest", &missing).await.expect(404);
}
