// SPDX-License-Identifier: AGPL-3.0-or-later
//! Clients: pulling manifests, blobs and lists.

use axum::body::Body;
use http::Method;
use shoal_oci::{Digest, Reference};
use shoal_registry_client::{BlobPull, Client, ClientError, silent};

use super::{Pair, repository, tag};
use crate::between::{Between, answer, set};
use crate::content::{Content, IMAGE, INDEX, blob, config, image, index, manifest, small_image};
use crate::support::Served;

/// The image is in the repository `a` as `latest`.
async fn pushed(registry: &Served) -> Content {
    let config = config("client");
    registry.push_blob("a", &config).await;
    let image = small_image(&config);
    registry.put_manifest("a", "latest", &image).await.expect(201);
    image
}

async fn pull_blob(client: &Client, digest: &Digest) -> Result<Vec<u8>, ClientError> {
    let (repository, mut bytes) = (repository("a"), Vec::new());
    let blob = BlobPull { repository: &repository, digest, size: None, limit: 1 << 20 };
    client.pull_blob(&blob, &mut bytes, &silent()).await.map(|_| bytes)
}

// covers: pull-manifest-06
#[tokio::test]
async fn a_pull_says_which_manifests_are_understood() {
    let pair = Pair::new(Between::watching()).await;
    pushed(&pair.registry).await;
    pair.client.pull_manifest(&repository("a"), &tag("latest")).await.unwrap();
    let asked = pair.between.asked(&Method::GET, "/v2/a/manifests/latest");
    let accepted: Vec<&str> = asked[0].header("accept").unwrap().split(',').map(str::trim).collect();
    assert!(accepted.contains(&IMAGE) && accepted.contains(&INDEX), "{accepted:?}");
}

// covers: pull-manifest-08
#[tokio::test]
async fn parameters_of_a_manifests_type_are_ignored() {
    let between = Between::after(|seen, response| {
        if seen.is(&Method::GET, "/manifests/") {
            set(response, "content-type", &format!("{IMAGE}; charset=utf-8"));
        }
    });
    let pair = Pair::new(between).await;
    let image = pushed(&pair.registry).await;
    let pulled = pair.client.pull_manifest(&repository("a"), &tag("latest")).await.unwrap();
    assert_eq!((pulled.media_type.as_str(), &pulled.digest), (IMAGE, &image.digest));
    assert_eq!(pulled.bytes, image.bytes);
}

// covers: pull-manifest-10
#[tokio::test]
async fn a_manifest_of_another_type_than_it_comes_as_is_refused() {
    let between = Between::after(|seen, response| {
        if seen.is(&Method::GET, "/manifests/") {
            set(response, "content-type", INDEX);
        }
    });
    let pair = Pair::new(between).await;
    let image = pushed(&pair.registry).await;
    for reference in [tag("latest"), Reference::Digest(image.digest)] {
        let error = pair.client.pull_manifest(&repository("a"), &reference).await.unwrap_err();
        assert!(matches!(error, ClientError::Manifest { .. }), "{error:?}");
    }
}

// covers: pull-manifest-14
#[tokio::test]
async fn a_manifest_that_has_not_the_digest_it_comes_with_is_refused() {
    let other = manifest(&index(&[])).digest;
    let between = Between::after(move |seen, response| {
        if seen.is(&Method::GET, "/manifests/") {
            set(response, "docker-content-digest", other.as_str());
        }
    });
    let pair = Pair::new(between).await;
    pushed(&pair.registry).await;
    let error = pair.client.pull_manifest(&repository("a"), &tag("latest")).await.unwrap_err();
    assert!(matches!(error, ClientError::WrongDigest { .. }), "{error:?}");
}

// covers: pull-manifest-15
#[tokio::test]
async fn a_manifest_that_has_not_the_digest_it_was_asked_for_by_is_refused() {
    let other = manifest(&image(&config("other"), &[]));
    let between = Between::after(move |seen, response| {
        if seen.is(&Method::GET, "/manifests/") {
            set(response, "docker-content-digest", other.digest.as_str());
            response.headers_mut().remove("content-length");
            *response.body_mut() = Body::from(other.bytes.clone());
        }
    });
    let pair = Pair::new(between).await;
    let image = pushed(&pair.registry).await;
    let by_digest = Reference::Digest(image.digest);
    let error = pair.client.pull_manifest(&repository("a"), &by_digest).await.unwrap_err();
    assert!(matches!(error, ClientError::WrongDigest { .. }), "{error:?}");
}

// covers: pull-blob-05, pull-blob-06
#[tokio::test]
async fn a_blob_that_has_not_the_digest_it_was_asked_for_by_is_refused_whatever_it_comes_with() {
    let (right, wrong) = (blob("right bytes"), blob("wrong bytes"));
    let other = wrong.clone();
    let between = Between::after(move |seen, response| {
        if seen.is(&Method::GET, "/blobs/") {
            set(response, "docker-content-digest", other.digest.as_str());
            *response.body_mut() = Body::from(other.bytes.clone());
        }
    });
    let pair = Pair::new(between).await;
    pair.registry.push_blob("a", &right).await;
    let error = pull_blob(&pair.client, &right.digest).await.unwrap_err();
    assert!(matches!(error, ClientError::WrongDigest { .. }), "{error:?}");
}

// covers: legacy-01, head-05, compat-01
#[tokio::test]
async fn nothing_is_missing_where_a_registry_sends_none_of_dockers_headers() {
    let between = Between::after(|_, response| {
        let names: Vec<_> = response.headers().keys().cloned().collect();
        for name in names.iter().filter(|name| name.as_str().starts_with("docker-")) {
            response.headers_mut().remove(name);
        }
    });
    let pair = Pair::new(between).await;
    let image = pushed(&pair.registry).await;
    let (client, a) = (&pair.client, repository("a"));
    client.ping().await.unwrap();
    let pulled = client.pull_manifest(&a, &tag("latest")).await.unwrap();
    assert_eq!(pulled.digest, image.digest);
    assert!(client.exists(&a, &tag("latest")).await.is_present());
    assert!(client.exists(&a, &Reference::Digest(image.digest)).await.is_present());
    let config = config("client");
    assert_eq!(client.blob_size(&a, &config.digest).await.unwrap(), Some(config.bytes.len() as u64));
    assert_eq!(pull_blob(client, &config.digest).await.unwrap(), config.bytes);
}

// covers: legacy-02
#[tokio::test]
async fn an_old_error_code_means_no_more_than_its_status() {
    let between = Between::instead(|seen| {
        let code = r#"{"errors":[{"code":"TAG_INVALID","message":"manifest tag did not match URI"}]}"#;
        let json = ("content-type", "application/json");
        seen.is(&Method::HEAD, "/manifests/gone").then(|| answer(404, &[json], code))
    });
    let pair = Pair::new(between).await;
    let presence = pair.client.exists(&repository("a"), &tag("gone")).await;
    assert!(matches!(presence, shoal_registry_client::Presence::Absent), "{presence:?}");
}

// covers: tags-14
#[tokio::test]
async fn pages_are_followed_by_their_link_although_they_are_short() {
    let between = Between::instead(|seen| {
        if !seen.is(&Method::GET, "/tags/list") {
            return None;
        }
        let json = ("content-type", "application/json");
        Some(if seen.target.contains("page=2") {
            answer(200, &[json], r#"{"name":"a","tags":["c"]}"#)
        } else {
            let link = ("link", r#"</v2/a/tags/list?page=2>; rel="next""#);
            answer(200, &[json, link], r#"{"name":"a","tags":["a","b"]}"#)
        })
    });
    let pair = Pair::new(between).await;
    let tags = pair.client.list_tags(&repository("a")).await.unwrap();
    assert_eq!(tags.iter().map(shoal_oci::Tag::as_str).collect::<Vec<_>>(), ["a", "b", "c"]);
}
