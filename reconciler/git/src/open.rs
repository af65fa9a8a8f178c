// SPDX-License-Identifier: AGPL-3.0-or-later
//! Opening a repository, and why it could not be done.

use std::path::Path;

use git2::{Error, ErrorCode, Repository};

use crate::{Cause, GitError};

/// Turns the library's refusal into an error that says what to do.
pub(crate) fn open_error(error: &Error, path: &Path) -> GitError {
    if error.code() == ErrorCode::Owner {
        return GitError::Ownership { path: path.display().to_string(), source: Cause::of(error) };
    }
    if is_sha256(error) {
        return GitError::Sha256 { repository: path.display().to_string() };
    }
    if error.code() == ErrorCode::NotFound {
        return GitError::NotARepository { path: path.to_owned() };
    }
    GitError::Local {
        action: "open repository",
        subject: path.display().to_string(),
        source: Cause::of(error),
    }
}

/// Opens the bare repository of a mirror.
pub(crate) fn open_mirror(dir: &Path) -> Result<Repository, GitError> {
    Repository::open_bare(dir).map_err(|error| match open_error(&error, dir) {
        known @ (GitError::Ownership { .. } | GitError::Sha256 { .. }) => known,
        _ => GitError::MirrorDamaged { path: dir.to_owned(), source: Cause::of(&error) },
    })
}

/// The library has no code of its own for it, neither for a local repository nor for a remote one.
pub(crate) fn is_sha256(error: &Error) -> bool {
    let text = error.message().to_ascii_lowercase();
    text.contains("objectformat") || text.contains("object format")
}
