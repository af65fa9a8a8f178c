// SPDX-License-Identifier: AGPL-3.0-or-later
//! Clients: pushing blobs in one piece, and manifests.

use std::collections::BTreeMap;

use http::Method;
use serde_json::Value;
use shoal_oci::{Digest, Reference};
use shoal_registry_client::{BlobOutcome, BlobSource, FilePush, silent};

use super::{Pair, repository, tag};
use crate::between::{Between, extend_location, set};
use crate::content::{IMAGE, blob, config, image, manifest, noise};

// covers: chunk-01, post-put-05, post-put-06
#[tokio::test]
async fn content_goes_to_the_location_that_the_registry_gave_query_and_all() {
    let between = Between::after(|seen, response| {
        if seen.is(&Method::POST, "/blobs/uploads/") {
            extend_location(response, "_state=a%2Fb%3D&x=");
        }
    });
    let pair = Pair::new(between).await;
    let blob = blob("one piece");
    let source = BlobSource::bytes(blob.bytes.clone());
    let outcome =
        pair.client.push_blob(&repository("a"), &blob.digest, &source, None, &silent()).await.unwrap();
    assert_eq!(outcome, BlobOutcome::Uploaded);
    assert_eq!(pair.registry.get_blob("a", &blob.digest).await.expect(200).body, blob.bytes);
    let opened = pair.between.asked(&Method::POST, "/blobs/uploads/");
    assert_eq!(opened[0].header("content-length"), Some("0"));
    let put = pair.between.asked(&Method::PUT, "/blobs/uploads/").remove(0);
    let (path, query) = put.target.split_once('?').unwrap();
    assert!(path.starts_with("/v2/a/blobs/uploads/"), "{path}");
    assert!(query.starts_with("_state=a%2Fb%3D&x=&digest=sha256"), "{query}");
}

// covers: post-put-04
#[tokio::test]
async fn a_location_is_followed_whether_it_has_a_host_or_not() {
    let between = Between::after(|seen, response| {
        let Some(location) = response.headers().get("location") else { return };
        let location = location.to_str().unwrap().to_owned();
        assert!(location.starts_with('/'), "{location}");
        let host = seen.header("host").unwrap();
        // Every second upload is at an absolute address.
        if seen.target.contains("absolute") {
            set(response, "location", &format!("http://{host}{location}"));
        }
    });
    let pair = Pair::new(between).await;
    for name in ["absolute", "relative"] {
        for blob in [blob("short"), noise(2500)] {
            let source = BlobSource::bytes(blob.bytes.clone());
            pair.client.push_blob(&repository(name), &blob.digest, &source, None, &silent()).await.unwrap();
            assert_eq!(pair.registry.get_blob(name, &blob.digest).await.expect(200).body, blob.bytes);
        }
    }
}

// covers: chunk-02
#[tokio::test]
async fn an_upload_is_opened_for_the_algorithm_of_its_digest() {
    let pair = Pair::new(Between::watching()).await;
    for blob in [noise(2500).by_sha512(), noise(2500)] {
        let source = BlobSource::bytes(blob.bytes.clone());
        pair.client.push_blob(&repository("a"), &blob.digest, &source, None, &silent()).await.unwrap();
        assert_eq!(pair.registry.get_blob("a", &blob.digest).await.expect(200).body, blob.bytes);
    }
    let opened = pair.between.asked(&Method::POST, "/blobs/uploads/");
    assert!(opened[0].target.ends_with("?digest-algorithm=sha512"), "{}", opened[0].target);
    assert!(!opened[1].target.contains("sha512"), "{}", opened[1].target);
}

// covers: mount-06
#[tokio::test]
async fn what_the_registry_does_not_mount_is_sent() {
    let pair = Pair::new(Between::watching()).await;
    let (there, missing) = (blob("there"), noise(2500));
    pair.registry.push_blob("from", &there).await;
    let from = repository("from");
    for (blob, expected) in [(there, BlobOutcome::Mounted), (missing, BlobOutcome::Uploaded)] {
        let source = BlobSource::bytes(blob.bytes.clone());
        let to = repository("to");
        let outcome =
            pair.client.push_blob(&to, &blob.digest, &source, Some(&from), &silent()).await.unwrap();
        assert_eq!(outcome, expected);
        assert_eq!(pair.registry.get_blob("to", &blob.digest).await.expect(200).body, blob.bytes);
    }
    // Opened once each: the 202 is gone on with.
    assert_eq!(pair.between.asked(&Method::POST, "/v2/to/blobs/uploads/").len(), 2);
}

// covers: push-manifest-01, push-manifest-02, push-manifest-04, push-manifest-05, push-manifest-07
#[tokio::test]
async fn a_file_is_pushed_with_a_manifest_that_says_what_it_is_and_names_all_of_it() {
    let pair = Pair::new(Between::watching()).await;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("disk.img");
    let disk = noise(4096);
    std::fs::write(&path, &disk.bytes).unwrap();
    let push = FilePush {
        path,
        format: Some(shoal_schema::kinds::ImageFormat::RawDisk),
        title: None,
        annotations: BTreeMap::new(),
        repository: repository("os/disk"),
        tag: Some(shoal_oci::Tag::parse("v1").unwrap()),
    };
    let pushed = pair.client.push_artifact(&push, &silent()).await.unwrap();
    let sent = pair.between.asked(&Method::PUT, "/v2/os/disk/manifests/v1").remove(0);
    let manifest: Value = serde_json::from_slice(&sent.body).unwrap();
    assert_eq!(manifest["mediaType"], IMAGE);
    assert_eq!(sent.header("content-type"), Some(IMAGE));
    let layers = manifest["layers"].as_array().unwrap();
    assert_eq!(layers.len(), 1);
    assert_eq!(layers[0]["digest"], disk.digest.as_str());
    for descriptor in layers.iter().chain([&manifest["config"]]) {
        let digest = Digest::parse(descriptor["digest"].as_str().unwrap()).unwrap();
        let blob = pair.registry.get_blob("os/disk", &digest).await.expect(200);
        assert_eq!(descriptor["size"], blob.body.len());
    }
    let kept = pair.registry.get_manifest("os/disk", &pushed.digest).await.expect(200);
    assert_eq!(kept.body, sent.body);
}

// covers: push-manifest-21
#[tokio::test]
async fn a_manifest_of_four_megabytes_is_pushed_and_pulled() {
    let pair = Pair::new(Between::watching()).await;
    let config = config("large");
    pair.registry.push_blob("a", &config).await;
    let mut value = image(&config, &[]);
    value["annotations"] = serde_json::json!({"padding": "x".repeat(4_000_000)});
    let large = manifest(&value);
    let (a, client) = (repository("a"), &pair.client);
    let digest = client.push_manifest(&a, &tag("large"), IMAGE, large.bytes.clone().into()).await.unwrap();
    assert_eq!(digest, large.digest);
    for reference in [tag("large"), Reference::Digest(digest)] {
        assert!(client.pull_manifest(&a, &reference).await.unwrap().bytes == large.bytes);
    }
}
