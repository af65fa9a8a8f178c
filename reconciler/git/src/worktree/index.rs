// SPDX-License-Identifier: AGPL-3.0-or-later
//! The index of a work tree, after a commit that did not go through it.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use git2::{ErrorCode, Index, IndexEntry, IndexTime, ObjectType, Oid, Repository};

use crate::edit::Files;

/// Mode of a file in the index.
const FILE: u32 = 0o100_644;

/// Bits of an entry's flags that say which side of a conflict it is.
const STAGE: u16 = 0x3000;

/// Notes what was committed for these paths, and leaves all others as they are.
pub(super) fn update(repository: &Repository, files: &Files) -> Result<(), git2::Error> {
    let mut index = repository.index()?;
    smudge(&mut index)?;
    for (path, content) in files {
        match content {
            Some(bytes) => index.add(&entry(path, Oid::hash_object(ObjectType::Blob, bytes)?))?,
            None => match index.remove_path(Path::new(path)) {
                Err(error) if error.code() != ErrorCode::NotFound => return Err(error),
                _ => {}
            },
        }
    }
    index.write()
}

/// Makes git look at the contents of files that were written in the second of the old index, or
/// later.
///
/// git compares whole seconds, and trusts an entry that is older than the index. A file that was
/// changed within the second of the last index would count as unchanged once the index is written
/// again. The library does this by itself, but in nanoseconds, which is not enough for git.
fn smudge(index: &mut Index) -> Result<(), git2::Error> {
    let written = index.path().and_then(|path| fs::metadata(path).ok()).map(|metadata| metadata.mtime());
    let Some(written) = written else {
        return Ok(());
    };
    let racy: Vec<IndexEntry> = index
        .iter()
        .filter(|entry| entry.flags & STAGE == 0 && i64::from(entry.mtime.seconds()) >= written)
        .collect();
    for mut entry in racy {
        entry.file_size = 0;
        index.add(&entry)?;
    }
    Ok(())
}

/// An entry as `git update-index --cacheinfo` makes it: git compares the contents when it next
/// looks, since the size is zero.
fn entry(path: &str, id: Oid) -> IndexEntry {
    let never = IndexTime::new(0, 0);
    IndexEntry {
        ctime: never,
        mtime: never,
        dev: 0,
        ino: 0,
        mode: FILE,
        uid: 0,
        gid: 0,
        file_size: 0,
        id,
        flags: 0,
        flags_extended: 0,
        path: path.as_bytes().to_vec(),
    }
}
