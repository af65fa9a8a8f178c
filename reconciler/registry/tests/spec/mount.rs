// SPDX-License-Identifier: AGPL-3.0-or-later
//! Mounting a blob from another repository.

use serde_json::json;

use crate::content::{blob, noise};
use crate::support::{Served, Setup};

// covers: mount-01, mount-02
#[tokio::test]
async fn a_blob_is_mounted_from_the_repository_that_has_it() {
    let registry = Served::start().await;
    for blob in [noise(300_000), blob("long digest").by_sha512()] {
        registry.push_blob("from/here", &blob).await;
        registry.get_blob("to/there", &blob.digest).await.expect(404);
        let target = format!("/v2/to/there/blobs/uploads/?mount={}&from=from/here", blob.digest);
        let mounted = registry.post(&target).await.expect(201);
        assert_eq!(mounted.header("docker-content-digest"), Some(blob.digest.as_str()));
        let location = mounted.location();
        assert!(location.contains("/v2/to/there/blobs/"), "{location}");
        assert!(registry.get(&location).await.expect(200).body == blob.bytes);
        registry.get_blob("from/here", &blob.digest).await.expect(200);
    }
}

// covers: mount-04
#[tokio::test]
async fn without_a_source_a_blob_is_mounted_from_wherever_it_is() {
    let registry = Served::start().await;
    let blob = blob("anywhere");
    registry.push_blob("some/where", &blob).await;
    let mounted = registry.post(&format!("/v2/to/blobs/uploads/?mount={}", blob.digest)).await.expect(201);
    assert_eq!(registry.get(&mounted.location()).await.expect(200).body, blob.bytes);
}

// covers: mount-05
#[tokio::test]
async fn what_cannot_be_mounted_becomes_an_upload() {
    let registry = Served::start().await;
    let (known, unknown) = (blob("known"), blob("unknown"));
    registry.push_blob("has/it", &known).await;
    registry.push_blob("has/not", &blob("something else")).await;
    for (blob, from) in [
        (&known, "&from=has/not"),
        (&known, "&from=never/pushed"),
        (&known, "&from=NO%20NAME"),
        (&unknown, "&from=has/it"),
        (&unknown, ""),
    ] {
        let answer =
            registry.post(&format!("/v2/to/blobs/uploads/?mount={}{from}", blob.digest)).await.expect(202);
        registry.get_blob("to", &blob.digest).await.expect(404);
        registry.close(&answer.location(), &blob.digest, &blob.bytes).await.expect(201);
        assert_eq!(registry.get_blob("to", &blob.digest).await.expect(200).body, blob.bytes);
        registry.delete(&format!("/v2/to/blobs/{}", blob.digest)).await.expect(202);
    }
}

// covers: mount-04, mount-05
#[tokio::test]
async fn a_blob_is_not_mounted_from_where_the_caller_may_not_pull() {
    let policy = json!({"access": [
        {"users": ["*"], "repositories": ["open/*"], "allow": ["pull", "push"]},
    ]});
    let registry = Served::start_with(Setup::default().policy(policy)).await;
    let hidden = blob("hidden");
    let repository = shoal_oci::RepositoryName::parse("closed/a").unwrap();
    let id = registry.storage.begin(&repository, shoal_oci::Algorithm::Sha256).unwrap();
    let mut writer = registry.storage.writer(&repository, id).unwrap();
    writer.write(&hidden.bytes).unwrap();
    writer.finish(&hidden.digest).unwrap();
    registry.get_blob("closed/a", &hidden.digest).await.refused(403, "DENIED");
    for from in ["", "&from=closed/a"] {
        registry.post(&format!("/v2/open/a/blobs/uploads/?mount={}{from}", hidden.digest)).await.expect(202);
        registry.get_blob("open/a", &hidden.digest).await.expect(404);
    }
}
