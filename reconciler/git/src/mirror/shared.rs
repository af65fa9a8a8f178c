// SPDX-License-Identifier: AGPL-3.0-or-later
//! What the mirror and its status writer have in common: the directory and the branches in it.

use std::path::PathBuf;
use std::sync::{PoisonError, RwLock, RwLockReadGuard};

use git2::{ErrorCode, Repository};

use super::Fetched;
use crate::open::open_mirror;
use crate::remote::{GitRemote, head_ref};
use crate::{CommitId, GitError, Reader, RemoteUrl};

/// Where the branch of the remote's HEAD is remembered.
pub(super) const DEFAULT_BRANCH: &str = "shoal.defaultbranch";

/// What the status writer needs of a mirror.
pub(crate) struct Shared {
    pub(crate) dir: PathBuf,
    pub(crate) url: RemoteUrl,
    pub(crate) branch: Option<String>,
    pub(crate) status_branch: String,
    /// Held for reading by whoever works on the repository, for writing while packs are merged.
    pub(super) at_work: RwLock<()>,
}

impl Shared {
    /// Keeps packs from being merged away for as long as it is held.
    pub(crate) fn work(&self) -> RwLockReadGuard<'_, ()> {
        self.at_work.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn open(&self) -> Result<Repository, GitError> {
        open_mirror(&self.dir)
    }

    pub(crate) fn reader(&self) -> Result<Reader, GitError> {
        Reader::open(&self.dir, self.url.to_string())
    }

    pub(crate) fn shown(&self) -> String {
        format!("mirror {}", self.dir.display())
    }

    /// Status must never be written where the inventory is read.
    pub(crate) fn keep_apart(&self, watched: &str) -> Result<(), GitError> {
        if watched == self.status_branch {
            return Err(GitError::StatusIsWatched { branch: watched.to_owned() });
        }
        Ok(())
    }

    pub(crate) fn watched_branch(&self, repository: &Repository) -> Option<String> {
        self.branch
            .clone()
            .or_else(|| repository.config().and_then(|config| config.get_string(DEFAULT_BRANCH)).ok())
    }

    pub(super) fn remember_default(&self, repository: &Repository, branch: &str) -> Result<(), GitError> {
        if self.watched_branch(repository).as_deref() == Some(branch) {
            return Ok(());
        }
        repository
            .config()
            .and_then(|mut config| config.set_str(DEFAULT_BRANCH, branch))
            .map_err(GitError::local("configure", self.shown()))
    }

    pub(crate) fn tip(&self, repository: &Repository, branch: &str) -> Result<Option<CommitId>, GitError> {
        match repository.refname_to_id(&head_ref(branch)?) {
            Ok(id) => Ok(Some(CommitId::of(id))),
            Err(error) if error.code() == ErrorCode::NotFound => Ok(None),
            Err(error) => Err(GitError::local("read branches of", self.shown())(error)),
        }
    }

    /// Notes where a branch of the remote stands. Of the status branch nothing is said.
    pub(crate) fn record(
        &self,
        repository: &Repository,
        branch: &str,
        tip: CommitId,
    ) -> Result<Fetched, GitError> {
        let previous = self.tip(repository, branch)?;
        let changed = previous != Some(tip);
        if changed {
            repository
                .reference(&head_ref(branch)?, tip.to_oid(), true, "fetch")
                .map_err(GitError::local("set a branch of", self.shown()))?;
        }
        Ok(Fetched { branch: branch.to_owned(), tip, previous, changed, status_moved: false })
    }

    pub(crate) fn fetch_status(&self, remote: &dyn GitRemote) -> Result<Option<Fetched>, GitError> {
        let fetched = remote.fetch(&self.dir, Some(&self.status_branch), &self.status_branch);
        let repository = self.open()?;
        match fetched {
            Ok(tip) => self.record(&repository, &tip.branch, tip.commit).map(Some),
            Err(GitError::BranchMissing { .. } | GitError::EmptyRepository { .. }) => {
                self.forget(&repository, &self.status_branch)?;
                Ok(None)
            }
            Err(other) => Err(other),
        }
    }

    /// A branch stands where it stood, or nowhere.
    pub(crate) fn put_back(
        &self,
        repository: &Repository,
        branch: &str,
        before: Option<CommitId>,
    ) -> Result<(), GitError> {
        match before {
            Some(tip) => self.record(repository, branch, tip).map(drop),
            None => self.forget(repository, branch),
        }
    }

    fn forget(&self, repository: &Repository, branch: &str) -> Result<(), GitError> {
        match repository.find_reference(&head_ref(branch)?) {
            Ok(mut reference) => {
                reference.delete().map_err(GitError::local("remove a branch of", self.shown()))
            }
            Err(error) if error.code() == ErrorCode::NotFound => Ok(()),
            Err(error) => Err(GitError::local("read branches of", self.shown())(error)),
        }
    }
}
