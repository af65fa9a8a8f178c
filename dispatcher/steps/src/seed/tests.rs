// SPDX-License-Identifier: AGPL-3.0-or-later
//! The seed on a FAT volume, and in a root.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use super::*;

fn volume() -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    file.as_file().set_len(4 << 20).expect("sized");
    fatfs::format_volume(file.as_file_mut(), fatfs::FormatVolumeOptions::new()).expect("formatted");
    file
}

fn seed(files: &[(&'static str, &str)]) -> Files {
    files.iter().map(|(name, text)| (*name, Zeroizing::new(text.as_bytes().to_vec()))).collect()
}

fn read(volume: &tempfile::NamedTempFile, name: &str) -> Option<String> {
    let content = FatVolume::open(volume.path()).expect("opened").read(name).expect("read");
    content.map(|content| String::from_utf8(content).expect("text"))
}

#[test]
fn a_seed_is_written_once_and_replaced_when_it_differs() {
    let volume = volume();
    let one =
        seed(&[("user-data", "#cloud-config"), ("network-config", "{}"), ("meta-data", "instance-id: S1")]);
    assert!(seed_volume(volume.path(), &one).expect("written"));
    assert!(!seed_volume(volume.path(), &one).expect("the same"));
    assert_eq!(read(&volume, "meta-data").as_deref(), Some("instance-id: S1"));
    let other = seed(&[("user-data", "#cloud-config\nx"), ("meta-data", "instance-id: S1")]);
    assert!(seed_volume(volume.path(), &other).expect("written"));
    assert_eq!(read(&volume, "user-data").as_deref(), Some("#cloud-config\nx"));
    assert_eq!(read(&volume, "network-config"), None, "one that is not wanted any more");
}

#[test]
fn a_seed_that_was_cut_short_has_no_meta_data_and_is_written_anew() {
    let volume = volume();
    let files = seed(&[("user-data", "new"), ("meta-data", "instance-id: S1")]);
    seed_volume(volume.path(), &seed(&[("user-data", "old"), ("meta-data", "instance-id: S0")]))
        .expect("written");
    // The first thing that happens, and then the power goes.
    let fat = FatVolume::open(volume.path()).expect("opened");
    fat.remove("meta-data").expect("removed");
    fat.close().expect("closed");
    assert!(seed_volume(volume.path(), &files).expect("written"));
    assert_eq!(read(&volume, "user-data").as_deref(), Some("new"));
    assert_eq!(read(&volume, "meta-data").as_deref(), Some("instance-id: S1"));
}

#[test]
fn a_volume_without_room_is_seed_failed() {
    let volume = volume();
    let files = seed(&[("user-data", &"x".repeat(5 << 20)), ("meta-data", "i")]);
    let error = seed_volume(volume.path(), &files).map_err(SeedError::volume("cidata")).expect_err("no room");
    assert_eq!(error.code().as_str(), "seed_failed");
    assert_eq!(read(&volume, "meta-data"), None);
}

#[test]
fn without_a_volume_the_seed_is_in_the_root_for_root_alone() {
    let dir = tempfile::tempdir().expect("a directory");
    let files = seed(&[("user-data", "#cloud-config"), ("meta-data", "instance-id: S1")]);
    assert!(in_root(dir.path(), Some(&files), Some(b"{}")).expect("written"));
    assert!(!in_root(dir.path(), Some(&files), Some(b"{}")).expect("the same"));
    let path = dir.path().join(SEED_DIR).join("user-data");
    assert_eq!(fs::metadata(path).expect("there").permissions().mode() & 0o7777, 0o600);
    assert_eq!(fs::read(dir.path().join("etc/shoal/stamp.json")).expect("read"), b"{}");
}
