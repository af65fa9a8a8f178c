// SPDX-License-Identifier: AGPL-3.0-or-later
//! Whether images are there.

use shoal_oci::{Digest, Reference, media_type};
use shoal_registry_client::{Client, Presence};

use crate::fake::{Door, Fake, What};
use crate::world::{client, options, repository};

const EMPTY: &[u8] = br#"{"schemaVersion":2,"manifests":[]}"#;

fn reference(text: &str) -> Reference {
    Reference::parse(text).unwrap()
}

#[tokio::test]
async fn present_absent_denied_and_unreachable_are_told_apart() {
    let fake = Fake::start().await;
    let digest = fake.add_manifest("a", Some("1"), media_type::IMAGE_INDEX, EMPTY);
    let (client, repository) = (client(&fake), repository("a"));
    let found = client.exists(&repository, &reference("1")).await;
    let Presence::Present { digest: got, media_type, size } = found else { panic!("{found:?}") };
    assert_eq!((got, media_type.as_str(), size), (digest, media_type::IMAGE_INDEX, EMPTY.len() as u64));
    assert!(matches!(client.exists(&repository, &reference("2")).await, Presence::Absent));
    fake.world().door = Door::Basic;
    assert!(matches!(client.exists(&repository, &reference("1")).await, Presence::Denied(_)));
    fake.world().door = Door::Open;
    fake.fault("HEAD", "", What::Status(400, vec![], ""));
    assert!(matches!(client.exists(&repository, &reference("1")).await, Presence::Unreachable(_)));

    // A port that nobody listens on.
    let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let nobody = Client::new(&free.to_string(), options()).unwrap();
    let found = nobody.exists(&repository, &reference("1")).await;
    let Presence::Unreachable(error) = found else { panic!("{found:?}") };
    assert!(error.hint().unwrap().contains("check that the name and the port are right"));
}

#[tokio::test]
async fn a_registry_that_says_less_about_a_manifest_is_asked_for_it() {
    let fake = Fake::start().await;
    let digest = fake.add_manifest("a", Some("1"), media_type::IMAGE_INDEX, EMPTY);
    fake.fault("HEAD", "", What::NoHeader("docker-content-digest"));
    let found = client(&fake).exists(&repository("a"), &reference("1")).await;
    assert!(matches!(found, Presence::Present { digest: got, .. } if got == digest));
}

#[tokio::test]
async fn a_registry_that_confuses_digests_is_not_believed() {
    let fake = Fake::start().await;
    let digest = fake.add_manifest("a", Some("1"), media_type::IMAGE_INDEX, EMPTY);
    let other = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";
    fake.fault("HEAD", "", What::Header("docker-content-digest", other));
    let found = client(&fake).exists(&repository("a"), &Reference::Digest(digest)).await;
    assert!(matches!(found, Presence::Unreachable(_)), "{found:?}");
}

/// An index of one image with a configuration and a layer of 5 bytes.
fn image(fake: &Fake) -> (Digest, Digest) {
    let config = fake.add_blob("a", b"{}");
    let layer = fake.add_blob("a", b"layer");
    let manifest = format!(
        r#"{{"schemaVersion":2,"config":{{"mediaType":"a/b","digest":"{config}","size":2}},"layers":[{{"mediaType":"a/b","digest":"{layer}","size":5}}]}}"#
    );
    let child = fake.add_manifest("a", None, media_type::IMAGE_MANIFEST, manifest.as_bytes());
    let index = format!(
        r#"{{"schemaVersion":2,"manifests":[{{"mediaType":"{}","digest":"{child}","size":{}}}]}}"#,
        media_type::IMAGE_MANIFEST,
        manifest.len()
    );
    fake.add_manifest("a", Some("1"), media_type::IMAGE_INDEX, index.as_bytes());
    (child, layer)
}

#[tokio::test]
async fn a_deep_look_finds_what_is_missing() {
    let fake = Fake::start().await;
    let (child, layer) = image(&fake);
    let (client, repository) = (client(&fake), repository("a"));
    let found = client.exists_deep(&repository, &reference("1")).await.unwrap();
    assert!(found.presence.is_present() && found.missing.is_empty());
    assert!(found.size > 7);

    fake.world().blobs.remove(&("a".to_owned(), layer.to_string()));
    let found = client.exists_deep(&repository, &reference("1")).await.unwrap();
    let missing: Vec<_> = found.missing.into_iter().map(|one| one.digest).collect();
    assert_eq!(missing, [layer]);

    fake.world().manifests.remove(&("a".to_owned(), child.to_string()));
    let found = client.exists_deep(&repository, &reference("1")).await.unwrap();
    let missing: Vec<_> = found.missing.into_iter().map(|one| one.digest).collect();
    assert_eq!(missing, [child]);

    let found = client.exists_deep(&repository, &reference("2")).await.unwrap();
    assert!(matches!(found.presence, Presence::Absent));
}

#[tokio::test]
async fn a_blob_that_is_kept_elsewhere_is_there() {
    let (fake, storage) = (Fake::start().await, Fake::start().await);
    let digest = storage.add_blob("a", b"layer");
    let target: &'static str = format!("http://{}/v2/a/blobs/{digest}", storage.host()).leak();
    for method in ["HEAD", "GET"] {
        fake.fault(method, "/blobs/", What::Status(307, vec![("location", target)], ""));
    }
    assert_eq!(client(&fake).blob_size(&repository("a"), &digest).await.unwrap(), Some(5));
    assert_eq!(storage.lines(), [format!("GET /v2/a/blobs/{digest}")]);
}
