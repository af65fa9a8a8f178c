// SPDX-License-Identifier: AGPL-3.0-or-later
//! Bundles that are damaged, incomplete or made to do harm: nothing of them is pushed.

use std::path::PathBuf;

use shoal_registry_client::{BundleError, ImportOptions, Imported, export, import, silent};
use tar::{EntryType, Header};

use crate::bundle::{entries, image, item};
use crate::fake::Fake;
use crate::world::{bytes, client, repository, sha256};

type Entries = Vec<(String, Vec<u8>)>;

struct Bundle {
    _dir: tempfile::TempDir,
    path: PathBuf,
    entries: Entries,
}

/// A bundle of one image, to be spoiled.
async fn good() -> Bundle {
    let fake = Fake::start().await;
    image(&fake, "os/one", "1", b"own");
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("bundle.tar");
    export(&[item(&fake, "os/one:1")], &path, &silent()).await.unwrap();
    let entries = entries(&path).into_iter().filter(|(name, _)| !name.ends_with('/')).collect();
    Bundle { _dir: dir, path, entries }
}

fn header(name: &str, size: usize, kind: EntryType) -> Header {
    let mut header = Header::new_gnu();
    // Set directly: the library writes no names with tricks in them.
    header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
    header.set_entry_type(kind);
    header.set_mode(0o644);
    header.set_size(size as u64);
    header.set_cksum();
    header
}

impl Bundle {
    fn write(&self) {
        self.write_with(&[]);
    }

    /// Writes the entries, and such ones without content.
    fn write_with(&self, more: &[(&str, EntryType)]) {
        let mut builder = tar::Builder::new(Vec::new());
        for (name, kind) in more {
            let mut header = header(name, 0, *kind);
            if matches!(kind, EntryType::Symlink | EntryType::Link) {
                header.set_link_name("/etc/passwd").unwrap();
                header.set_cksum();
            }
            builder.append(&header, &[][..]).unwrap();
        }
        for (name, content) in &self.entries {
            builder.append(&header(name, content.len(), EntryType::Regular), &content[..]).unwrap();
        }
        std::fs::write(&self.path, builder.into_inner().unwrap()).unwrap();
    }

    fn layer(&mut self) -> &mut (String, Vec<u8>) {
        let name = format!("blobs/sha256/{}", sha256(&bytes(40_000)).hex());
        self.entries.iter_mut().find(|entry| entry.0 == name).unwrap()
    }

    fn index(&mut self) -> &mut Vec<u8> {
        &mut self.entries.iter_mut().find(|entry| entry.0 == "index.json").unwrap().1
    }

    async fn import(&self, options: &ImportOptions) -> Result<Imported, BundleError> {
        let to = Fake::start().await;
        let result = import(&client(&to), &self.path, options, &silent()).await;
        assert_eq!(to.lines().is_empty(), result.is_err(), "a bundle that is refused sends nothing");
        result
    }

    async fn refused(&self) -> BundleError {
        let error = self.import(&ImportOptions::default()).await.unwrap_err();
        assert!(error.hint().is_some(), "{error}");
        error
    }
}

#[tokio::test]
async fn an_archive_by_another_tool_is_as_good() {
    let bundle = good().await;
    let more = [
        ("./", EntryType::Directory),
        ("blobs/", EntryType::Directory),
        ("manifest.json", EntryType::Regular),
    ];
    bundle.write_with(&more);
    assert_eq!(bundle.import(&ImportOptions::default()).await.unwrap().images.len(), 1);
}

#[tokio::test]
async fn a_damaged_blob_is_refused() {
    let mut bundle = good().await;
    bundle.layer().1[20_000] ^= 1;
    bundle.write();
    let error = bundle.refused().await;
    assert!(
        matches!(&error, BundleError::WrongDigest { expected, .. } if **expected == sha256(&bytes(40_000)))
    );
}

#[tokio::test]
async fn a_damaged_manifest_is_refused() {
    let mut bundle = good().await;
    let manifest = bundle
        .entries
        .iter_mut()
        .find(|(_, content)| {
            content.starts_with(b"{\"schemaVersion\":2,\"mediaType\":\"application/vnd.oci.image.manifest")
        })
        .unwrap();
    let last = manifest.1.len() - 1;
    manifest.1[last] = b' ';
    bundle.write();
    assert!(matches!(bundle.refused().await, BundleError::WrongDigest { .. }));
}

#[tokio::test]
async fn a_missing_blob_is_named() {
    let mut bundle = good().await;
    let name = bundle.layer().0.clone();
    bundle.entries.retain(|entry| entry.0 != name);
    bundle.write();
    let error = bundle.refused().await;
    let text = error.to_string();
    assert!(text.contains(sha256(&bytes(40_000)).as_str()) && text.contains("os/one:1"), "{text}");
}

#[tokio::test]
async fn a_blob_of_another_size_is_refused() {
    let mut bundle = good().await;
    bundle.layer().1.push(0);
    bundle.write();
    assert!(matches!(bundle.refused().await, BundleError::WrongSize { expected: 40_000, got: 40_001, .. }));
}

#[tokio::test]
async fn entries_that_lead_out_of_the_bundle_make_it_refused() {
    let bundle = good().await;
    let tricks = [
        ("../index.json", EntryType::Regular),
        ("/etc/cron.d/x", EntryType::Regular),
        ("blobs/sha256/../../x", EntryType::Regular),
        ("blobs/../../x", EntryType::Directory),
        ("blobs/sha256/x", EntryType::Regular),
        ("blobs/md5/d41d8cd98f00b204e9800998ecf8427e", EntryType::Regular),
        ("link", EntryType::Symlink),
        ("blobs/sha256/link", EntryType::Link),
        ("device", EntryType::Char),
        ("pipe", EntryType::Fifo),
        ("index.json", EntryType::Regular),
    ];
    for trick in tricks {
        bundle.write_with(&[trick]);
        let error = bundle.refused().await;
        assert!(matches!(error, BundleError::Entry { .. }), "{trick:?}: {error}");
    }
}

#[tokio::test]
async fn a_bundle_whose_end_is_missing_is_refused() {
    let bundle = good().await;
    bundle.write();
    let whole = std::fs::read(&bundle.path).unwrap();
    for part in [whole.len() / 2, whole.len() - 3000, 700, 100, 0] {
        std::fs::write(&bundle.path, &whole[..part]).unwrap();
        let error = bundle.refused().await;
        assert!(
            matches!(error, BundleError::NotABundle { .. } | BundleError::Missing { .. }),
            "{part}: {error}"
        );
    }
}

#[tokio::test]
async fn what_is_no_bundle_is_refused() {
    let mut bundle = good().await;
    std::fs::write(&bundle.path, b"\x1f\x8b\x08 and so on, for more than a block".repeat(50)).unwrap();
    assert!(matches!(bundle.refused().await, BundleError::NotABundle { .. }));
    for missing in ["oci-layout", "index.json"] {
        let mut bundle = good().await;
        bundle.entries.retain(|entry| entry.0 != missing);
        bundle.write();
        assert!(matches!(bundle.refused().await, BundleError::NotABundle { .. }));
    }
    for index in ["{}", "[]", "", "{\"manifests\":[]}", "{\"manifests\":[{\"digest\":\"x\"}]}"] {
        *bundle.index() = index.as_bytes().to_vec();
        bundle.write();
        assert!(matches!(bundle.refused().await, BundleError::NotABundle { .. }), "{index}");
    }
    bundle.entries[0].1 = b"{\"imageLayoutVersion\":\"2.0.0\"}".to_vec();
    bundle.write();
    assert!(matches!(bundle.refused().await, BundleError::NotABundle { .. }));
}

/// Gives the image of a bundle another name.
fn rename(bundle: &mut Bundle, name: &str) {
    let index = String::from_utf8(bundle.index().clone()).unwrap().replace("os/one:1", name);
    *bundle.index() = index.into_bytes();
    bundle.write();
}

#[tokio::test]
async fn an_image_that_names_no_repository_goes_where_it_is_told() {
    let mut bundle = good().await;
    rename(&mut bundle, "latest");
    assert!(matches!(bundle.refused().await, BundleError::NoRepository { .. }));
    let options = ImportOptions { repository: Some(repository("os/told")) };
    let imported = bundle.import(&options).await.unwrap();
    assert!(imported.images[0].reference.to_string().contains("/os/told:latest@sha256:"));
}

#[tokio::test]
async fn a_name_with_tricks_is_refused() {
    for name in ["../../etc:1", "/x:1", "a/../b:1", "UPPER/x:1", "a b:1"] {
        let mut bundle = good().await;
        rename(&mut bundle, name);
        let error = bundle.import(&ImportOptions { repository: Some(repository("x")) }).await.unwrap_err();
        assert!(matches!(error, BundleError::Name { .. }), "{name}: {error}");
    }
}

#[tokio::test]
async fn one_tag_for_two_images_is_refused() {
    let mut bundle = good().await;
    let mut index: serde_json::Value = serde_json::from_slice(bundle.index()).unwrap();
    let mut other = index["manifests"][0].clone();
    other["digest"] = sha256(b"own").as_str().into();
    index["manifests"].as_array_mut().unwrap().push(other);
    *bundle.index() = index.to_string().into_bytes();
    bundle.write();
    assert!(matches!(bundle.refused().await, BundleError::SameName { .. }));
}
