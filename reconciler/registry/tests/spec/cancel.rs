// SPDX-License-Identifier: AGPL-3.0-or-later
//! Cancelling an upload.

use jiff::SignedDuration;

use crate::content::blob;
use crate::support::Served;

// covers: cancel-01
#[tokio::test]
async fn a_cancelled_upload_is_gone_and_leaves_nothing() {
    let registry = Served::start().await;
    let blob = blob("cancelled");
    let location = registry.upload("cancel").await;
    let location = registry.chunk(&location, 0, &blob.bytes).await.expect(202).location();
    assert_eq!(registry.storage.usage().unwrap().uploads, 1);
    registry.delete(&location).await.expect(204);
    registry.get(&location).await.refused(404, "BLOB_UPLOAD_UNKNOWN");
    registry.chunk(&location, blob.bytes.len(), b"x").await.refused(404, "BLOB_UPLOAD_UNKNOWN");
    registry.close(&location, &blob.digest, b"").await.refused(404, "BLOB_UPLOAD_UNKNOWN");
    registry.delete(&location).await.refused(404, "BLOB_UPLOAD_UNKNOWN");
    registry.get_blob("cancel", &blob.digest).await.expect(404);
    assert_eq!(registry.storage.usage().unwrap().uploads, 0);
}

// covers: cancel-04
#[tokio::test]
async fn an_upload_that_nobody_goes_on_with_expires_after_a_day() {
    let registry = Served::start().await;
    let location = registry.upload("expire").await;
    let location = registry.chunk(&location, 0, b"begun").await.expect(202).location();
    registry.clock.advance(SignedDuration::from_hours(23));
    assert_eq!(registry.storage.expire_uploads().unwrap(), 0);
    registry.get(&location).await.expect(204);
    registry.clock.advance(SignedDuration::from_hours(2));
    assert_eq!(registry.storage.expire_uploads().unwrap(), 1);
    registry.get(&location).await.refused(404, "BLOB_UPLOAD_UNKNOWN");
}
