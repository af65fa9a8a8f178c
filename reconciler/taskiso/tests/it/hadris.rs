// SPDX-License-Identifier: AGPL-3.0-or-later
//! Media read back by `hadris-iso`, which shares no line with this crate.

use std::collections::BTreeMap;

use bytes::Bytes;
use hadris_fs::sync::FileSystem;
use hadris_fs::{DirCursor, MountOptions, NodeId, OpenMode};
use hadris_iso::sync::IsoFs;
use hadris_iso::{IsoDate, IsoId, Namespace, RockRidgeInfo};
use hadris_storage::{BlockSize, MemDevice};
use proptest::prelude::*;

use crate::sets::{EPOCH, Files, LABEL, directories, expected, fixed, medium, random};

type Iso = IsoFs<MemDevice<Vec<u8>>>;

fn mount(image: &Bytes, namespace: Namespace) -> Iso {
    let device = MemDevice::new(image.to_vec(), BlockSize::new(2048).expect("a power of two"));
    IsoFs::mount_namespace(device, MountOptions::new(), namespace).expect("our own volume")
}

/// Every file with its content, and every directory, by path.
#[derive(Default)]
struct Found {
    files: BTreeMap<String, Vec<u8>>,
    directories: Vec<String>,
    posix: Vec<(String, RockRidgeInfo)>,
}

impl Found {
    fn walk(&mut self, iso: &mut Iso, directory: NodeId, prefix: &str) {
        let mut cursor = DirCursor::START;
        let mut children = Vec::new();
        while let Some(entry) = iso.readdir(directory, cursor).expect("a directory") {
            cursor = entry.next_cursor();
            let name = std::str::from_utf8(entry.name().as_bytes()).expect("ascii");
            let node = iso.lookup(directory, entry.name()).expect("listed");
            let path = format!("{prefix}{name}");
            if let Some(posix) = iso.rock_ridge(node).expect("well formed") {
                self.posix.push((path.clone(), posix));
            }
            children.push((path, node, *entry.metadata()));
        }
        for (path, node, metadata) in children {
            if metadata.file_type().is_dir() {
                self.directories.push(path.clone());
                self.walk(iso, node, &format!("{path}/"));
            } else {
                let mut content = vec![0; metadata.len() as usize];
                iso.open(node, OpenMode::Read).expect("a file");
                let mut done = 0;
                while done < content.len() {
                    let n = iso.read(node, done as u64, &mut content[done..]).expect("readable");
                    assert_ne!(n, 0, "{path} ends early");
                    done += n;
                }
                self.files.insert(path, content);
            }
        }
    }

    fn all(image: &Bytes, namespace: Namespace) -> Self {
        let mut iso = mount(image, namespace);
        let root = iso.root();
        let mut found = Self::default();
        found.walk(&mut iso, root, "");
        found.directories.sort();
        found
    }
}

fn check(files: &Files) -> Result<(), TestCaseError> {
    let image = medium(files).bytes;
    let iso = mount(&image, Namespace::Preferred);
    prop_assert_eq!(iso.namespace(), Namespace::RockRidge);
    prop_assert_eq!(iso.info().id(IsoId::Volume), LABEL.as_bytes());
    prop_assert_eq!(iso.info().volume_space_size() as usize * 2048, image.len());

    let found = Found::all(&image, Namespace::RockRidge);
    prop_assert_eq!(&found.files, &expected(files));
    prop_assert_eq!(&found.directories, &directories(files));
    prop_assert_eq!(found.posix.len(), found.files.len() + found.directories.len());
    for (path, posix) in &found.posix {
        let mode = if found.files.contains_key(path) { 0o100_444 } else { 0o040_555 };
        prop_assert_eq!(posix.mode(), Some(mode), "{}", path);
        prop_assert_eq!(posix.owner(), Some((0, 0)));
        for time in [posix.modified(), posix.accessed(), posix.changed()] {
            prop_assert_eq!(time.map(|time| time.unix_seconds()), Some(EPOCH as i64));
        }
    }

    let found = Found::all(&image, Namespace::Joliet);
    prop_assert_eq!(&found.files, &expected(files));
    prop_assert_eq!(&found.directories, &directories(files));

    let found = Found::all(&image, Namespace::Primary);
    let mut contents: Vec<_> = found.files.into_values().collect();
    let mut wanted: Vec<_> = expected(files).into_values().collect();
    contents.sort();
    wanted.sort();
    prop_assert_eq!(contents, wanted);
    prop_assert_eq!(found.directories.len(), directories(files).len());
    Ok(())
}

#[test]
fn the_fixed_medium_is_read_by_another_library() {
    check(&fixed()).expect("the fixed medium");
}

#[test]
fn the_dates_of_the_volume_are_the_epoch_or_unspecified() {
    let iso = mount(&medium(&fixed()).bytes, Namespace::Preferred);
    let seconds = |date| iso.info().date(date).map(|date| date.unix_seconds());
    assert_eq!(seconds(IsoDate::Created), Some(EPOCH as i64));
    assert_eq!(seconds(IsoDate::Modified), Some(EPOCH as i64));
    assert_eq!(seconds(IsoDate::Expires), None);
    assert_eq!(seconds(IsoDate::Effective), None);
}

proptest! {
    #[test]
    fn random_sets_are_read_by_another_library(files in random(24)) {
        check(&files)?;
    }
}
