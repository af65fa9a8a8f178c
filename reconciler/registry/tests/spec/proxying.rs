// SPDX-License-Identifier: AGPL-3.0-or-later
//! Registry proxying: this registry is no proxy.

use crate::content::{config, small_image};
use crate::support::Served;

// covers: proxy-03, proxy-04
#[tokio::test]
async fn the_host_that_a_client_means_changes_nothing() {
    let registry = Served::start().await;
    let config = config("ns");
    registry.push_blob("proxy", &config).await;
    let image = small_image(&config);
    registry.put_manifest("proxy", "latest", &image).await.expect(201);
    for target in [format!("/v2/proxy/blobs/{}", config.digest), "/v2/proxy/manifests/latest".to_owned()] {
        let plain = registry.get(&target).await.expect(200);
        let named = registry.get(&format!("{target}?ns=docker.io")).await.expect(200);
        assert_eq!(named.body, plain.body);
        assert!(named.headers.get("oci-namespace").is_none());
    }
    registry.get("/v2/proxy/manifests/other?ns=docker.io").await.expect(404);
}
