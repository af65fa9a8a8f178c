// SPDX-License-Identifier: AGPL-3.0-or-later
//! Files of a work tree: all checked first, then each replaced in one step.

use std::fs::{self, Permissions};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use super::WorktreeError;
use crate::GitError;
use crate::edit::Files;

/// Permissions of a new file, less the umask.
const MODE: u32 = 0o666;

/// Writes and removals that were found possible.
pub(super) struct Plan<'a> {
    root: &'a Path,
    steps: Vec<(&'a str, Option<&'a [u8]>)>,
}

impl<'a> Plan<'a> {
    /// Checks all paths; those that already are as wanted are left out.
    pub(super) fn new(root: &'a Path, files: &'a Files, overwrite: bool) -> Result<Self, WorktreeError> {
        let mut steps = Vec::new();
        for (path, content) in files {
            let present = look(root, path)?;
            let wanted = content.as_deref();
            if present.as_deref() == wanted {
                continue;
            }
            // A removal names what it removes; only replacing is a surprise.
            if present.is_some() && wanted.is_some() && !overwrite {
                return Err(WorktreeError::Exists { path: path.clone() });
            }
            steps.push((path.as_str(), wanted));
        }
        Ok(Self { root, steps })
    }

    /// Carries them out. Answers the paths.
    pub(super) fn run(self) -> Result<Vec<String>, WorktreeError> {
        for (path, content) in &self.steps {
            let full = self.root.join(path);
            match content {
                Some(bytes) => write(&full, bytes)?,
                None => remove(self.root, &full)?,
            }
        }
        Ok(self.steps.iter().map(|(path, _)| (*path).to_owned()).collect())
    }
}

/// What a path holds now, if it can be reached without leaving the work tree.
fn look(root: &Path, path: &str) -> Result<Option<Vec<u8>>, WorktreeError> {
    let elsewhere = |why| WorktreeError::Elsewhere { path: path.to_owned(), why };
    let mut full = PathBuf::from(root);
    let mut parts = path.split('/').peekable();
    while let Some(part) = parts.next() {
        full.push(part);
        let kind = match fs::symlink_metadata(&full) {
            Ok(metadata) => metadata.file_type(),
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(GitError::io("look at", full)(error).into()),
        };
        if kind.is_symlink() {
            return Err(elsewhere("a symbolic link is in the way"));
        }
        if parts.peek().is_none() {
            if !kind.is_file() {
                return Err(elsewhere("something else than a file is there"));
            }
            let bytes = fs::read(&full).map_err(GitError::io("read", full))?;
            return Ok(Some(bytes));
        }
        if !kind.is_dir() {
            return Err(elsewhere("a file is where a directory must be"));
        }
        if full.join(".git").exists() {
            return Err(elsewhere("it belongs to another repository"));
        }
    }
    Ok(None)
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), GitError> {
    let parent = path.parent().unwrap_or(path);
    fs::create_dir_all(parent).map_err(GitError::io("make directory", parent))?;
    let mut file = tempfile::Builder::new()
        .prefix(".shoal-")
        .permissions(Permissions::from_mode(MODE))
        .tempfile_in(parent)
        .map_err(GitError::io("make a file in", parent))?;
    file.write_all(bytes).and_then(|()| file.as_file().sync_all()).map_err(GitError::io("write", path))?;
    file.persist(path).map_err(|error| GitError::io("write", path)(error.error))?;
    Ok(())
}

/// Removes a file, and the directories that are empty then, as git does.
fn remove(root: &Path, path: &Path) -> Result<(), GitError> {
    fs::remove_file(path).map_err(GitError::io("remove", path))?;
    for parent in path.ancestors().skip(1) {
        // The first that is not empty ends it.
        if parent == root || fs::remove_dir(parent).is_err() {
            break;
        }
    }
    Ok(())
}
