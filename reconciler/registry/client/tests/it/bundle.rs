// SPDX-License-Identifier: AGPL-3.0-or-later
//! Bundles: out of one registry, into another.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use shoal_oci::{Digest, ImageReference, Reference, media_type};
use shoal_registry_client::{
    BundleError, Client, ExportItem, Exported, ImportOptions, Imported, export, import, silent,
};

use crate::fake::{Fake, What};
use crate::world::{bytes, client, repository, sha256};

/// An image with one layer of its own and one that all share.
pub(crate) fn image(fake: &Fake, name: &str, tag: &str, layer: &[u8]) -> Digest {
    let (config, own, shared) =
        (fake.add_blob(name, b"{}"), fake.add_blob(name, layer), fake.add_blob(name, &bytes(40_000)));
    let manifest = format!(
        r#"{{"schemaVersion":2,"mediaType":"{}","config":{{"mediaType":"application/x.y","digest":"{config}","size":2}},"layers":[{{"mediaType":"a/b","digest":"{own}","size":{}}},{{"mediaType":"a/b","digest":"{shared}","size":40000}}]}}"#,
        media_type::IMAGE_MANIFEST,
        layer.len()
    );
    fake.add_manifest(name, Some(tag), media_type::IMAGE_MANIFEST, manifest.as_bytes())
}

/// A manifest about another one.
fn signature(fake: &Fake, name: &str, subject: &Digest) -> Digest {
    let config = fake.add_blob(name, b"{}");
    let manifest = format!(
        r#"{{"schemaVersion":2,"mediaType":"{m}","artifactType":"application/x.sig","config":{{"mediaType":"application/x.y","digest":"{config}","size":2}},"layers":[],"subject":{{"mediaType":"{m}","digest":"{subject}","size":1}}}}"#,
        m = media_type::IMAGE_MANIFEST
    );
    fake.add_manifest(name, None, media_type::IMAGE_MANIFEST, manifest.as_bytes())
}

pub(crate) fn item(fake: &Fake, text: &str) -> ExportItem {
    let reference = ImageReference::parse(&format!("{}/{text}", fake.host())).unwrap();
    ExportItem { client: client(fake), reference }
}

async fn export_to(fake: &Fake, names: &[&str], path: &Path) -> Result<Exported, BundleError> {
    let items: Vec<_> = names.iter().map(|name| item(fake, name)).collect();
    export(&items, path, &silent()).await
}

async fn import_from(client: &Client, path: &Path) -> Result<Imported, BundleError> {
    import(client, path, &ImportOptions::default(), &silent()).await
}

fn place() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("bundle.tar");
    (dir, path)
}

/// The files of a bundle by their names.
pub(crate) fn entries(path: &Path) -> Vec<(String, Vec<u8>)> {
    let mut archive = tar::Archive::new(std::fs::File::open(path).unwrap());
    let entries = archive.entries().unwrap().map(|entry| {
        let mut entry = entry.unwrap();
        let name = entry.path().unwrap().display().to_string();
        let mut content = Vec::new();
        std::io::Read::read_to_end(&mut entry, &mut content).unwrap();
        (name, content)
    });
    entries.collect()
}

#[tokio::test]
async fn images_and_what_refers_to_them_go_from_one_registry_into_another() {
    let (from, to) = (Fake::start().await, Fake::start().await);
    let one = image(&from, "os/one", "1", b"own");
    let two = image(&from, "os/two", "2", b"other");
    let signed = signature(&from, "os/one", &one);
    let countersigned = signature(&from, "os/one", &signed);
    let (_dir, path) = place();
    let exported = export_to(&from, &["os/two:2", "os/one:1"], &path).await.unwrap();
    let images: Vec<_> = exported.images.iter().map(ToString::to_string).collect();
    let host = from.host();
    assert_eq!(images, [format!("{host}/os/one:1@{one}"), format!("{host}/os/two:2@{two}")]);
    // The configuration and the shared layer once, two layers of their own.
    assert_eq!((exported.referrers, exported.blobs), (2, 4));
    assert_eq!(exported.size, std::fs::metadata(&path).unwrap().len());

    let imported = import_from(&client(&to), &path).await.unwrap();
    assert_eq!((imported.images.len(), imported.sent, imported.present), (4, 4, 2));
    let (from, to) = (from.world(), to.world());
    assert_eq!((&from.manifests, &from.tags, &from.blobs), (&to.manifests, &to.tags, &to.blobs));
    assert!(to.manifests.contains_key(&("os/one".to_owned(), countersigned.to_string())));
}

#[tokio::test]
async fn the_same_images_give_the_same_bytes() {
    let (one, other) = (Fake::start().await, Fake::start().await);
    for fake in [&one, &other] {
        let subject = image(fake, "os/one", "1", b"own");
        image(fake, "os/two", "2", b"other");
        signature(fake, "os/one", &subject);
    }
    let ((_dir, first), (_dir2, second)) = (place(), place());
    // In another order, and with breaks.
    export_to(&one, &["os/one:1", "os/two:2"], &first).await.unwrap();
    other.fault("GET", "/blobs/", What::CutContent(1));
    export_to(&other, &["os/two:2", "os/one:1", "os/two:2"], &second).await.unwrap();
    assert!(std::fs::read(first).unwrap() == std::fs::read(second).unwrap());
}

#[tokio::test]
async fn a_bundle_is_an_image_layout() {
    let fake = Fake::start().await;
    let digest = image(&fake, "os/one", "1", b"own");
    let (_dir, path) = place();
    export_to(&fake, &["os/one:1"], &path).await.unwrap();
    let entries = entries(&path);
    let names: Vec<_> = entries.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names[..4], ["oci-layout", "index.json", "blobs/", "blobs/sha256/"]);
    assert!(names[4..].is_sorted() && names.len() == 8);
    for (name, content) in &entries[4..] {
        assert_eq!(*name, format!("blobs/sha256/{}", sha256(content).hex()));
    }
    let index: serde_json::Value = serde_json::from_slice(&entries[1].1).unwrap();
    let manifest = &index["manifests"][0];
    assert_eq!(manifest["digest"], digest.as_str());
    assert_eq!(manifest["annotations"]["org.opencontainers.image.ref.name"], "os/one:1");
}

#[tokio::test]
async fn an_index_brings_its_images_and_a_digest_names_what_has_no_tag() {
    let (from, to) = (Fake::start().await, Fake::start().await);
    let child = image(&from, "os", "child", b"own");
    let size = from.world().manifests[&("os".to_owned(), child.to_string())].1.len();
    let index = format!(
        r#"{{"schemaVersion":2,"manifests":[{{"mediaType":"{}","digest":"{child}","size":{size}}}]}}"#,
        media_type::IMAGE_MANIFEST
    );
    let digest = from.add_manifest("os", None, media_type::IMAGE_INDEX, index.as_bytes());
    let (_dir, path) = place();
    export_to(&from, &[&format!("os@{digest}")], &path).await.unwrap();
    import_from(&client(&to), &path).await.unwrap();
    let found = client(&to).exists_deep(&repository("os"), &Reference::Digest(digest)).await.unwrap();
    assert!(found.presence.is_present() && found.missing.is_empty());
    assert!(to.world().tags.is_empty());
}

#[tokio::test]
async fn an_import_can_be_repeated_and_sends_only_what_is_missing() {
    let (from, to) = (Fake::start().await, Fake::start().await);
    image(&from, "os/one", "1", b"own");
    let (_dir, path) = place();
    export_to(&from, &["os/one:1"], &path).await.unwrap();
    for _ in 0..9 {
        to.fault("PUT", "/manifests/", What::Status(403, vec![], ""));
    }
    import_from(&client(&to), &path).await.unwrap_err();
    to.world().faults.clear();
    let again = import_from(&client(&to), &path).await.unwrap();
    assert_eq!((again.sent, again.present), (0, 3));
    assert_eq!(to.world().tags.len(), 1);
}

#[tokio::test]
async fn a_failed_export_leaves_nothing_and_keeps_what_was_there() {
    let fake = Fake::start().await;
    image(&fake, "os/one", "1", b"own");
    let (dir, path) = place();
    std::fs::write(&path, "before").unwrap();
    let gone = ("os/one".to_owned(), sha256(&bytes(40_000)).to_string());
    fake.world().blobs.remove(&gone);
    let error = export_to(&fake, &["os/one:1"], &path).await.unwrap_err();
    assert!(error.to_string().contains("404"), "{error}");
    assert_eq!(std::fs::read(&path).unwrap(), b"before");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[tokio::test]
async fn two_images_of_one_name_and_references_to_nothing_are_refused() {
    let (one, other) = (Fake::start().await, Fake::start().await);
    image(&one, "os/one", "1", b"own");
    image(&other, "os/one", "1", b"another");
    let (_dir, path) = place();
    let items = [item(&one, "os/one:1"), item(&other, "os/one:1")];
    let error = export(&items, &path, &silent()).await.unwrap_err();
    assert!(matches!(&error, BundleError::SameName { name } if name == "os/one:1"), "{error}");
    let error = export_to(&one, &["os/one"], &path).await.unwrap_err();
    assert!(matches!(error, BundleError::NoReference { .. }));
    assert!(matches!(export(&[], &path, &silent()).await.unwrap_err(), BundleError::Nothing));
    assert!(!path.exists());
}

#[tokio::test]
async fn a_layer_that_may_not_be_distributed_stays_where_it_is() {
    let (from, to) = (Fake::start().await, Fake::start().await);
    let config = from.add_blob("os", b"{}");
    let foreign = sha256(b"not ours");
    let manifest = format!(
        r#"{{"schemaVersion":2,"config":{{"mediaType":"a/b","digest":"{config}","size":2}},"layers":[{{"mediaType":"application/vnd.oci.image.layer.nondistributable.v1.tar","digest":"{foreign}","size":8,"urls":["https://example.org/layer"]}}]}}"#
    );
    from.add_manifest("os", Some("1"), media_type::IMAGE_MANIFEST, manifest.as_bytes());
    let (_dir, path) = place();
    assert_eq!(export_to(&from, &["os:1"], &path).await.unwrap().blobs, 1);
    import_from(&client(&to), &path).await.unwrap();
    assert_eq!(
        to.world().tags,
        BTreeMap::from([(("os".to_owned(), "1".to_owned()), sha256(manifest.as_bytes()).to_string())])
    );
}
