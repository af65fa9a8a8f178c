// SPDX-License-Identifier: AGPL-3.0-or-later
//! From what people write to a commit.

use git2::{ErrorCode, Object, ObjectType, Repository};

use super::Reader;
use crate::error::plain;
use crate::{CommitId, GitError};

/// Where else a name is looked for: continuous integration checks out a detached commit and has the
/// base branch only as a remote-tracking one.
const REMOTE: &str = "refs/remotes/origin/";

impl Reader {
    /// The commit that a revision names: a branch, a tag, a full or abbreviated name, `HEAD~1`,
    /// `origin/main`.
    ///
    /// In a mirror `origin/main` is the mirror's `main`; in a clone `main` is `origin/main` when
    /// there is no local branch of that name.
    pub fn resolve(&self, rev: &str) -> Result<CommitId, GitError> {
        let (shown, name) = (plain(rev), self.name().to_owned());
        self.with(|repository| resolve(repository, rev)).map(CommitId::of).map_err(|error| {
            match error.code() {
                ErrorCode::Ambiguous => GitError::AmbiguousRevision { rev: shown, repository: name },
                ErrorCode::NotFound | ErrorCode::InvalidSpec | ErrorCode::UnbornBranch | ErrorCode::Peel => {
                    GitError::UnknownRevision { rev: shown, repository: name }
                }
                _ => GitError::local("resolve revision", shown)(error),
            }
        })
    }
}

fn resolve(repository: &Repository, rev: &str) -> Result<git2::Oid, git2::Error> {
    if rev.is_empty() || rev.contains('\0') {
        return Err(git2::Error::new(ErrorCode::InvalidSpec, git2::ErrorClass::Invalid, "empty revision"));
    }
    let commit = |object: Object<'_>| Ok(object.peel(ObjectType::Commit)?.id());
    let first = match repository.revparse_single(rev) {
        Ok(object) => return commit(object),
        Err(error) => error,
    };
    if first.code() != ErrorCode::NotFound {
        return Err(first);
    }
    let other = match rev.strip_prefix("origin/") {
        Some(branch) => format!("refs/heads/{branch}"),
        None => format!("{REMOTE}{rev}"),
    };
    repository.revparse_single(&other).map_err(|_| first).and_then(commit)
}
