// SPDX-License-Identifier: AGPL-3.0-or-later
//! Pushing, with everything that can go wrong on the way.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use shoal_oci::{Algorithm, Digest, Manifest, Reference, Tag, media_type};
use shoal_registry_client::{
    BlobOutcome, BlobSource, Client, ClientError, ClientOptions, FilePush, Stage, Timeouts, silent,
};
use shoal_schema::kinds::ImageFormat;

use crate::fake::{Fake, What};
use crate::world::{Told, bytes, client, options, repository, sha256};

/// Pushes so many bytes to the repository `a`.
async fn push(fake: &Fake, count: usize) -> Result<BlobOutcome, ClientError> {
    let (content, told) = (bytes(count), silent());
    let source = BlobSource::bytes(content.clone());
    client(fake).push_blob(&repository("a"), &sha256(&content), &source, None, &told).await
}

fn stored(fake: &Fake, count: usize) -> bool {
    let content = bytes(count);
    let key = ("a".to_owned(), sha256(&content).to_string());
    fake.world().blobs.get(&key).is_some_and(|blob| *blob == content)
}

/// The ranges of all chunks that were sent.
fn ranges(fake: &Fake) -> Vec<String> {
    let world = fake.world();
    let chunks = world.seen.iter().filter(|seen| seen.line.starts_with("PATCH"));
    chunks.map(|seen| seen.header("content-range").unwrap_or("none").to_owned()).collect()
}

#[tokio::test]
async fn a_large_blob_goes_in_chunks_and_arrives_whole() {
    let fake = Fake::start().await;
    assert_eq!(push(&fake, 3500).await.unwrap(), BlobOutcome::Uploaded);
    assert!(stored(&fake, 3500));
    assert_eq!(ranges(&fake), ["0-999", "1000-1999", "2000-2999", "3000-3499"]);
    assert_eq!(fake.count("PUT"), 1);
    assert!(fake.world().uploads.is_empty());
}

#[tokio::test]
async fn a_blob_of_one_chunk_and_an_empty_one_go_in_one_request() {
    let fake = Fake::start().await;
    for count in [0, 1, 1000] {
        push(&fake, count).await.unwrap();
        assert!(stored(&fake, count), "{count}");
    }
    assert_eq!((fake.count("PATCH"), fake.count("POST"), fake.count("PUT")), (0, 3, 3));
}

#[tokio::test]
async fn a_blob_that_is_there_is_not_sent() {
    let fake = Fake::start().await;
    fake.add_blob("a", &bytes(3500));
    assert_eq!(push(&fake, 3500).await.unwrap(), BlobOutcome::Present);
    assert_eq!(fake.lines().len(), 1);
}

#[tokio::test]
async fn a_blob_of_another_repository_is_mounted() {
    let fake = Fake::start().await;
    let digest = fake.add_blob("other", &bytes(3500));
    let source = BlobSource::bytes(bytes(3500));
    let from = repository("other");
    let outcome = client(&fake).push_blob(&repository("a"), &digest, &source, Some(&from), &silent()).await;
    assert_eq!(outcome.unwrap(), BlobOutcome::Mounted);
    assert!(stored(&fake, 3500));
    assert_eq!((fake.count("PATCH"), fake.count("PUT")), (0, 0));
}

#[tokio::test]
async fn a_blob_that_cannot_be_mounted_is_sent() {
    let fake = Fake::start().await;
    let source = BlobSource::bytes(bytes(3500));
    let from = repository("other");
    let digest = sha256(&bytes(3500));
    let pushed = client(&fake).push_blob(&repository("a"), &digest, &source, Some(&from), &silent()).await;
    assert_eq!(pushed.unwrap(), BlobOutcome::Uploaded);
    let fake = Fake::start().await;
    fake.fault("POST", "mount=", What::Status(403, vec![], ""));
    let pushed = client(&fake).push_blob(&repository("a"), &digest, &source, Some(&from), &silent()).await;
    assert_eq!(pushed.unwrap(), BlobOutcome::Uploaded);
    assert!(stored(&fake, 3500));
}

#[tokio::test]
async fn after_a_broken_connection_only_what_did_not_arrive_is_sent_again() {
    let fake = Fake::start().await;
    fake.fault("PATCH", "", What::Header("x-first", "1"));
    fake.fault("PATCH", "", What::CutBody(300));
    push(&fake, 3500).await.unwrap();
    assert!(stored(&fake, 3500));
    assert_eq!(ranges(&fake), ["0-999", "1000-1999", "1300-2299", "2300-3299", "3300-3499"]);
}

#[tokio::test]
async fn a_break_in_every_chunk_does_not_end_an_upload_that_still_moves() {
    let fake = Fake::start().await;
    for _ in 0..9 {
        fake.fault("PATCH", "", What::CutBody(500));
    }
    push(&fake, 6000).await.unwrap();
    assert!(stored(&fake, 6000));
    assert_eq!(fake.count("POST"), 1);
}

#[tokio::test]
async fn after_416_the_registry_is_asked_where_to_go_on() {
    let fake = Fake::start().await;
    fake.fault("PATCH", "", What::Header("x-first", "1"));
    fake.fault("PATCH", "", What::Status(416, vec![], ""));
    push(&fake, 3500).await.unwrap();
    assert!(stored(&fake, 3500));
    assert_eq!(ranges(&fake)[..3], ["0-999", "1000-1999", "1000-1999"]);
    assert_eq!((fake.count("GET"), fake.count("POST")), (1, 1));
}

#[tokio::test]
async fn a_registry_that_still_holds_the_broken_request_is_asked_again_and_the_upload_goes_on() {
    let short = r#"{"errors":[{"code":"SIZE_INVALID","message":"fewer bytes"}]}"#;
    for (status, body) in [(409, ""), (400, short)] {
        let fake = Fake::start().await;
        fake.fault("PATCH", "", What::CutBody(300));
        fake.fault("PATCH", "", What::Status(status, vec![], body));
        fake.fault("PUT", "", What::Status(status, vec![], body));
        push(&fake, 3500).await.unwrap();
        assert!(stored(&fake, 3500));
        assert_eq!(fake.count("POST"), 1, "{status}");
    }
}

#[tokio::test]
async fn a_registry_that_does_not_say_how_large_a_blob_is_still_has_it() {
    let fake = Fake::start().await;
    fake.fault("HEAD", "", What::Content(b""));
    fake.add_blob("a", &bytes(3500));
    assert_eq!(push(&fake, 3500).await.unwrap(), BlobOutcome::Present);
}

#[tokio::test]
async fn a_registry_that_is_busy_or_fails_once_is_asked_again() {
    let fake = Fake::start().await;
    fake.fault("HEAD", "", What::Status(429, vec![("retry-after", "0")], ""));
    fake.fault("POST", "", What::Status(500, vec![], ""));
    fake.fault("PATCH", "", What::Header("x-first", "1"));
    fake.fault("PATCH", "", What::Status(503, vec![], ""));
    fake.fault("PUT", "", What::Status(502, vec![], ""));
    push(&fake, 3500).await.unwrap();
    assert!(stored(&fake, 3500));
}

#[tokio::test]
async fn a_registry_without_ranges_gets_the_blob_in_one_piece() {
    let fake = Fake::start().await;
    fake.world().always.insert("no range");
    push(&fake, 3500).await.unwrap();
    assert!(stored(&fake, 3500));
    assert_eq!((fake.count("PATCH"), fake.count("POST"), fake.count("PUT")), (1, 2, 1));
    assert_eq!(fake.count("DELETE"), 1, "the first upload is cancelled");
    assert!(fake.world().uploads.is_empty());
}

#[tokio::test]
async fn a_registry_that_acknowledges_what_it_was_not_sent_gets_the_blob_in_one_piece() {
    for range in ["0-1999", "7-999", "x", "0-0-0"] {
        let fake = Fake::start().await;
        fake.fault("PATCH", "", What::Header("range", range));
        push(&fake, 3500).await.unwrap();
        assert!(stored(&fake, 3500));
        assert_eq!((fake.count("PATCH"), fake.count("POST")), (1, 2), "{range}");
    }
}

#[tokio::test]
async fn a_registry_that_refuses_chunks_gets_the_blob_in_one_piece() {
    let fake = Fake::start().await;
    fake.fault("PATCH", "", What::Status(405, vec![], ""));
    push(&fake, 3500).await.unwrap();
    assert!(stored(&fake, 3500));
}

#[tokio::test]
async fn an_upload_that_the_registry_forgot_begins_again() {
    let fake = Fake::start().await;
    fake.fault("PATCH", "", What::Header("x-first", "1"));
    fake.fault("PATCH", "", What::ForgetUploads);
    push(&fake, 3500).await.unwrap();
    assert!(stored(&fake, 3500));
    assert_eq!(fake.count("POST"), 2);
}

#[tokio::test]
async fn an_upload_of_which_nothing_arrived_begins_again_because_0_0_may_mean_one_byte() {
    let fake = Fake::start().await;
    fake.fault("PATCH", "", What::CutBody(0));
    push(&fake, 3500).await.unwrap();
    assert!(stored(&fake, 3500));
    assert_eq!(fake.count("POST"), 2);
}

#[tokio::test]
async fn a_blob_whose_acknowledgement_was_lost_is_not_sent_again() {
    for count in [3500, 700] {
        let fake = Fake::start().await;
        fake.fault("PUT", "", What::CutAnswer);
        push(&fake, count).await.unwrap();
        assert!(stored(&fake, count));
        assert_eq!((fake.count("POST"), fake.count("PUT")), (1, 1));
    }
}

#[tokio::test]
async fn a_broken_connection_in_one_piece_begins_again() {
    let fake = Fake::start().await;
    fake.fault("PUT", "", What::CutBody(100));
    push(&fake, 700).await.unwrap();
    assert!(stored(&fake, 700));
    assert_eq!((fake.count("POST"), fake.count("PUT")), (2, 2));
}

#[tokio::test]
async fn a_registry_that_always_fails_is_given_up_after_as_many_attempts_as_are_allowed() {
    let fake = Fake::start().await;
    for _ in 0..100 {
        fake.fault("POST", "", What::Status(503, vec![], ""));
    }
    let error = push(&fake, 3500).await.unwrap_err();
    assert_eq!(error.status(), Some(503));
    assert_eq!(fake.count("POST"), 4);

    let fake = Fake::start().await;
    for _ in 0..100 {
        fake.fault("PATCH", "", What::CutBody(0));
    }
    assert!(matches!(push(&fake, 3500).await.unwrap_err(), ClientError::Broken { .. }));
    assert_eq!(fake.count("POST"), 4);
    assert!(fake.world().uploads.is_empty(), "what was given up is cancelled");
}

#[tokio::test]
async fn a_full_registry_is_not_asked_again() {
    let fake = Fake::start().await;
    let body = r#"{"errors":[{"code":"DENIED","message":"disk full"}]}"#;
    fake.fault("PATCH", "", What::Status(507, vec![], body));
    let error = push(&fake, 3500).await.unwrap_err();
    assert_eq!((error.status(), error.code()), (Some(507), Some("DENIED")));
    assert!(error.to_string().contains("the registry answered 507 (DENIED: disk full)"), "{error}");
    assert_eq!((fake.count("PATCH"), fake.count("DELETE")), (1, 1));
}

#[tokio::test]
async fn bytes_that_do_not_have_the_digest_are_refused_with_a_hint_and_nothing_is_left() {
    let fake = Fake::start().await;
    let source = BlobSource::bytes(bytes(3500));
    let pushed = client(&fake).push_blob(&repository("a"), &sha256(b"other"), &source, None, &silent()).await;
    let error = pushed.unwrap_err();
    assert_eq!(error.code(), Some("DIGEST_INVALID"));
    assert!(error.hint().unwrap().contains("push it again"));
    assert!(fake.world().uploads.is_empty() && fake.world().blobs.is_empty());
}

#[tokio::test]
async fn a_sha512_blob_is_announced_as_one() {
    let fake = Fake::start().await;
    let digest = Digest::of(Algorithm::Sha512, &bytes(3500));
    let source = BlobSource::bytes(bytes(3500));
    client(&fake).push_blob(&repository("a"), &digest, &source, None, &silent()).await.unwrap();
    assert!(fake.lines().contains(&"POST /v2/a/blobs/uploads/?digest-algorithm=sha512".to_owned()));
    assert!(fake.world().blobs.contains_key(&("a".to_owned(), digest.to_string())));
}

#[tokio::test]
async fn a_registry_that_wants_larger_chunks_gets_them() {
    let fake = Fake::start().await;
    fake.fault("POST", "", What::Header("oci-chunk-min-length", "2000"));
    push(&fake, 3500).await.unwrap();
    assert_eq!(ranges(&fake), ["0-1999", "2000-3499"]);
}

#[tokio::test]
async fn a_registry_that_is_silent_is_given_up() {
    let fake = Fake::start().await;
    for _ in 0..4 {
        fake.fault("HEAD", "", What::Silence);
    }
    let timeouts = Timeouts { idle: Duration::from_millis(20), ..Timeouts::default() };
    let client = Client::new(&fake.host(), ClientOptions { timeouts, ..options() }).unwrap();
    let error = client.blob_size(&repository("a"), &sha256(b"x")).await.unwrap_err();
    assert!(matches!(error, ClientError::Stalled { .. }), "{error}");
    assert_eq!(fake.count("HEAD"), 4);
}

#[tokio::test]
async fn progress_reaches_all_bytes_and_ends() {
    let fake = Fake::start().await;
    let (told, progress) = Told::new();
    let source = BlobSource::bytes(bytes(3500));
    let digest = source.digest(Algorithm::Sha256, &progress).await.unwrap();
    client(&fake).push_blob(&repository("a"), &digest, &source, None, &progress).await.unwrap();
    let all = told.all();
    assert_eq!(all.first(), Some(&(Stage::Reading, 3500, Some(3500))));
    assert!(all.contains(&(Stage::Uploading, 2000, Some(3500))));
    assert_eq!(all.last(), Some(&(Stage::Done, 3500, Some(3500))));
}

fn disk(dir: &Path, name: &str) -> std::path::PathBuf {
    let mut content = bytes(5000);
    content[510..512].copy_from_slice(&[0x55, 0xaa]);
    let path = dir.join(name);
    std::fs::write(&path, content).unwrap();
    path
}

fn file_push(path: &Path, tag: Option<&str>) -> FilePush {
    FilePush {
        path: path.to_owned(),
        format: None,
        title: None,
        annotations: BTreeMap::from([("org.example".to_owned(), "x".to_owned())]),
        repository: repository("os/debian"),
        tag: tag.map(|tag| Tag::parse(tag).unwrap()),
    }
}

#[tokio::test]
async fn a_file_becomes_an_artifact_that_says_what_it_is() {
    let fake = Fake::start().await;
    let dir = tempfile::tempdir().unwrap();
    let path = disk(dir.path(), "debian.raw");
    let pushed = client(&fake).push_artifact(&file_push(&path, Some("12")), &silent()).await.unwrap();
    assert_eq!(pushed.reference.to_string(), format!("{}/os/debian:12@{}", fake.host(), pushed.digest));
    assert_eq!((pushed.size, pushed.format), (5000, ImageFormat::RawDisk));

    let tag = Reference::parse("12").unwrap();
    let pulled = client(&fake).pull_manifest(&repository("os/debian"), &tag).await.unwrap();
    assert_eq!((&pulled.digest, pulled.media_type.as_str()), (&pushed.digest, media_type::IMAGE_MANIFEST));
    let Manifest { config, layers, artifact_type, annotations, .. } = pulled.manifest;
    assert_eq!(artifact_type.as_deref(), Some("application/vnd.shoal.image.v1"));
    let config = config.unwrap();
    assert_eq!((config.media_type.as_str(), &config.digest), (media_type::EMPTY_JSON, &sha256(b"{}")));
    assert_eq!((layers.len(), layers[0].media_type.as_str()), (1, media_type::RAW_DISK));
    assert_eq!(layers[0].digest, sha256(&std::fs::read(&path).unwrap()));
    assert_eq!(annotations["org.opencontainers.image.title"], "debian.raw");
    assert_eq!(
        (annotations["dev.shoal.format"].as_str(), annotations["org.example"].as_str()),
        ("raw-disk", "x")
    );
}

#[tokio::test]
async fn the_same_file_is_the_same_artifact_in_every_registry() {
    let (one, other) = (Fake::start().await, Fake::start().await);
    let (dir, other_dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (path, other_path) = (disk(dir.path(), "d.raw"), disk(other_dir.path(), "d.raw"));
    let first = client(&one).push_artifact(&file_push(&path, Some("1")), &silent()).await.unwrap();
    let second = client(&other).push_artifact(&file_push(&other_path, None), &silent()).await.unwrap();
    assert_eq!(first.digest, second.digest);
    // Known by its digest only.
    assert!(other.world().tags.is_empty());
}

#[tokio::test]
async fn a_file_that_is_no_image_is_refused_before_anything_is_sent() {
    let fake = Fake::start().await;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("disk.raw");
    std::fs::write(&path, b"QFI\xfb and so on").unwrap();
    let mut push = file_push(&path, None);
    push.format = Some(ImageFormat::RawDisk);
    let error = client(&fake).push_artifact(&push, &silent()).await.unwrap_err();
    assert!(error.hint().unwrap().contains("qemu-img convert -O raw"));
    std::fs::write(&path, b"\x1f\x8b").unwrap();
    push.format = Some(ImageFormat::Iso);
    assert!(matches!(
        client(&fake).push_artifact(&push, &silent()).await.unwrap_err(),
        ClientError::Image(_)
    ));
    assert!(fake.lines().is_empty());
}

#[tokio::test]
async fn a_file_that_shrinks_while_it_is_read_is_an_error_and_not_a_shorter_blob() {
    let fake = Fake::start().await;
    let dir = tempfile::tempdir().unwrap();
    let path = disk(dir.path(), "d.raw");
    let source = BlobSource::file(&path).await.unwrap();
    let digest = source.digest(Algorithm::Sha256, &silent()).await.unwrap();
    std::fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(1500).unwrap();
    client(&fake).push_blob(&repository("a"), &digest, &source, None, &silent()).await.unwrap_err();
    assert!(fake.world().blobs.is_empty());
}

#[tokio::test]
async fn a_manifest_that_is_not_what_its_reference_says_is_not_sent() {
    let fake = Fake::start().await;
    let reference = Reference::Digest(sha256(b"other"));
    let bytes = br#"{"schemaVersion":2,"manifests":[]}"#.to_vec();
    let pushed = client(&fake)
        .push_manifest(&repository("a"), &reference, media_type::IMAGE_INDEX, bytes.into())
        .await;
    assert!(matches!(pushed.unwrap_err(), ClientError::WrongDigest { .. }));
    assert!(fake.lines().is_empty());
}

#[tokio::test]
async fn an_upload_that_the_registry_sends_elsewhere_goes_there_without_the_login() {
    let (fake, storage) = (Fake::start().await, Fake::start().await);
    storage.world().uploads.insert("u1".to_owned(), Vec::new());
    let elsewhere = format!("http://{}/v2/a/blobs/uploads/u1?state=kept", storage.host());
    let header: &'static str = elsewhere.leak();
    fake.world().door = crate::fake::Door::Basic;
    fake.fault("POST", "uploads", What::Header("location", header));
    let options = ClientOptions { credentials: Some(crate::world::password("user", "secret")), ..options() };
    let client = Client::new(&fake.host(), options).unwrap();
    let source = BlobSource::bytes(bytes(700));
    client.push_blob(&repository("a"), &sha256(&bytes(700)), &source, None, &silent()).await.unwrap();
    assert!(storage.world().blobs.contains_key(&("a".to_owned(), sha256(&bytes(700)).to_string())));
    assert!(storage.world().seen.iter().all(|seen| seen.header("authorization").is_none()));
    assert!(fake.world().seen.iter().any(|seen| seen.header("authorization").is_some()));
}
