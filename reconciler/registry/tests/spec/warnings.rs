// SPDX-License-Identifier: AGPL-3.0-or-later
//! Warnings: this registry has nothing to warn of.

use crate::content::{blob, config, small_image};
use crate::support::Served;

// covers: warning-01, warning-02, warning-03
#[tokio::test]
async fn no_answer_carries_a_warning() {
    let registry = Served::start().await;
    let config = config("warnings");
    let location = registry.upload("warnings").await;
    let image = small_image(&config);
    for answer in [
        registry.get("/v2/").await,
        registry.get(&location).await,
        registry.close(&location, &config.digest, &config.bytes).await,
        registry.put_manifest("warnings", "latest", &image).await,
        registry.get_manifest("warnings", "latest").await,
        registry.get_blob("warnings", &config.digest).await,
        registry.get("/v2/warnings/tags/list?n=1").await,
        registry.get_referrers("warnings", &image.digest).await,
        registry.get_blob("warnings", &blob("none").digest).await,
        registry.delete("/v2/warnings/manifests/latest").await,
    ] {
        assert!(answer.headers.get("warning").is_none(), "{}", answer.what);
    }
}
