// SPDX-License-Identifier: AGPL-3.0-or-later
//! Lists, referrers, deleting.

use shoal_oci::{Digest, Reference, media_type};
use shoal_registry_client::ClientError;

use crate::fake::{Fake, What};
use crate::world::{client, repository, sha256};

const EMPTY: &[u8] = br#"{"schemaVersion":2,"manifests":[]}"#;

#[tokio::test]
async fn tags_of_all_pages_come_in_order() {
    let fake = Fake::start().await;
    for tag in ["1", "2", "3", "latest"] {
        fake.add_manifest("a", Some(tag), media_type::IMAGE_INDEX, EMPTY);
    }
    let tags = client(&fake).list_tags(&repository("a")).await.unwrap();
    let tags: Vec<_> = tags.iter().map(ToString::to_string).collect();
    assert_eq!(tags, ["1", "2", "3", "latest"]);
    assert_eq!(fake.lines().len(), 4);
    assert_eq!(client(&fake).list_tags(&repository("empty")).await.unwrap(), []);
}

#[tokio::test]
async fn a_list_that_links_to_another_host_ends_there() {
    let (fake, other) = (Fake::start().await, Fake::start().await);
    fake.add_manifest("a", Some("1"), media_type::IMAGE_INDEX, EMPTY);
    let link: &'static str = format!("<http://{}/v2/a/tags/list>; rel=\"next\"", other.host()).leak();
    fake.fault("GET", "tags", What::Header("link", link));
    assert_eq!(client(&fake).list_tags(&repository("a")).await.unwrap().len(), 1);
    assert!(other.lines().is_empty());
}

#[tokio::test]
async fn null_instead_of_a_list_is_an_empty_one_and_anything_else_an_error() {
    let fake = Fake::start().await;
    fake.fault("GET", "tags", What::Content(br#"{"name":"a","tags":null}"#));
    assert_eq!(client(&fake).list_tags(&repository("a")).await.unwrap(), []);
    fake.fault("GET", "tags", What::Content(b"<html>"));
    assert!(matches!(
        client(&fake).list_tags(&repository("a")).await.unwrap_err(),
        ClientError::Nonsense { .. }
    ));
}

#[tokio::test]
async fn repositories_are_listed_where_the_registry_does_that() {
    let fake = Fake::start().await;
    fake.add_manifest("b/c", Some("1"), media_type::IMAGE_INDEX, EMPTY);
    assert_eq!(client(&fake).list_repositories().await.unwrap(), [repository("b/c")]);
    for status in [401, 404, 405] {
        fake.fault("GET", "_catalog", What::Status(status, vec![], ""));
        let error = client(&fake).list_repositories().await.unwrap_err();
        assert!(matches!(error, ClientError::NotOffered { .. }), "{error}");
        assert!(error.hint().is_some());
    }
}

#[tokio::test]
async fn what_is_deleted_is_gone_and_what_is_not_there_is_said_so() {
    let fake = Fake::start().await;
    let manifest = fake.add_manifest("a", Some("1"), media_type::IMAGE_INDEX, EMPTY);
    let blob = fake.add_blob("a", b"x");
    let (client, repository) = (client(&fake), repository("a"));
    let reference = Reference::Digest(manifest);
    assert!(client.delete_manifest(&repository, &reference).await.unwrap());
    assert!(!client.delete_manifest(&repository, &reference).await.unwrap());
    assert!(client.delete_blob(&repository, &blob).await.unwrap());
    assert!(!client.delete_blob(&repository, &blob).await.unwrap());
}

#[tokio::test]
async fn a_registry_that_does_not_delete_is_an_error_with_a_hint() {
    let fake = Fake::start().await;
    let body = r#"{"errors":[{"code":"UNSUPPORTED","message":"no"}]}"#;
    fake.fault("DELETE", "", What::Status(405, vec![], body));
    let reference = Reference::parse("1").unwrap();
    let error = client(&fake).delete_manifest(&repository("a"), &reference).await.unwrap_err();
    assert!(error.hint().unwrap().contains("switched off"));
    // Not the 404 of something that is not there.
    fake.fault("DELETE", "", What::Status(404, vec![], "404 page not found"));
    client(&fake).delete_manifest(&repository("a"), &reference).await.unwrap_err();
}

/// A manifest about another one.
fn signature(fake: &Fake, subject: &Digest, note: &str) -> String {
    let config = fake.add_blob("a", b"{}");
    format!(
        r#"{{"schemaVersion":2,"mediaType":"{m}","artifactType":"application/x.sig","config":{{"mediaType":"{e}","digest":"{config}","size":2}},"layers":[],"subject":{{"mediaType":"{i}","digest":"{subject}","size":{s}}},"annotations":{{"note":"{note}"}}}}"#,
        m = media_type::IMAGE_MANIFEST,
        e = media_type::EMPTY_JSON,
        i = media_type::IMAGE_INDEX,
        s = EMPTY.len(),
    )
}

async fn sign(fake: &Fake, subject: &Digest, note: &str) -> Digest {
    let bytes = signature(fake, subject, note);
    let digest = sha256(bytes.as_bytes());
    let reference = Reference::Digest(digest.clone());
    let pushed = client(fake)
        .push_manifest(&repository("a"), &reference, media_type::IMAGE_MANIFEST, bytes.into())
        .await;
    assert_eq!(pushed.unwrap(), digest);
    digest
}

#[tokio::test]
async fn referrers_are_found_in_a_registry_with_the_list_and_in_one_without() {
    for without in [false, true] {
        let fake = Fake::start().await;
        fake.world().no_referrers = without;
        let subject = fake.add_manifest("a", Some("1"), media_type::IMAGE_INDEX, EMPTY);
        assert_eq!(client(&fake).referrers(&repository("a"), &subject).await.unwrap(), []);
        let mut signatures = vec![sign(&fake, &subject, "one").await, sign(&fake, &subject, "two").await];
        // Once more changes nothing.
        sign(&fake, &subject, "one").await;
        signatures.sort();
        let found = client(&fake).referrers(&repository("a"), &subject).await.unwrap();
        let digests: Vec<_> = found.iter().map(|one| one.digest.clone()).collect();
        assert_eq!(digests, signatures, "without: {without}");
        assert_eq!(found[0].artifact_type.as_deref(), Some("application/x.sig"));
        let tag = ("a".to_owned(), subject.to_string().replace(':', "-"));
        assert_eq!(fake.world().tags.contains_key(&tag), without);
    }
}

#[tokio::test]
async fn something_else_under_the_referrers_tag_is_not_overwritten() {
    let fake = Fake::start().await;
    fake.world().no_referrers = true;
    let subject = fake.add_manifest("a", Some("1"), media_type::IMAGE_INDEX, EMPTY);
    let config = fake.add_blob("a", b"{}");
    let image = format!(
        r#"{{"schemaVersion":2,"config":{{"mediaType":"a/b","digest":"{config}","size":2}},"layers":[]}}"#
    );
    let tag = subject.to_string().replace(':', "-");
    fake.add_manifest("a", Some(&tag), media_type::IMAGE_MANIFEST, image.as_bytes());
    assert_eq!(client(&fake).referrers(&repository("a"), &subject).await.unwrap(), []);
    let key = ("a".to_owned(), tag);
    let before = fake.world().tags[&key].clone();
    let signature = signature(&fake, &subject, "one");
    let reference = Reference::Digest(sha256(signature.as_bytes()));
    let client = client(&fake);
    let pushed = client
        .push_manifest(&repository("a"), &reference, media_type::IMAGE_MANIFEST, signature.into())
        .await;
    assert!(matches!(pushed.unwrap_err(), ClientError::Nonsense { .. }));
    assert_eq!(fake.world().tags[&key], before);
}

#[tokio::test]
async fn a_referrer_that_is_deleted_is_taken_from_the_list_under_the_tag() {
    let fake = Fake::start().await;
    fake.world().no_referrers = true;
    let subject = fake.add_manifest("a", Some("1"), media_type::IMAGE_INDEX, EMPTY);
    let (gone, stays) = (sign(&fake, &subject, "gone").await, sign(&fake, &subject, "stays").await);
    let (client, repository) = (client(&fake), repository("a"));
    assert!(client.delete_manifest(&repository, &Reference::Digest(gone)).await.unwrap());
    let found = client.referrers(&repository, &subject).await.unwrap();
    assert_eq!(found.into_iter().map(|one| one.digest).collect::<Vec<_>>(), [stays]);
}
