// SPDX-License-Identifier: AGPL-3.0-or-later
//! A disk that cannot read what it stored, checksums that are wrong, and what is whole after all.

mod images;
mod support;

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::sync::Arc;

use images::{Image, by_digest, resolve};
use shoal_oci::Digest;
use shoal_registry_storage::disk::{Broken, Fault, FaultDisk, Tear};
use shoal_registry_storage::layout::Place;
use shoal_registry_storage::{PIECE, Scrubbed, Storage, StorageError};
use support::{World, content, digest, name, pull, push};

/// EIO, EUCLEAN, EBADMSG, ENODATA: what disks and file systems say of damage.
const DAMAGE: [i32; 4] = [5, 117, 74, 61];

fn place(path: &str) -> Place {
    path.split('/').fold(Place::root(), |place, part| place.child(part).unwrap())
}

fn content_place(digest: &Digest) -> Place {
    place(&format!("blobs/{}/{}", digest.algorithm(), digest.hex()))
}

fn on_disk(world: &World) -> (Arc<FaultDisk>, Storage) {
    let disk = Arc::new(FaultDisk::new());
    let storage = world.open_on(&disk);
    (disk, storage)
}

fn scrub(storage: &Storage) -> Scrubbed {
    storage.scrub(None, &mut |_| {}, &|| false).unwrap()
}

#[test]
fn content_that_the_disk_cannot_read_is_put_away_and_can_be_pushed_again() {
    for (errno, size, broken) in [
        (DAMAGE[0], 100, Broken::Reading),
        (DAMAGE[1], 2 * PIECE + 9, Broken::Reading),
        (DAMAGE[2], 100, Broken::Opening),
        (DAMAGE[3], 2 * PIECE + 9, Broken::Opening),
    ] {
        let world = World::new();
        let (disk, storage) = on_disk(&world);
        let bytes = content(size, 1);
        let digest = push(&storage, &name("a"), &bytes).unwrap();
        disk.break_file(content_place(&digest), broken, errno);
        let error = pull(&storage, &name("a"), &digest).unwrap_err();
        assert!(matches!(error, StorageError::Corrupt { .. }), "{errno}: {error}");
        assert_eq!(storage.blob_size(&name("a"), &digest).unwrap(), None, "a client is to push it again");
        assert_eq!(world.names("quarantine/corrupt").len(), 2);
        push(&storage, &name("a"), &bytes).unwrap();
        assert_eq!(pull(&storage, &name("a"), &digest).unwrap().unwrap(), bytes);
    }
}

#[test]
fn content_without_checksums_that_the_disk_cannot_read_is_put_away() {
    let world = World::new();
    let (disk, storage) = on_disk(&world);
    let digest = push(&storage, &name("a"), &content(2 * PIECE, 1)).unwrap();
    drop(storage);
    fs::remove_file(world.sums_file(&digest)).unwrap();
    let storage = world.open_on(&disk);
    disk.break_file(content_place(&digest), Broken::Reading, DAMAGE[0]);
    let error = pull(&storage, &name("a"), &digest).unwrap_err();
    assert!(matches!(error, StorageError::Corrupt { .. }), "{error}");
    assert!(storage.blob(&name("a"), &digest).unwrap().is_none());
}

#[test]
fn a_manifest_that_the_disk_cannot_read_is_put_away_and_can_be_pushed_again() {
    for broken in [Broken::Reading, Broken::Opening] {
        let world = World::new();
        let (disk, storage) = on_disk(&world);
        let image = Image::new(1);
        image.push(&storage, "a", &["t"]).unwrap();
        disk.break_file(content_place(&image.digest), broken, DAMAGE[0]);
        let error = storage.manifest(&name("a"), &by_digest(&image.digest)).unwrap_err();
        assert!(matches!(error, StorageError::Corrupt { .. }), "{error}");
        assert_eq!(resolve(&storage, "a", "t"), None);
        image.push(&storage, "a", &["t"]).unwrap();
        assert_eq!(resolve(&storage, "a", "t"), Some(image.digest.clone()));
    }
}

#[test]
fn an_error_that_is_no_damage_puts_nothing_away() {
    const EACCES: i32 = 13;
    let world = World::new();
    let (disk, storage) = on_disk(&world);
    let digest = push(&storage, &name("a"), &content(100, 1)).unwrap();
    disk.break_file(content_place(&digest), Broken::Reading, EACCES);
    let error = pull(&storage, &name("a"), &digest).unwrap_err();
    assert!(matches!(error, StorageError::Io { .. }), "{error}");
    assert_eq!(storage.blob_size(&name("a"), &digest).unwrap(), Some(100));
    let scrubbed = scrub(&storage);
    assert_eq!(scrubbed.corrupt, []);
    assert_eq!(scrubbed.failed.len(), 1);
    assert_eq!(scrubbed.failed[0].0, digest);
}

#[test]
fn a_scrub_goes_on_after_whatever_it_cannot_read() {
    let world = World::new();
    let (disk, storage) = on_disk(&world);
    let mut digests: Vec<Digest> =
        (0..6).map(|seed| push(&storage, &name("a"), &content(100 + seed, seed)).unwrap()).collect();
    // In the order in which they are read.
    digests.sort();
    disk.break_file(content_place(&digests[0]), Broken::Reading, DAMAGE[0]);
    disk.break_file(content_place(&digests[1]), Broken::Opening, DAMAGE[1]);
    fs::remove_file(world.blob_file(&digests[2])).unwrap();
    symlink("elsewhere", world.blob_file(&digests[2])).unwrap();
    fs::write(world.blob_file(&digests[4]), "damaged").unwrap();
    let scrubbed = scrub(&storage);
    assert_eq!(scrubbed.corrupt, [&digests[0], &digests[1], &digests[4]].map(Clone::clone));
    assert_eq!(scrubbed.failed.iter().map(|(digest, _)| digest).collect::<Vec<_>>(), [&digests[2]]);
    assert!(scrubbed.failed[0].1.contains("symbolic link"), "{:?}", scrubbed.failed);
    assert_eq!(scrubbed.checked, 5);
    assert_eq!(scrubbed.affected.len(), 3);
    assert!(!scrubbed.stopped);
    assert_eq!(scrub(&storage).corrupt, [], "they are in quarantine");
}

#[test]
fn a_scrub_goes_on_and_tells_where_damaged_content_cannot_be_put_away() {
    let world = World::new();
    let (disk, storage) = on_disk(&world);
    let mut digests: Vec<Digest> =
        (0..3).map(|seed| push(&storage, &name("a"), &content(100 + seed, seed)).unwrap()).collect();
    digests.sort();
    disk.break_file(content_place(&digests[0]), Broken::Reading, DAMAGE[0]);
    fs::write(world.blob_file(&digests[2]), "damaged").unwrap();
    disk.arm(Fault::NoSpaceFrom(0), Tear::default());
    let scrubbed = scrub(&storage);
    assert_eq!((scrubbed.corrupt.len(), scrubbed.checked), (2, 3));
    disk.arm(Fault::None, Tear::default());
    assert_eq!(scrub(&storage).corrupt, [&digests[0], &digests[2]].map(Clone::clone), "found again");
    assert_eq!(scrub(&storage).corrupt, []);
}

/// Content whose file of checksums is whole, but is that of other content.
fn with_wrong_sums(world: &World, storage: &Storage) -> (Digest, Vec<u8>) {
    let bytes = content(2 * PIECE + 9, 1);
    let mut other = bytes.clone();
    other[PIECE + 1] ^= 1;
    let (right, wrong) = (digest(&bytes), digest(&other));
    push(storage, &name("a"), &bytes).unwrap();
    push(storage, &name("other"), &other).unwrap();
    fs::copy(world.sums_file(&wrong), world.sums_file(&right)).unwrap();
    (right, bytes)
}

#[test]
fn content_whose_checksums_are_wrong_is_served_and_gets_new_ones() {
    let world = World::new();
    let storage = world.open();
    let (digest, bytes) = with_wrong_sums(&world, &storage);
    let wrong = fs::read(world.sums_file(&digest)).unwrap();
    drop(storage);
    let storage = world.open();
    assert_eq!(pull(&storage, &name("a"), &digest).unwrap().unwrap(), bytes);
    assert_eq!(world.names("quarantine/corrupt"), Vec::<String>::new());
    assert_ne!(fs::read(world.sums_file(&digest)).unwrap(), wrong);
    assert_eq!(pull(&storage, &name("a"), &digest).unwrap().unwrap(), bytes);
}

#[test]
fn content_that_is_damaged_beside_wrong_checksums_does_not_leave() {
    let world = World::new();
    let storage = world.open();
    let (digest, mut bytes) = with_wrong_sums(&world, &storage);
    drop(storage);
    // The damage is exactly what the wrong checksums belong to, but for the last piece.
    bytes[PIECE + 1] ^= 1;
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(world.blob_file(&digest), &bytes).unwrap();
    let storage = world.open();
    let error = pull(&storage, &name("a"), &digest).unwrap_err();
    assert!(matches!(error, StorageError::Corrupt { .. }), "{error}");
    assert!(storage.blob(&name("a"), &digest).unwrap().is_none());
}

#[test]
fn checksums_that_cannot_be_read_are_made_again() {
    const EACCES: i32 = 13;
    for (errno, broken) in
        [(DAMAGE[0], Broken::Reading), (EACCES, Broken::Opening), (DAMAGE[1], Broken::Opening)]
    {
        let world = World::new();
        let (_, storage) = on_disk(&world);
        let bytes = content(2 * PIECE + 9, 1);
        let digest = push(&storage, &name("a"), &bytes).unwrap();
        drop(storage);
        let (disk, storage) = on_disk(&world);
        let sums = place(&format!("sums/sha256/{}", digest.hex()));
        disk.break_file(sums, broken, errno);
        assert_eq!(pull(&storage, &name("a"), &digest).unwrap().unwrap(), bytes, "{errno}");
        assert_eq!(scrub(&storage).corrupt, []);
        drop(storage);
        let storage = world.open_on(&disk);
        assert_eq!(pull(&storage, &name("a"), &digest).unwrap().unwrap(), bytes, "{errno}");
    }
    // A file that only its owner can read.
    let world = World::new();
    let storage = world.open();
    let bytes = content(2 * PIECE, 1);
    let digest = push(&storage, &name("a"), &bytes).unwrap();
    drop(storage);
    fs::set_permissions(world.sums_file(&digest), fs::Permissions::from_mode(0o000)).unwrap();
    assert_eq!(pull(&world.open(), &name("a"), &digest).unwrap().unwrap(), bytes);
}

#[test]
fn content_in_quarantine_as_damaged_that_is_whole_after_all_is_restored() {
    let world = World::new();
    let storage = world.open();
    let image = Image::new(1);
    image.push(&storage, "a", &["t"]).unwrap();
    let [blob, lost] = [&image.blobs[0], &image.blobs[1]];
    for bytes in [blob, lost, &image.bytes] {
        fs::write(world.blob_file(&digest(bytes)), "damaged").unwrap();
    }
    assert_eq!(scrub(&storage).corrupt.len(), 3);
    assert!(!storage.restore(&image.digest).unwrap(), "nothing is whole");
    // The cable was loose.
    for file in world.names("quarantine/corrupt") {
        for bytes in [blob, &image.bytes] {
            if file.contains(digest(bytes).hex()) && !file.contains("json") {
                fs::write(world.root().join("quarantine/corrupt").join(&file), bytes).unwrap();
            }
        }
    }
    assert!(storage.restore(&image.digest).unwrap());
    assert_eq!(resolve(&storage, "a", "t"), Some(image.digest.clone()));
    assert_eq!(pull(&storage, &name("a"), &digest(blob)).unwrap().as_ref(), Some(blob));
    assert_eq!(pull(&storage, &name("a"), &digest(lost)).unwrap(), None);
    assert_eq!(world.names("quarantine/corrupt").len(), 2, "what is damaged stays there");
}
