// SPDX-License-Identifier: AGPL-3.0-or-later
//! Clients: manifests with a subject, and referrers, where the registry keeps no list.

use std::sync::Arc;

use http::Method;
use serde_json::{Value, json};
use shoal_oci::{Digest, Reference};

use super::{Pair, repository};
use crate::between::{Between, answer};
use crate::content::{CONFIG, Content, IMAGE, INDEX, config, image, index, manifest, small_image};

/// A registry of before 1.1: it does not notice subjects, and has no list of referrers.
fn without_referrers() -> Arc<Between> {
    Between::both(
        |seen| seen.target.contains("/referrers/").then(|| answer(404, &[], "404 page not found")),
        |_, response| {
            response.headers_mut().remove("oci-subject");
        },
    )
}

/// An image about another, with these fields.
fn about(subject: &Content, config: &Content, fields: &Value) -> Content {
    let mut value = image(config, &[]);
    value["subject"] = subject.descriptor();
    for (key, field) in fields.as_object().unwrap() {
        value[key] = field.clone();
    }
    manifest(&value)
}

struct Scene {
    pair: Pair,
    config: Content,
    subject: Content,
    tag: String,
}

impl Scene {
    async fn new(between: Arc<Between>) -> Self {
        let pair = Pair::new(between).await;
        let config = config("subject");
        pair.registry.push_blob("a", &config).await;
        let subject = small_image(&config);
        let tag = format!("sha256-{}", subject.digest.hex());
        Self { pair, config, subject, tag }
    }

    async fn push(&self, manifest: &Content) -> Result<Digest, shoal_registry_client::ClientError> {
        let reference = Reference::Digest(manifest.digest.clone());
        let bytes = manifest.bytes.clone().into();
        self.pair.client.push_manifest(&repository("a"), &reference, &manifest.media_type, bytes).await
    }

    async fn referrers(&self) -> Result<Vec<Digest>, shoal_registry_client::ClientError> {
        let listed = self.pair.client.referrers(&repository("a"), &self.subject.digest).await?;
        Ok(listed.into_iter().map(|entry| entry.digest).collect())
    }
}

// covers: subject-02, subject-04, subject-05, subject-06, subject-07, subject-08, subject-09
// covers: compat-02, compat-03
#[tokio::test]
async fn a_list_is_kept_under_the_referrers_tag_where_the_registry_keeps_none() {
    let old = Scene::new(without_referrers()).await;
    let notes = json!({"org.example.note": "x"});
    let typed = about(&old.subject, &old.config, &json!({"artifactType": "a/b", "annotations": notes}));
    let untyped = about(&old.subject, &old.config, &json!({}));
    let mut expected = Vec::new();
    for (pushed, kind) in [(&typed, "a/b"), (&untyped, CONFIG), (&typed, "a/b")] {
        old.push(pushed).await.unwrap();
        let looked = old.pair.between.asked(&Method::GET, &format!("/v2/a/manifests/{}", old.tag));
        assert!(!looked.is_empty());
        let mut entry = pushed.descriptor();
        entry["artifactType"] = json!(kind);
        if kind == "a/b" {
            entry["annotations"] = notes.clone();
        }
        if !expected.contains(&entry) {
            expected.push(entry);
        }
        let list = old.pair.registry.get_manifest("a", &old.tag).await.expect(200);
        assert_eq!(list.header("content-type"), Some(INDEX));
        assert_eq!(list.json(), json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": expected}));
    }
    assert_eq!(expected.len(), 2);
}

// covers: compat-03
#[tokio::test]
async fn nothing_is_kept_under_the_tag_where_the_registry_keeps_the_list() {
    let new = Scene::new(Between::watching()).await;
    new.push(&about(&new.subject, &new.config, &json!({}))).await.unwrap();
    new.pair.registry.get_manifest("a", &new.tag).await.expect(404);
}

// covers: subject-03
#[tokio::test]
async fn something_else_under_the_tag_is_told_and_left_alone() {
    let old = Scene::new(without_referrers()).await;
    old.pair.registry.put_manifest("a", &old.tag, &old.subject).await.expect(201);
    old.push(&about(&old.subject, &old.config, &json!({}))).await.unwrap_err();
    assert_eq!(old.pair.registry.get_manifest("a", &old.tag).await.expect(200).body, old.subject.bytes);
}

// covers: referrers-16, referrers-17, compat-02, compat-04
#[tokio::test]
async fn the_list_under_the_tag_is_read_where_the_registry_keeps_none() {
    let old = Scene::new(without_referrers()).await;
    let listed = about(&old.subject, &old.config, &json!({"artifactType": "a/b"}));
    old.pair.registry.push("a", &listed).await;
    let mut entry = listed.descriptor();
    entry["artifactType"] = json!("a/b");
    let mut list = index(&[]);
    list["manifests"] = json!([entry]);
    old.pair.registry.put_manifest("a", &old.tag, &manifest(&list)).await.expect(201);
    let found = old.pair.client.referrers(&repository("a"), &old.subject.digest).await.unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].digest, listed.digest);
    assert_eq!(found[0].media_type, IMAGE);
    assert_eq!(found[0].artifact_type.as_deref(), Some("a/b"));
}

// covers: referrers-18
#[tokio::test]
async fn where_there_is_no_list_in_either_place_there_are_no_referrers() {
    let old = Scene::new(without_referrers()).await;
    assert_eq!(old.referrers().await.unwrap(), []);
    // What stands there is no list.
    old.pair.registry.put_manifest("a", &old.tag, &old.subject).await.expect(201);
    assert_eq!(old.referrers().await.unwrap(), []);
}

// covers: delete-manifest-05
#[tokio::test]
async fn a_manifest_that_is_deleted_is_taken_from_the_list_under_the_tag() {
    let old = Scene::new(without_referrers()).await;
    let gone = about(&old.subject, &old.config, &json!({"artifactType": "a/gone"}));
    let stays = about(&old.subject, &old.config, &json!({"artifactType": "a/stays"}));
    old.push(&gone).await.unwrap();
    old.push(&stays).await.unwrap();
    let reference = Reference::Digest(gone.digest.clone());
    assert!(old.pair.client.delete_manifest(&repository("a"), &reference).await.unwrap());
    let list = old.pair.registry.get_manifest("a", &old.tag).await.expect(200).json();
    let listed = list["manifests"].as_array().unwrap();
    assert_eq!(listed.len(), 1, "{list}");
    assert_eq!(listed[0]["digest"], stays.digest.as_str());
}

// covers: referrers-tag-01, referrers-tag-03
#[test]
fn the_referrers_tag_is_the_digest_cut_to_what_a_tag_can_hold() {
    let a = "a".repeat(64);
    for (digest, tag) in [
        (format!("sha256:{a}"), format!("sha256-{a}")),
        (format!("sha512:{a}{}", "b".repeat(64)), format!("sha512-{a}")),
    ] {
        let digest = Digest::parse(&digest).unwrap();
        assert_eq!(shoal_oci::referrers_tag(&digest).as_str(), tag);
    }
}
