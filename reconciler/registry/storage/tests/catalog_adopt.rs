// SPDX-License-Identifier: AGPL-3.0-or-later
//! Opening a directory that another tool wrote: an OCI image layout without repositories.

mod images;
mod support;

use std::fs;

use images::{Image, all_tags, assert_manifest_whole, assert_whole, by_digest, resolve};
use serde_json::{Value, json};
use shoal_oci::{media_type, referrers_tag};
use shoal_registry_storage::disk::{Fault, FaultDisk, Tear};
use shoal_registry_storage::{Options, Storage, StorageError};
use std::sync::Arc;
use support::{World, digest, name};

/// Writes a layout as other tools do: content, `oci-layout`, `index.json`.
fn write_layout(world: &World, images: &[&Image], listed: &[Value]) {
    let blobs = world.root().join("blobs/sha256");
    fs::create_dir_all(&blobs).unwrap();
    for image in images {
        fs::write(blobs.join(image.digest.hex()), &image.bytes).unwrap();
        for blob in &image.blobs {
            fs::write(blobs.join(digest(blob).hex()), blob).unwrap();
        }
    }
    fs::write(world.root().join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
    let index = json!({"schemaVersion": 2, "manifests": listed});
    fs::write(world.root().join("index.json"), index.to_string()).unwrap();
}

fn listed(image: &Image, ref_name: Option<&str>) -> Value {
    let mut descriptor = images::descriptor(image.media_type, &image.bytes);
    if let Some(ref_name) = ref_name {
        descriptor["annotations"] = json!({"org.opencontainers.image.ref.name": ref_name});
    }
    descriptor
}

#[test]
fn everything_a_foreign_layout_lists_becomes_repositories_and_tags() {
    let world = World::new();
    let (one, two, three) = (Image::new(1), Image::new(2), Image::new(3));
    let index = Image::index(&[&one, &two]);
    let entries = [
        listed(&index, Some("os-images/debian:12")),
        listed(&three, Some("latest")),
        listed(&one, None),
        listed(&Image::new(9), Some("not:there")),
        json!({"mediaType": media_type::IMAGE_MANIFEST, "digest": "md5:00", "size": 1}),
    ];
    write_layout(&world, &[&one, &two, &three, &index], &entries);
    let storage = world.open();
    assert_eq!(resolve(&storage, "os-images/debian", "12"), Some(index.digest.clone()));
    assert_eq!(resolve(&storage, "imported", "latest"), Some(three.digest.clone()));
    assert_eq!(resolve(&storage, "imported", &one.digest.hex()[..12]), Some(one.digest.clone()));
    assert_eq!(all_tags(&storage).len(), 3);
    assert_whole(&storage, "adopted");
    assert_manifest_whole(&storage, &name("os-images/debian"), &two.digest, "a child");
    images::collect(&storage, &images::everything());
    assert_whole(&storage, "collected");
    assert_eq!(
        images::content(&world).len(),
        [&one, &two, &three, &index]
            .iter()
            .flat_map(|image| image.digests())
            .collect::<std::collections::BTreeSet<_>>()
            .len()
    );
    drop(storage);
    let storage = world.open();
    assert_eq!(all_tags(&storage).len(), 3, "adopted once");
}

#[test]
fn what_a_fallback_tag_of_a_foreign_layout_lists_is_among_the_referrers() {
    let world = World::new();
    let subject = Image::new(1);
    let (listed_one, direct) = (Image::about(&subject, 2), Image::about(&subject, 3));
    let fallback = Image::index(&[&listed_one]);
    let entries = [
        listed(&subject, Some("a:1")),
        listed(&fallback, Some(&format!("a:{}", referrers_tag(&subject.digest)))),
        listed(&direct, Some("a:signature")),
    ];
    write_layout(&world, &[&subject, &listed_one, &direct, &fallback], &entries);
    let storage = world.open();
    let found = storage.referrers(&name("a"), &subject.digest, None).unwrap();
    let mut expected = [listed_one.digest, direct.digest];
    expected.sort();
    assert_eq!(found.iter().map(|descriptor| descriptor.digest.clone()).collect::<Vec<_>>(), expected);
}

#[test]
fn two_manifests_of_one_name_are_both_kept() {
    let world = World::new();
    let (one, two) = (Image::new(1), Image::new(2));
    write_layout(&world, &[&one, &two], &[listed(&one, Some("a:t")), listed(&two, Some("a:t"))]);
    let storage = world.open();
    assert_eq!(resolve(&storage, "a", "t"), Some(one.digest));
    assert_eq!(resolve(&storage, "a", &two.digest.hex()[..12]), Some(two.digest));
}

#[test]
fn damaged_content_of_a_foreign_layout_is_not_taken_over() {
    let world = World::new();
    let (one, two) = (Image::new(1), Image::new(2));
    write_layout(&world, &[&one, &two], &[listed(&one, Some("a:1")), listed(&two, Some("a:2"))]);
    fs::write(world.blob_file(&one.digest), "damaged").unwrap();
    let storage = world.open();
    assert_eq!(resolve(&storage, "a", "1"), None);
    assert_eq!(resolve(&storage, "a", "2"), Some(two.digest));
}

#[test]
fn an_index_that_is_none_is_left_as_it_is_and_named() {
    let world = World::new();
    write_layout(&world, &[], &[]);
    fs::write(world.root().join("index.json"), "{ not json").unwrap();
    let error = Storage::open(&world.root(), world.options()).unwrap_err();
    assert!(matches!(error, StorageError::Malformed { .. }), "{error}");
    assert_eq!(fs::read(world.root().join("index.json")).unwrap(), b"{ not json");
}

#[test]
fn taking_over_can_be_stopped_at_any_step_and_is_done_again() {
    let (one, two) = (Image::new(1), Image::new(2));
    let signature = Image::about(&one, 3);
    let index = Image::index(&[&one, &two]);
    for tear in [Tear::default(), Tear { names: true, ..Tear::default() }] {
        for step in 0.. {
            let world = World::new();
            let entries = [listed(&index, Some("a:i")), listed(&signature, None), listed(&two, Some("a:i"))];
            write_layout(&world, &[&one, &two, &signature, &index], &entries);
            let disk = Arc::new(FaultDisk::new());
            disk.arm(Fault::CrashAfter(step), tear);
            let opened = Storage::open(&world.root(), Options { disk, ..world.options() }).map(drop);
            let storage = world.open();
            assert_whole(&storage, &format!("step {step}"));
            assert_eq!(all_tags(&storage).len(), 3, "step {step}");
            assert_eq!(resolve(&storage, "a", "i"), Some(index.digest.clone()));
            assert!(storage.manifest(&name("a"), &by_digest(&one.digest)).unwrap().is_some());
            if opened.is_ok() {
                assert!(step > 50, "{step}");
                break;
            }
        }
    }
}
