// SPDX-License-Identifier: AGPL-3.0-or-later
//! Sets of files to build media of: a fixed one, and random ones.

use std::collections::BTreeMap;

use proptest::prelude::*;
use shoal_taskiso::{DEFAULT_LIMIT, Iso, TaskFiles, TaskMedium, build, build_volume};

/// The job of all media here.
pub(crate) const JOB: &str = "0192f3a4-5b6c-7d8e-9fa0-b1c2d3e4f506";

/// The label that follows from it.
pub(crate) const LABEL: &str = "TASK_0192F3A45B6C7D8E9FA0B1C2D3E";

/// 2023-11-14T22:13:20Z.
pub(crate) const EPOCH: u64 = 1_700_000_000;

/// Files of a medium, in any order.
pub(crate) type Files = Vec<(String, Vec<u8>)>;

/// What a real medium holds, a directory tree, and the sizes around a sector.
pub(crate) fn fixed() -> Files {
    [
        ("recipe.json", b"{\"task_target\":\"install-linux.target\"}".to_vec()),
        ("recipe.schema.json", vec![b'{'; 9000]),
        ("task.json", b"{}".to_vec()),
        ("user-data", b"#cloud-config\n".to_vec()),
        ("ks.cfg", b"vmaccepteula\n".to_vec()),
        ("empty", Vec::new()),
        ("sector", vec![7; 2048]),
        ("sector-and-one", vec![8; 2049]),
        ("net/eth0.yaml", b"dhcp: true\n".to_vec()),
        ("net/deep/er/still/a.b.c", b"x".to_vec()),
        ("net/deep/two", b"y".to_vec()),
    ]
    .map(|(path, content)| (path.to_owned(), content))
    .to_vec()
}

/// The set of files, in the order given.
pub(crate) fn set(files: &Files) -> TaskFiles {
    let mut set = TaskFiles::new();
    for (path, content) in files {
        set.insert(path, content.clone()).expect("a set made to fit");
    }
    set
}

/// The medium of the job with these files.
pub(crate) fn medium(files: &Files) -> Iso {
    let spec =
        TaskMedium { job_id: JOB.into(), files: set(files), epoch: EPOCH, pad: 0, limit: DEFAULT_LIMIT };
    build(&spec).expect("a small medium")
}

/// A volume that stands for a maintenance ISO.
pub(crate) fn maintenance() -> Iso {
    let mut files = TaskFiles::new();
    files.insert("root.squashfs", vec![0x5A; 50_000]).expect("free");
    build_volume("SHOAL_MAINTENANCE", &files, EPOCH, 0, DEFAULT_LIMIT).expect("a small volume")
}

/// What a reader should find: path to content.
pub(crate) fn expected(files: &Files) -> BTreeMap<String, Vec<u8>> {
    files.iter().cloned().collect()
}

/// The directories above the files.
pub(crate) fn directories(files: &Files) -> Vec<String> {
    set(files).directories().map(String::from).collect()
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        // Few letters, so that plain names collide and file and directory names meet.
        4 => "[ab]([ab._-]{0,3}[ab])?",
        1 => "[a-z0-9]([a-z0-9._-]{0,60}[a-z0-9_-])?",
    ]
}

fn path() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => prop::collection::vec(name(), 1..=3),
        1 => prop::collection::vec(name(), 1..=8),
    ]
    .prop_map(|names| names.join("/"))
}

fn content() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => prop::collection::vec(any::<u8>(), 0..40),
        1 => (any::<u8>(), 2040..2060_usize).prop_map(|(byte, len)| vec![byte; len]),
        1 => (any::<u8>(), 4090..4100_usize).prop_map(|(byte, len)| vec![byte; len]),
    ]
}

/// Sets of up to `most` files that fit together.
pub(crate) fn random(most: usize) -> impl Strategy<Value = Files> {
    prop::collection::vec((path(), content()), 0..most).prop_map(|candidates| {
        let mut set = TaskFiles::new();
        candidates.into_iter().filter(|(path, content)| set.insert(path, content.clone()).is_ok()).collect()
    })
}
