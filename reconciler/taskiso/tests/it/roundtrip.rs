// SPDX-License-Identifier: AGPL-3.0-or-later
//! Media read back by the reader of this crate, in each of the three name spaces.

use std::collections::BTreeMap;

use proptest::prelude::*;
use shoal_taskiso::reader::{Kind, Names, Posix, ReadError, Volume};
use shoal_taskiso::{DEFAULT_LIMIT, DEFAULT_RAW_MULTIPLE, SECTOR, TaskMedium, build, raw_image};

use crate::sets::{EPOCH, Files, JOB, LABEL, directories, expected, fixed, medium, random, set};

/// The files of a volume with their content.
fn contents(volume: &Volume<Vec<u8>>) -> BTreeMap<String, Vec<u8>> {
    volume
        .files()
        .map(|file| {
            let content = volume.read(&file.path, file.len).expect("listed");
            (file.path.clone(), content)
        })
        .collect()
}

/// The image without the mark of SUSP in its root: Rock Ridge is gone.
fn without_rock_ridge(files: &Files) -> Vec<u8> {
    let mut image = medium(files).bytes.to_vec();
    let mark = b"SP\x07\x01\xBE\xEF";
    let at = image.windows(mark.len()).position(|bytes| bytes == mark);
    image[at.expect("the mark of SUSP")] = b'X';
    image
}

/// The image without Rock Ridge, its Joliet descriptor made into one of another kind.
fn plain(files: &Files) -> Vec<u8> {
    let mut image = without_rock_ridge(files);
    image[17 * SECTOR] = 3;
    image
}

fn check(files: &Files) -> Result<(), TestCaseError> {
    let volume = Volume::open(medium(files).bytes.to_vec()).expect("our own volume");
    prop_assert_eq!(volume.names(), Names::RockRidge);
    prop_assert_eq!(volume.volume_id(), LABEL);
    prop_assert_eq!(contents(&volume), expected(files));
    let found: Vec<_> = volume
        .entries()
        .iter()
        .filter(|entry| entry.kind == Kind::Directory)
        .map(|entry| entry.path.clone())
        .collect();
    prop_assert_eq!(found, directories(files));
    for entry in volume.entries() {
        let Posix { mode, uid, gid, links } = entry.posix.expect("rock ridge");
        prop_assert_eq!((uid, gid), (0, 0));
        match entry.kind {
            Kind::File => prop_assert_eq!((mode, links), (0o100_444, 1)),
            Kind::Directory => {
                let children = directories(files)
                    .iter()
                    .filter(|path| path.rsplit_once('/').is_some_and(|(p, _)| p == entry.path))
                    .count();
                prop_assert_eq!((mode, links), (0o040_555, 2 + children as u32));
            }
        }
    }

    let volume = Volume::open(without_rock_ridge(files)).expect("a joliet volume");
    prop_assert_eq!(volume.names(), Names::Joliet);
    prop_assert_eq!(contents(&volume), expected(files));

    let volume = Volume::open(plain(files)).expect("a plain volume");
    prop_assert_eq!(volume.names(), Names::Plain);
    let mut found: Vec<_> = contents(&volume).into_values().collect();
    let mut wanted: Vec<_> = expected(files).into_values().collect();
    found.sort();
    wanted.sort();
    prop_assert_eq!(found, wanted);
    Ok(())
}

#[test]
fn the_fixed_medium_reads_back_in_all_name_spaces() {
    check(&fixed()).expect("the fixed medium");
}

#[test]
fn an_empty_medium_reads_back() {
    check(&Files::new()).expect("an empty medium");
}

#[test]
fn a_reader_without_extensions_finds_the_files_of_the_contract() {
    let volume = Volume::open(plain(&fixed())).expect("a plain volume");
    let found: Vec<_> = volume.files().map(|file| file.path.as_str()).collect();
    for name in ["ks.cfg", "recipe.json", "recipe_schema.json", "user_data", "task.json"] {
        assert!(found.contains(&name), "{name} in {found:?}");
    }
}

#[test]
fn directories_and_path_tables_of_many_sectors_read_back() {
    let mut files = Files::new();
    for n in 0..300 {
        files.push((format!("a-file-with-a-name-of-some-length-{n}"), vec![n as u8]));
        files.push((format!("directory-{n}/file"), vec![n as u8; 3]));
    }
    check(&files).expect("a large medium");
}

#[test]
fn a_pad_and_a_raw_image_change_nothing_but_the_length() {
    let spec = TaskMedium {
        job_id: JOB.into(),
        files: set(&fixed()),
        epoch: EPOCH,
        pad: 150 * SECTOR as u64,
        limit: DEFAULT_LIMIT,
    };
    let padded = build(&spec).expect("a small medium");
    let volume = Volume::open(padded.bytes.to_vec()).expect("a padded volume");
    assert_eq!(volume.volume_len(), padded.bytes.len() as u64);
    assert_eq!(contents(&volume), expected(&fixed()));

    let plain = medium(&fixed());
    let raw = raw_image(&plain, DEFAULT_RAW_MULTIPLE).expect("a mebibyte");
    let volume = Volume::open(raw.bytes.to_vec()).expect("a raw image");
    assert_eq!(volume.volume_len(), plain.bytes.len() as u64);
    assert_eq!(contents(&volume), expected(&fixed()));
}

#[test]
fn what_is_not_a_file_or_too_large_is_not_read() {
    let volume = Volume::open(medium(&fixed()).bytes).expect("our own volume");
    for path in ["nothing", "net", "", "/recipe.json", "../recipe.json"] {
        assert!(matches!(volume.read(path, 99), Err(ReadError::NotFound { .. })), "{path}");
    }
    assert_eq!(volume.read("task.json", 2).expect("two bytes"), b"{}");
    assert!(matches!(volume.read("task.json", 1), Err(ReadError::TooLarge { len: 2, limit: 1, .. })));
}

proptest! {
    #[test]
    fn random_sets_read_back_in_all_name_spaces(files in random(24)) {
        check(&files)?;
    }
}
