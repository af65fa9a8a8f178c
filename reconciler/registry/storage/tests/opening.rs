// SPDX-License-Identifier: AGPL-3.0-or-later
//! Opening a directory as a storage: new ones, those in use, foreign ones, those with leftovers.

mod support;

use std::fs;
use std::os::unix::fs::symlink;

use shoal_registry_storage::{PIECE, Storage, StorageError};
use support::{World, check, content, name, pull, push};

#[test]
fn a_new_directory_becomes_an_oci_image_layout() {
    let world = World::on_disk();
    let storage = world.open_real();
    let layout = fs::read_to_string(world.root().join("oci-layout")).unwrap();
    assert_eq!(layout, r#"{"imageLayoutVersion":"1.0.0"}"#);
    let index: serde_json::Value =
        serde_json::from_slice(&fs::read(world.root().join("index.json")).unwrap()).unwrap();
    assert_eq!(index["schemaVersion"], 2);
    assert_eq!(storage.root(), world.root());
}

#[test]
fn one_storage_is_open_once_and_the_error_says_who_has_it() {
    let world = World::new();
    let storage = world.open();
    let error = Storage::open(&world.root(), world.options()).unwrap_err();
    let StorageError::Locked { holder, .. } = &error else { panic!("{error}") };
    assert_eq!(*holder, Some(std::process::id()));
    assert!(error.to_string().contains("--url"), "{error}");
    let clone = storage.clone();
    drop(storage);
    Storage::open(&world.root(), world.options()).unwrap_err();
    drop(clone);
    world.open();
}

#[test]
fn a_directory_of_something_else_is_refused_and_left_as_it_is() {
    for found in ["letters", ".git", "blobs"] {
        let world = World::new();
        fs::create_dir_all(world.root().join(found)).unwrap();
        let error = Storage::open(&world.root(), world.options()).unwrap_err();
        assert!(matches!(&error, StorageError::NotALayout { found: named, .. } if named == found), "{error}");
        assert_eq!(world.names(""), [found]);
    }
    let world = World::new();
    fs::write(world.root(), "a file").unwrap();
    Storage::open(&world.root(), world.options()).unwrap_err();
}

#[test]
fn the_root_of_a_file_system_is_as_good_as_an_empty_directory() {
    let world = World::new();
    fs::create_dir_all(world.root().join("lost+found")).unwrap();
    world.open();
}

#[test]
fn a_layout_of_another_version_is_refused() {
    for (file, text) in [
        ("oci-layout", r#"{"imageLayoutVersion":"2.0.0"}"#),
        ("oci-layout", "not JSON"),
        ("shoal-registry.json", r#"{"version":2}"#),
        ("shoal-registry.json", "[]"),
    ] {
        let world = World::new();
        world.open();
        fs::write(world.root().join(file), text).unwrap();
        let error = Storage::open(&world.root(), world.options()).unwrap_err();
        assert!(matches!(error, StorageError::Version { .. }), "{file} {text}: {error}");
    }
}

#[test]
fn leftovers_of_a_crash_are_removed() {
    let world = World::new();
    let kept = push(&world.open(), &name("a"), &content(2 * PIECE, 1)).unwrap();
    fs::write(world.root().join("temp/0000000000000000"), "half").unwrap();
    let stray = support::digest(b"never came into place");
    fs::write(world.sums_file(&stray), "sums").unwrap();
    let storage = world.open();
    check(&world);
    assert!(world.sums_file(&kept).exists());
    assert!(pull(&storage, &name("a"), &kept).unwrap().is_some());
}

#[test]
fn a_root_that_is_reached_through_a_link_is_the_operators_choice() {
    let world = World::new();
    fs::create_dir(world.dir.path().join("data")).unwrap();
    symlink(world.dir.path().join("data"), world.root()).unwrap();
    let digest = push(&world.open(), &name("a"), b"x").unwrap();
    assert!(world.dir.path().join("data/blobs/sha256").join(digest.hex()).exists());
}

#[test]
fn a_directory_of_the_layout_that_is_a_link_is_refused() {
    let world = World::new();
    world.open();
    let elsewhere = world.dir.path().join("elsewhere");
    fs::rename(world.root().join("blobs"), &elsewhere).unwrap();
    symlink(&elsewhere, world.root().join("blobs")).unwrap();
    let error = Storage::open(&world.root(), world.options()).unwrap_err();
    assert!(matches!(error, StorageError::Symlink { .. }), "{error}");
}
