// SPDX-License-Identifier: AGPL-3.0-or-later
//! A copy of a remote for the length of one command.

use std::path::Path;

use tempfile::TempDir;

use crate::{GitError, Mirror, RemoteSpec};

/// A mirror in a temporary directory that goes when this is dropped.
pub struct TempMirror {
    mirror: Mirror,
    /// Dropped last.
    _dir: TempDir,
}

impl TempMirror {
    /// Copies the watched branch, and the status branch if there is one, below `parent`.
    pub fn fetch(parent: &Path, spec: RemoteSpec) -> Result<Self, GitError> {
        let dir = tempfile::Builder::new()
            .prefix("shoal-git-")
            .tempdir_in(parent)
            .map_err(GitError::io("make a directory in", parent))?;
        let mirror = Mirror::open_or_init(dir.path(), spec)?;
        mirror.fetch()?;
        mirror.fetch_status()?;
        Ok(Self { mirror, _dir: dir })
    }

    /// The copy.
    pub fn mirror(&self) -> &Mirror {
        &self.mirror
    }
}
