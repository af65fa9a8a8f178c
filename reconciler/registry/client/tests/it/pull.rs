// SPDX-License-Identifier: AGPL-3.0-or-later
//! Pulling: what is written is what was asked for, or there is an error.

use shoal_oci::{Digest, Manifest, Reference, media_type};
use shoal_registry_client::{BlobPull, Client, ClientError, ClientOptions, Stage, select_platform, silent};

use crate::fake::{Door, Fake, What};
use crate::world::{Told, bytes, client, options, password, repository, sha256};

async fn pull(fake: &Fake, digest: &Digest, size: Option<u64>) -> (Vec<u8>, Result<u64, ClientError>) {
    let (repository, mut out) = (repository("a"), Vec::new());
    let blob = BlobPull { repository: &repository, digest, size, limit: 1 << 20 };
    let result = client(fake).pull_blob(&blob, &mut out, &silent()).await;
    (out, result)
}

#[tokio::test]
async fn a_blob_comes_whole() {
    let fake = Fake::start().await;
    let digest = fake.add_blob("a", &bytes(300_000));
    for size in [Some(300_000), None] {
        let (out, result) = pull(&fake, &digest, size).await;
        assert_eq!((out == bytes(300_000), result.unwrap()), (true, 300_000));
    }
}

#[tokio::test]
async fn after_a_break_it_goes_on_where_it_was() {
    let fake = Fake::start().await;
    let digest = fake.add_blob("a", &bytes(300_000));
    fake.fault("GET", "", What::CutContent(100_000));
    fake.fault("GET", "", What::CutContent(50_000));
    let (out, result) = pull(&fake, &digest, Some(300_000)).await;
    result.unwrap();
    assert!(out == bytes(300_000));
    let ranges: Vec<_> =
        fake.world().seen.iter().map(|seen| seen.header("range").map(str::to_owned)).collect();
    assert_eq!(ranges, [None, Some("bytes=100000-".to_owned()), Some("bytes=150000-".to_owned())]);
}

#[tokio::test]
async fn a_registry_that_ignores_range_sends_it_all_again_and_it_is_not_written_twice() {
    let fake = Fake::start().await;
    fake.world().always.insert("ignore range");
    let digest = fake.add_blob("a", &bytes(300_000));
    fake.fault("GET", "", What::CutContent(100_000));
    let (out, result) = pull(&fake, &digest, Some(300_000)).await;
    assert_eq!((out == bytes(300_000), result.unwrap()), (true, 300_000));
}

#[tokio::test]
async fn a_part_that_was_not_asked_for_is_not_used() {
    for range in ["bytes 0-9/300000", "nonsense"] {
        let fake = Fake::start().await;
        let digest = fake.add_blob("a", &bytes(300_000));
        fake.fault("GET", "", What::CutContent(100_000));
        fake.fault("GET", "", What::Header("content-range", range));
        let (out, result) = pull(&fake, &digest, None).await;
        result.unwrap();
        assert!(out == bytes(300_000));
        assert_eq!(fake.world().seen[2].header("range"), None);
    }
}

#[tokio::test]
async fn a_blob_that_was_exchanged_is_refused() {
    let fake = Fake::start().await;
    let digest = fake.add_blob("a", &bytes(5000));
    fake.fault("GET", "", What::WrongContent);
    let error = pull(&fake, &digest, Some(5000)).await.1.unwrap_err();
    let ClientError::WrongDigest { expected, got, .. } = &error else { panic!("{error}") };
    assert_eq!((**expected == digest, **got == sha256(&[b'!'; 5000])), (true, true));
    assert!(error.hint().unwrap().contains("damaged"));
}

#[tokio::test]
async fn a_blob_of_another_size_is_refused_and_nothing_is_written() {
    let fake = Fake::start().await;
    let digest = fake.add_blob("a", &bytes(5000));
    for size in [4999, 5001] {
        let (out, result) = pull(&fake, &digest, Some(size)).await;
        assert!(matches!(result.unwrap_err(), ClientError::WrongSize { .. }));
        assert!(out.is_empty());
    }
    let (out, result) = pull(&fake, &digest, Some(2 << 20)).await;
    assert!(matches!(result.unwrap_err(), ClientError::TooLarge { .. }));
    assert!(out.is_empty());
}

#[tokio::test]
async fn a_blob_above_the_limit_is_refused_before_it_is_read() {
    let fake = Fake::start().await;
    let digest = fake.add_blob("a", &bytes((1 << 20) + 1));
    let (out, result) = pull(&fake, &digest, None).await;
    assert!(matches!(result.unwrap_err(), ClientError::TooLarge { .. }));
    assert!(out.is_empty());
}

#[tokio::test]
async fn a_registry_that_breaks_off_for_ever_is_given_up() {
    let fake = Fake::start().await;
    let digest = fake.add_blob("a", &bytes(5000));
    for _ in 0..100 {
        fake.fault("GET", "", What::CutContent(0));
    }
    assert!(matches!(pull(&fake, &digest, None).await.1.unwrap_err(), ClientError::Broken { .. }));
    assert_eq!(fake.count("GET"), 4);
}

#[tokio::test]
async fn a_redirect_of_a_blob_is_followed_without_the_login_and_again_after_a_break() {
    let (fake, storage) = (Fake::start().await, Fake::start().await);
    let digest = storage.add_blob("a", &bytes(300_000));
    let target: &'static str = format!("http://{}/v2/a/blobs/{digest}", storage.host()).leak();
    fake.world().door = Door::Basic;
    for _ in 0..2 {
        fake.fault("GET", "/blobs/", What::Status(307, vec![("location", target)], ""));
    }
    storage.fault("GET", "", What::CutContent(100_000));
    let options = ClientOptions { credentials: Some(password("user", "secret")), ..options() };
    let client = Client::new(&fake.host(), options).unwrap();
    let (repository, mut out) = (repository("a"), Vec::new());
    let blob = BlobPull { repository: &repository, digest: &digest, size: None, limit: 1 << 20 };
    // The login first, so that it would be there to be sent along.
    client.ping().await.unwrap();
    client.pull_blob(&blob, &mut out, &silent()).await.unwrap();
    assert!(out == bytes(300_000));
    let storage = storage.world();
    assert_eq!(storage.seen.len(), 2);
    assert!(storage.seen.iter().all(|seen| seen.header("authorization").is_none()));
    assert!(storage.seen[1].header("range").is_some());
    assert!(fake.world().seen.last().unwrap().header("authorization").is_some());
}

#[tokio::test]
async fn redirects_without_end_are_not_followed_whatever_is_asked_for() {
    let fake = Fake::start().await;
    let digest = fake.add_blob("a", &bytes(10));
    let same: &'static str = format!("/v2/a/blobs/{digest}").leak();
    for _ in 0..50 {
        fake.fault("GET", "", What::Status(302, vec![("location", same)], ""));
    }
    let error = pull(&fake, &digest, None).await.1.unwrap_err();
    assert_eq!((error.status(), fake.count("GET")), (Some(302), 6));
    let error =
        client(&fake).pull_manifest(&repository("a"), &Reference::parse("x").unwrap()).await.unwrap_err();
    assert_eq!((error.status(), fake.count("GET")), (Some(302), 12));
}

#[tokio::test]
async fn progress_tells_the_size_when_the_registry_does() {
    let fake = Fake::start().await;
    let digest = fake.add_blob("a", &bytes(5000));
    let (told, progress) = Told::new();
    let (repository, mut out) = (repository("a"), Vec::new());
    let blob = BlobPull { repository: &repository, digest: &digest, size: None, limit: 1 << 20 };
    client(&fake).pull_blob(&blob, &mut out, &progress).await.unwrap();
    let all = told.all();
    assert!(all.contains(&(Stage::Downloading, 5000, Some(5000))));
    assert_eq!(all.last(), Some(&(Stage::Done, 5000, Some(5000))));
}

const INDEX: &[u8] = br#"{"schemaVersion":2,"manifests":[
  {"mediaType":"application/vnd.oci.image.manifest.v1+json","size":2,"digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","platform":{"os":"linux","architecture":"arm64"}},
  {"mediaType":"application/vnd.oci.image.manifest.v1+json","size":3,"digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","platform":{"os":"linux","architecture":"amd64"}}]}"#;

#[tokio::test]
async fn a_manifest_comes_by_tag_and_by_digest_byte_for_byte() {
    let fake = Fake::start().await;
    let digest = fake.add_manifest("a", Some("1"), media_type::IMAGE_INDEX, INDEX);
    for reference in [Reference::parse("1").unwrap(), Reference::Digest(digest.clone())] {
        let pulled = client(&fake).pull_manifest(&repository("a"), &reference).await.unwrap();
        assert_eq!((&pulled.bytes[..], &pulled.digest), (INDEX, &digest));
    }
    assert!(fake.world().seen[0].header("accept").unwrap().contains(media_type::DOCKER_LIST));
}

#[tokio::test]
async fn a_manifest_that_is_not_what_its_digest_says_is_refused() {
    let fake = Fake::start().await;
    let digest = fake.add_manifest("a", Some("1"), media_type::IMAGE_INDEX, INDEX);
    // By digest, and by a tag whose digest the registry announces.
    for reference in [Reference::parse("1").unwrap(), Reference::Digest(digest.clone())] {
        fake.fault("GET", "", What::Content(br#"{"schemaVersion":2,"manifests":[]}"#));
        let error = client(&fake).pull_manifest(&repository("a"), &reference).await.unwrap_err();
        assert!(matches!(error, ClientError::WrongDigest { .. }), "{error}");
    }
}

#[tokio::test]
async fn a_manifest_of_another_type_than_it_says_of_itself_is_refused() {
    let fake = Fake::start().await;
    let bytes =
        format!("{{\"schemaVersion\":2,\"mediaType\":\"{}\",\"manifests\":[]}}", media_type::IMAGE_INDEX);
    fake.add_manifest("a", Some("1"), media_type::IMAGE_INDEX, bytes.as_bytes());
    fake.fault("GET", "", What::Header("content-type", media_type::IMAGE_MANIFEST));
    let tag = Reference::parse("1").unwrap();
    let error = client(&fake).pull_manifest(&repository("a"), &tag).await.unwrap_err();
    assert!(matches!(error, ClientError::Manifest { .. }), "{error}");
    // A server that only knows that it is JSON.
    fake.fault("GET", "", What::Header("content-type", "application/json"));
    let pulled = client(&fake).pull_manifest(&repository("a"), &tag).await.unwrap();
    assert_eq!(pulled.media_type, media_type::IMAGE_INDEX);
}

#[tokio::test]
async fn a_manifest_above_the_limit_is_refused() {
    let fake = Fake::start().await;
    fake.add_manifest("a", Some("1"), media_type::IMAGE_INDEX, INDEX);
    let options = ClientOptions { manifest_limit: 100, ..options() };
    let client = Client::new(&fake.host(), options).unwrap();
    let error = client.pull_manifest(&repository("a"), &Reference::parse("1").unwrap()).await.unwrap_err();
    assert!(matches!(error, ClientError::TooLarge { limit: 100, .. }), "{error}");
}

#[test]
fn the_manifest_for_a_platform_is_found() {
    let index = Manifest::read(media_type::IMAGE_INDEX, INDEX).unwrap();
    assert_eq!(select_platform(&index, "linux", "amd64").map(|one| one.size), Some(3));
    assert_eq!(select_platform(&index, "windows", "amd64"), None);
}
