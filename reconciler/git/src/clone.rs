// SPDX-License-Identifier: AGPL-3.0-or-later
//! A repository on an operator's machine or in continuous integration: a work tree or a bare one.
//!
//! Guarantees: opening and reading change nothing. Only [`CloneView::write`] writes, see there.

use std::path::{Path, PathBuf};

use git2::{ErrorCode, Repository};

use crate::mirror::RemoteSpec;
use crate::open::open_error;
use crate::remote::head_ref;
use crate::{CommitId, GitError, Reader, RemoteUrl};

/// The remote that is meant unless the clone has only another one.
const ORIGIN: &str = "origin";

/// An existing repository.
pub struct CloneView {
    git_dir: PathBuf,
    root: PathBuf,
    bare: bool,
}

/// The status branch as a clone has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusRef {
    /// Its full name: `refs/remotes/origin/shoal/status`.
    pub name: String,
    /// Its tip as of the last `git fetch`.
    pub commit: CommitId,
}

impl CloneView {
    /// Opens the repository that a directory is in, looking upwards.
    ///
    /// Errors: there is none; it belongs to another user; it has SHA-256 names.
    pub fn discover(start: &Path) -> Result<Self, GitError> {
        let repository = Repository::discover(start).map_err(|error| open_error(&error, start))?;
        let git_dir = repository.path().to_owned();
        let root = repository.workdir().unwrap_or(&git_dir).to_owned();
        Ok(Self { bare: repository.is_bare(), git_dir, root })
    }

    /// The work tree, or the repository itself when it is bare.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Whether there is no work tree.
    pub fn is_bare(&self) -> bool {
        self.bare
    }

    /// A reader for one thread.
    pub fn reader(&self) -> Result<Reader, GitError> {
        Reader::open(&self.git_dir, self.root.display().to_string())
    }

    /// The branch that is checked out, or `None` when HEAD stands on a commit.
    pub fn branch(&self) -> Result<Option<String>, GitError> {
        branch_of(&self.open()?).map_err(GitError::local("read HEAD of", self.shown()))
    }

    /// The commit that is checked out.
    ///
    /// Errors: there is no commit yet.
    pub fn head(&self) -> Result<CommitId, GitError> {
        match self.open()?.head().and_then(|head| head.peel_to_commit()) {
            Ok(commit) => Ok(CommitId::of(commit.id())),
            Err(error) if matches!(error.code(), ErrorCode::UnbornBranch | ErrorCode::NotFound) => {
                Err(GitError::EmptyRepository { repository: self.shown() })
            }
            Err(error) => Err(GitError::local("read HEAD of", self.shown())(error)),
        }
    }

    /// The status branch, as the remote had it at the last `git fetch`, or as a branch of this
    /// repository. `None`: see [`CloneView::fetch_hint`].
    pub fn status(&self, branch: &str) -> Result<Option<StatusRef>, GitError> {
        let local = head_ref(branch)?;
        let repository = self.open()?;
        let remote = remote_name(&repository);
        for name in [format!("refs/remotes/{remote}/{branch}"), local] {
            match repository.refname_to_id(&name) {
                Ok(id) => {
                    return Ok(Some(StatusRef { name, commit: CommitId::of(id) }));
                }
                Err(error) if error.code() == ErrorCode::NotFound => {}
                Err(error) => {
                    return Err(GitError::local("read branches of", self.shown())(error));
                }
            }
        }
        Ok(None)
    }

    /// The command that brings the status branch into this clone.
    pub fn fetch_hint(&self, branch: &str) -> Result<String, GitError> {
        let remote = remote_name(&self.open()?);
        let dir = quote(&self.root.display().to_string());
        Ok(format!("git -C {dir} fetch {remote} +refs/heads/{branch}:refs/remotes/{remote}/{branch}"))
    }

    /// The address that this clone came from, if it can be used.
    pub fn remote_url(&self) -> Result<Option<RemoteUrl>, GitError> {
        let repository = self.open()?;
        let url = repository
            .find_remote(&remote_name(&repository))
            .ok()
            .and_then(|remote| remote.url().ok().map(str::to_owned));
        Ok(url.and_then(|url| RemoteUrl::parse(&url).ok()))
    }

    pub(crate) fn open(&self) -> Result<Repository, GitError> {
        Repository::open(&self.git_dir).map_err(|error| open_error(&error, &self.git_dir))
    }

    pub(crate) fn shown(&self) -> String {
        self.root.display().to_string()
    }
}

/// The usual name of the status branch, for callers without a Fleet at hand.
impl CloneView {
    /// [`RemoteSpec::STATUS_BRANCH`].
    pub const STATUS_BRANCH: &str = RemoteSpec::STATUS_BRANCH;
}

/// The branch that HEAD names, born or not.
pub(crate) fn branch_of(repository: &Repository) -> Result<Option<String>, git2::Error> {
    let head = repository.find_reference("HEAD")?;
    Ok(head.symbolic_target()?.and_then(|name| name.strip_prefix("refs/heads/")).map(str::to_owned))
}

fn remote_name(repository: &Repository) -> String {
    let names: Vec<String> = repository
        .remotes()
        .map(|names| names.iter().filter_map(|name| name.ok().flatten().map(str::to_owned)).collect())
        .unwrap_or_default();
    match names.as_slice() {
        [only] => only.clone(),
        _ => ORIGIN.to_owned(),
    }
}

/// A word for a shell.
pub(crate) fn quote(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:@%=,".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::quote;

    #[test]
    fn a_word_for_a_shell_is_quoted_when_it_has_to_be() {
        assert_eq!(quote("/srv/a.git"), "/srv/a.git");
        assert_eq!(quote("/srv/my fleet"), "'/srv/my fleet'");
        assert_eq!(quote("it's"), "'it'\\''s'");
        assert_eq!(quote(""), "''");
    }
}
