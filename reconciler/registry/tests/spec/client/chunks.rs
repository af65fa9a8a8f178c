// SPDX-License-Identifier: AGPL-3.0-or-later
//! Clients: pushing in chunks, going on after a break, giving up.

use std::sync::atomic::{AtomicUsize, Ordering};

use http::Method;
use shoal_registry_client::{BlobSource, ClientError, silent};

use super::{Pair, repository};
use crate::between::{Between, answer, extend_location};
use crate::content::noise;

// covers: chunk-08, chunk-12, chunk-18
#[tokio::test]
async fn chunks_are_as_long_as_asked_and_each_goes_where_the_answer_before_says() {
    let step = AtomicUsize::new(0);
    let between = Between::after(move |seen, response| {
        if seen.target.contains("/blobs/uploads/") {
            extend_location(response, &format!("step={}", step.fetch_add(1, Ordering::Relaxed)));
        }
        if seen.method == Method::POST {
            crate::between::set(response, "oci-chunk-min-length", "1500");
        }
    });
    let pair = Pair::new(between).await;
    let blob = noise(4000);
    let source = BlobSource::bytes(blob.bytes.clone());
    pair.client.push_blob(&repository("a"), &blob.digest, &source, None, &silent()).await.unwrap();
    assert_eq!(pair.registry.get_blob("a", &blob.digest).await.expect(200).body, blob.bytes);

    let uploads: Vec<_> =
        pair.between.seen().into_iter().filter(|seen| seen.target.contains("/uploads/")).collect();
    let methods: Vec<&str> = uploads.iter().map(|seen| seen.method.as_str()).collect();
    assert_eq!(methods.first(), Some(&"POST"));
    assert_eq!(methods.last(), Some(&"PUT"));
    let (mut at, last) = (0, uploads.len() - 1);
    for (number, seen) in uploads.iter().enumerate().skip(1) {
        let step = format!("?step={}", number - 1);
        assert!(seen.target.contains(&step), "{} without {step}", seen.target);
        if seen.method == Method::PATCH {
            let end = at + seen.body.len();
            assert_eq!(seen.header("content-range"), Some(format!("{at}-{}", end - 1).as_str()));
            assert!(seen.body.len() >= 1500 || end == 4000, "{} bytes", seen.body.len());
            at = end;
        }
    }
    assert!(uploads[last].target.ends_with(&format!("digest={}", blob.digest).replace(':', "%3A")));
}

// covers: chunk-24
#[tokio::test]
async fn after_a_break_the_registry_is_asked_how_far_it_is_and_its_location_is_used() {
    let failed = AtomicUsize::new(0);
    let between = Between::both(
        move |seen| {
            let second = seen.header("content-range").is_some_and(|range| range.starts_with("1000-"));
            // Once only.
            (second && failed.fetch_add(1, Ordering::Relaxed) == 0).then(|| answer(500, &[], ""))
        },
        |seen, response| {
            if seen.is(&Method::GET, "/blobs/uploads/") {
                extend_location(response, "from=status");
            }
        },
    );
    let pair = Pair::new(between).await;
    let blob = noise(2500);
    let source = BlobSource::bytes(blob.bytes.clone());
    pair.client.push_blob(&repository("a"), &blob.digest, &source, None, &silent()).await.unwrap();
    assert_eq!(pair.registry.get_blob("a", &blob.digest).await.expect(200).body, blob.bytes);
    let seen = pair.between.seen();
    let status = seen.iter().position(|seen| seen.is(&Method::GET, "/blobs/uploads/")).unwrap();
    assert!(seen[status + 1].is(&Method::PATCH, "from=status"), "{:?}", seen[status + 1]);
    assert_eq!(seen[status + 1].header("content-range"), Some("1000-1999"));
    // What had arrived was not sent again.
    assert_eq!(pair.between.asked(&Method::POST, "/blobs/uploads/").len(), 1);
}

// covers: cancel-02, cancel-03
#[tokio::test]
async fn an_upload_that_is_given_up_is_cancelled_and_a_failure_of_that_is_not_what_is_told() {
    for cancelled in [204, 500] {
        let between = Between::instead(move |seen| match seen.method {
            Method::PATCH => {
                let denied = r#"{"errors":[{"code":"DENIED","message":"over quota"}]}"#;
                Some(answer(403, &[("content-type", "application/json")], denied))
            }
            Method::DELETE => Some(answer(cancelled, &[], "")),
            _ => None,
        });
        let pair = Pair::new(between).await;
        let blob = noise(2500);
        let source = BlobSource::bytes(blob.bytes.clone());
        let pushed = pair.client.push_blob(&repository("a"), &blob.digest, &source, None, &silent()).await;
        let error = pushed.unwrap_err();
        assert!(matches!(error, ClientError::Refused { status: 403, .. }), "{error:?}");
        assert_eq!(pair.between.asked(&Method::DELETE, "/v2/a/blobs/uploads/").len(), 1);
    }
}
