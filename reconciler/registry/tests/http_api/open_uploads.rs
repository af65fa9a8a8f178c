// SPDX-License-Identifier: AGPL-3.0-or-later
//! Uploads that were begun and not ended, and room that is claimed before anything is taken.

use std::sync::Arc;

use serde_json::json;
use shoal_registry_storage::disk::{Fault, FaultDisk, Tear};

use crate::support::{Server, Setup, header, noise, refusal, sha256};

#[tokio::test]
async fn a_repository_has_so_many_open_uploads_and_then_no_more_until_one_ends() {
    let server = Server::start().await;
    let mut open = Vec::new();
    for _ in 0..64 {
        open.push(server.begin("a").await);
    }
    let single = format!("/v2/a/blobs/uploads/?digest={}", sha256(b""));
    for path in ["/v2/a/blobs/uploads/", &single] {
        let refused = server.post(path).await;
        assert!(header(&refused, "retry-after").parse::<u64>().is_ok_and(|seconds| seconds > 0));
        assert_eq!(refusal(refused).await, (429, "TOOMANYREQUESTS".to_owned()), "{path}");
    }
    assert_eq!(server.uploads_on_disk(), 64);
    server.begin("b").await;
    assert_eq!(server.delete(&open[0]).await.status(), 204);
    open[0] = server.begin("a").await;
    assert_eq!(server.finish(&open[1], sha256(b"x").as_str(), b"x").await.status(), 201);
    server.push_blob("a", b"y").await;
}

#[tokio::test]
async fn a_mount_beyond_the_quota_is_refused_before_anything_is_changed() {
    let disk = Arc::new(FaultDisk::new());
    let policy = json!({"quotas": [{"repositories": "small/*", "max": "64K"}]});
    let server = Server::with(Setup { disk: Some(Arc::clone(&disk) as _), ..Setup::policy(policy) }).await;
    let large = server.push_blob("large/a", &noise(40_000)).await;
    server.push_blob("small/a", &noise(50_000)).await;
    disk.arm(Fault::None, Tear::default());
    for query in ["&from=large/a", ""] {
        let mount = server.post(&format!("/v2/small/b/blobs/uploads/?mount={large}{query}")).await;
        assert_eq!(refusal(mount).await, (403, "DENIED".to_owned()));
    }
    assert_eq!(disk.steps(), []);
}

#[tokio::test]
async fn what_a_quota_has_already_is_mounted_however_full_it_is() {
    let policy = json!({"quotas": [{"repositories": "small/*", "max": "64K"}]});
    let server = Server::with(Setup::policy(policy)).await;
    let digest = server.push_blob("small/a", &noise(60_000)).await;
    let mount = server.post(&format!("/v2/small/b/blobs/uploads/?mount={digest}&from=small/a")).await;
    assert_eq!(mount.status(), 201);
    let mount = server.post(&format!("/v2/large/a/blobs/uploads/?mount={digest}")).await;
    assert_eq!(mount.status(), 201);
    let mount = server.post(&format!("/v2/small/c/blobs/uploads/?mount={digest}&from=large/a")).await;
    assert_eq!(mount.status(), 201);
}
