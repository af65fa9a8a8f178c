// SPDX-License-Identifier: AGPL-3.0-or-later
//! Listing referrers.

use serde_json::{Value, json};

use crate::content::{CONFIG, Content, INDEX, config, image, index, manifest, small_image};
use crate::support::{Answer, Served};

/// A repository `ref` with a subject, and everything that refers to it with the entry it has.
struct Referred {
    registry: Served,
    subject: Content,
    entries: Vec<(Content, Value)>,
}

/// The manifest about `subject`, and its entry: the descriptor with these fields.
fn about(subject: &Content, mut value: Value, more: &Value, entry: &Value) -> (Content, Value) {
    value["subject"] = subject.descriptor();
    for (key, field) in more.as_object().unwrap() {
        value[key] = field.clone();
    }
    let manifest = manifest(&value);
    let mut described = manifest.descriptor();
    for (key, field) in entry.as_object().unwrap() {
        described[key] = field.clone();
    }
    (manifest, described)
}

impl Referred {
    async fn new(by_sha512: bool) -> Self {
        let registry = Served::start().await;
        let config = config("ref");
        registry.push_blob("ref", &config).await;
        let subject = small_image(&config);
        let subject = if by_sha512 { subject.by_sha512() } else { subject };
        registry.push("ref", &subject).await;
        let (notes, kind) =
            (json!({"org.example.a": "1", "\u{fc}": ""}), "application/vnd.example.sbom+json");
        let image = || image(&config, &[]);
        let entries = vec![
            about(
                &subject,
                image(),
                &json!({"artifactType": kind, "annotations": notes}),
                &json!({"artifactType": kind, "annotations": notes}),
            ),
            about(
                &subject,
                image(),
                &json!({"annotations": {"n": "2"}}),
                &json!({"artifactType": CONFIG, "annotations": {"n": "2"}}),
            ),
            about(&subject, image(), &json!({"artifactType": "", "x": 3}), &json!({"artifactType": CONFIG})),
            about(
                &subject,
                index(&[]),
                &json!({"artifactType": kind, "annotations": {"n": "4"}}),
                &json!({"artifactType": kind, "annotations": {"n": "4"}}),
            ),
            about(&subject, index(&[]), &json!({"annotations": notes}), &json!({"annotations": notes})),
            about(&subject, index(&[]), &json!({"artifactType": "", "x": 6}), &json!({})),
        ];
        for (manifest, _) in &entries {
            registry.push("ref", manifest).await;
        }
        Self { registry, subject, entries }
    }

    /// The entries with such a type, or all of them.
    fn expected(&self, artifact_type: Option<&str>) -> Vec<Value> {
        let entries = self.entries.iter().map(|(_, entry)| entry.clone());
        sorted(
            entries.filter(|entry| artifact_type.is_none_or(|kind| entry["artifactType"] == kind)).collect(),
        )
    }
}

fn sorted(mut entries: Vec<Value>) -> Vec<Value> {
    entries.sort_by_key(|entry| entry["digest"].as_str().unwrap().to_owned());
    entries
}

/// The entries of a list of referrers; the rest of it is looked at here.
fn entries(answer: &Answer) -> Vec<Value> {
    assert_eq!(answer.header("content-type"), Some(INDEX));
    let list = answer.json();
    assert_eq!(list["schemaVersion"], 2);
    assert_eq!(list["mediaType"], INDEX);
    sorted(list["manifests"].as_array().unwrap().clone())
}

// covers: referrers-01, referrers-04, referrers-05, referrers-06, referrers-07, referrers-08, referrers-09
#[tokio::test]
async fn the_list_describes_every_manifest_with_that_subject() {
    for by_sha512 in [false, true] {
        let referred = Referred::new(by_sha512).await;
        let list = referred.registry.get_referrers("ref", &referred.subject.digest).await.expect(200);
        assert_eq!(entries(&list), referred.expected(None));
        assert!(list.headers.get("oci-filters-applied").is_none());
        for (manifest, _) in &referred.entries {
            let none = referred.registry.get_referrers("ref", &manifest.digest).await.expect(200);
            assert_eq!(entries(&none), [] as [Value; 0]);
        }
    }
}

// covers: referrers-02, referrers-10
#[tokio::test]
async fn where_nothing_refers_to_it_or_nothing_is_there_at_all_the_list_is_empty() {
    let registry = Served::start().await;
    let config = config("none");
    registry.push_blob("ref", &config).await;
    let image = small_image(&config);
    registry.push("ref", &image).await;
    for (repository, digest) in [
        ("ref", &image.digest),
        ("ref", &image.by_sha512().digest),
        ("ref", &config.digest),
        ("never/pushed", &image.digest),
    ] {
        let list = registry.get_referrers(repository, digest).await.expect(200);
        assert_eq!(entries(&list), [] as [Value; 0], "{repository} {digest}");
    }
}

// covers: referrers-03
#[tokio::test]
async fn a_malformed_digest_is_a_bad_request() {
    let registry = Served::start().await;
    let config = config("bad");
    registry.push_blob("ref", &config).await;
    for digest in
        ["latest", "sha256", "sha256:", "sha256:abc", "sha256:zz", "md5:d41d8cd98f00b204e9800998ecf8427e"]
    {
        registry.get(&format!("/v2/ref/referrers/{digest}")).await.expect(400);
        registry.get(&format!("/v2/never/pushed/referrers/{digest}")).await.expect(400);
    }
}

// covers: referrers-11, referrers-12
#[tokio::test]
async fn a_list_longer_than_a_manifest_may_be_comes_in_pages_that_keep_the_filter() {
    let registry = Served::start().await;
    let config = config("long");
    registry.push_blob("ref", &config).await;
    let subject = small_image(&config);
    let mut expected = Vec::new();
    for (number, kind) in ["a/a", "a/b", "a/a", "a/a", "a/a"].into_iter().enumerate() {
        let fields = json!({"artifactType": kind, "annotations": {"n": "x".repeat(1_500_000 + number)}});
        let (manifest, entry) = about(&subject, image(&config, &[]), &fields, &fields);
        registry.push("ref", &manifest).await;
        expected.push(entry);
    }
    for (filter, wanted) in [("", None), ("?artifactType=a%2Fa", Some("a/a"))] {
        let (mut listed, mut pages) = (Vec::new(), 0);
        let mut target = Some(format!("/v2/ref/referrers/{}{filter}", subject.digest));
        while let Some(page) = target.take() {
            let page = registry.get(&page).await.expect(200);
            assert!(page.body.len() <= 4 * 1024 * 1024, "{} bytes", page.body.len());
            assert_eq!(page.header("oci-filters-applied").is_some(), wanted.is_some());
            listed.extend(entries(&page));
            target = page.next();
            pages += 1;
        }
        assert!(pages > 1, "{filter}");
        let expected =
            expected.iter().filter(|entry| wanted.is_none_or(|kind| entry["artifactType"] == kind));
        assert!(sorted(listed) == sorted(expected.cloned().collect()), "{filter}");
    }
}

// covers: referrers-10, referrers-13, referrers-14
#[tokio::test]
async fn the_list_is_filtered_by_type_and_says_so() {
    let referred = Referred::new(false).await;
    let target = format!("/v2/ref/referrers/{}", referred.subject.digest);
    for (kind, written, count) in [
        ("application/vnd.example.sbom+json", "application%2Fvnd.example.sbom%2Bjson", 2),
        (CONFIG, "application/vnd.oci.image.config.v1%2Bjson", 2),
        ("application/vnd.example.sbom", "application/vnd.example.sbom", 0),
        ("nothing/such", "nothing/such", 0),
    ] {
        let list = referred.registry.get(&format!("{target}?artifactType={written}")).await.expect(200);
        assert_eq!(entries(&list), referred.expected(Some(kind)), "{kind}");
        assert_eq!(entries(&list).len(), count, "{kind}");
        assert_eq!(list.header("oci-filters-applied"), Some("artifactType"), "{kind}");
    }
}

// covers: referrers-04
#[tokio::test]
async fn a_manifest_of_another_repository_or_that_was_deleted_is_not_in_the_list() {
    let referred = Referred::new(false).await;
    let registry = &referred.registry;
    let (gone, _) = &referred.entries[0];
    registry.push_blob("other", &config("ref")).await;
    registry.push("other", gone).await;
    registry.delete(&format!("/v2/ref/manifests/{}", gone.digest)).await.expect(202);
    let here = entries(&registry.get_referrers("ref", &referred.subject.digest).await.expect(200));
    assert_eq!(here, sorted(referred.entries[1..].iter().map(|(_, entry)| entry.clone()).collect()));
    let there = entries(&registry.get_referrers("other", &referred.subject.digest).await.expect(200));
    assert_eq!(there, [referred.entries[0].1.clone()]);
}
