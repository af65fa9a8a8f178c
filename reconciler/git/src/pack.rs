// SPDX-License-Identifier: AGPL-3.0-or-later
//! Packs: written where they are wanted, and on disk before anything refers to them.

use std::fs::File;
use std::path::{Path, PathBuf};

use git2::PackBuilder;

use crate::GitError;

/// Permissions of a pack: read-only, as git makes them.
const MODE: u32 = 0o444;

/// The pack directory of a git directory.
pub(crate) fn directory(git_dir: &Path) -> PathBuf {
    git_dir.join("objects").join("pack")
}

/// Writes a pack and its index into a pack directory, and waits until both are on disk.
/// Answers the pack's name without `pack-` and ending.
pub(crate) fn write(builder: &mut PackBuilder<'_>, dir: &Path) -> Result<String, GitError> {
    let failed = |error| GitError::local("write a pack into", dir.display().to_string())(error);
    builder.write(dir, MODE).map_err(failed)?;
    let name = builder.name().map_err(failed)?.unwrap_or_default().to_owned();
    for end in ["pack", "idx"] {
        sync(&dir.join(format!("pack-{name}.{end}")))?;
    }
    sync(dir)?;
    Ok(name)
}

/// Waits until a file or directory is on disk.
pub(crate) fn sync(path: &Path) -> Result<(), GitError> {
    File::open(path).and_then(|file| file.sync_all()).map_err(GitError::io("flush", path))
}
