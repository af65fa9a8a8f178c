// SPDX-License-Identifier: AGPL-3.0-or-later
//! Clients: registries that can do less.

use http::Method;
use shoal_registry_client::{BlobSource, silent};

use super::{Pair, repository};
use crate::between::{Between, answer};
use crate::content::noise;

// covers: compat-01, compat-02
#[tokio::test]
async fn a_registry_that_takes_no_chunks_gets_everything_in_one_put() {
    let between = Between::instead(|seen| (seen.method == Method::PATCH).then(|| answer(405, &[], "")));
    let pair = Pair::new(between).await;
    let blob = noise(2500);
    let source = BlobSource::bytes(blob.bytes.clone());
    pair.client.push_blob(&repository("a"), &blob.digest, &source, None, &silent()).await.unwrap();
    assert_eq!(pair.registry.get_blob("a", &blob.digest).await.expect(200).body, blob.bytes);
    let put = pair.between.asked(&Method::PUT, "/blobs/uploads/").remove(0);
    assert_eq!(put.body, blob.bytes);
}

// covers: compat-01
#[tokio::test]
async fn a_registry_that_mounts_nothing_and_says_so_with_an_error_gets_an_upload() {
    let between = Between::instead(|seen| seen.target.contains("mount=").then(|| answer(404, &[], "")));
    let pair = Pair::new(between).await;
    let blob = noise(500);
    let (source, from) = (BlobSource::bytes(blob.bytes.clone()), repository("from"));
    pair.client.push_blob(&repository("a"), &blob.digest, &source, Some(&from), &silent()).await.unwrap();
    assert_eq!(pair.registry.get_blob("a", &blob.digest).await.expect(200).body, blob.bytes);
}
