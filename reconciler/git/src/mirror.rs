// SPDX-License-Identifier: AGPL-3.0-or-later
//! A bare copy of a remote repository, from which the inventory is read.
//!
//! Expected flow: [`Mirror::open_or_init`] once; [`Mirror::fetch`] whenever something may have
//! changed; [`Mirror::reader`] to look at the tip it answers with.
//!
//! Guarantees: only the watched branch and the status branch are fetched, each by its own call and
//! refspec, without tags; a commit that was fetched once stays readable, so that the last good state
//! can stay in force when a branch is rewritten or the remote is gone; nothing of the remote is
//! executed, checked out or written outside the directory.
//! Assumptions: one process at a time uses the directory, which belongs to it alone.
//! Caveats: each fetch and each status commit adds a pack; [`Mirror::maintain`] merges them.
//! Commits of a rewritten branch are never dropped. The directory is a copy: it may be removed
//! whenever the program does not run.

mod maintain;
mod setup;
mod shared;

pub use maintain::Maintenance;
pub(crate) use shared::Shared;

use std::path::Path;
use std::sync::{Arc, RwLock, TryLockError};

use git2::Repository;

use crate::remote::{self, GitRemote, Timeouts, head_ref};
use crate::status::StatusWriter;
use crate::{CommitId, Credential, CredentialSource, GitError, Reader, RemoteUrl};

/// What is mirrored, and how.
#[derive(Clone)]
pub struct RemoteSpec {
    /// The repository.
    pub url: RemoteUrl,
    /// The watched branch; `None`: the branch that the remote's HEAD names.
    pub branch: Option<String>,
    /// The branch that status is written to.
    pub status_branch: String,
    /// Credentials to read with.
    pub credentials: Arc<dyn CredentialSource>,
    /// Credentials to write status with; `None`: the same.
    pub status_credentials: Option<Arc<dyn CredentialSource>>,
    /// How long the remote may be silent.
    pub timeouts: Timeouts,
}

impl RemoteSpec {
    /// The name of the status branch unless another is chosen.
    pub const STATUS_BRANCH: &str = "shoal/status";

    /// A repository with all the usual choices and no credentials.
    pub fn new(url: RemoteUrl) -> Self {
        Self {
            url,
            branch: None,
            status_branch: Self::STATUS_BRANCH.to_owned(),
            credentials: Arc::new(Credential::None),
            status_credentials: None,
            timeouts: Timeouts::default(),
        }
    }
}

/// What a fetch found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// The branch.
    pub branch: String,
    /// Its tip.
    pub tip: CommitId,
    /// The tip at the fetch before, if there was one.
    pub previous: Option<CommitId>,
    /// Whether the tip is another one than before.
    pub changed: bool,
    /// Whether the status branch stood elsewhere than this mirror thought. A publication that went on meanwhile
    /// moves it as well.
    pub status_moved: bool,
}

/// A bare mirror. May be shared between threads; each reads through a [`Reader`] of its own.
pub struct Mirror {
    shared: Arc<Shared>,
    remote: Arc<dyn GitRemote>,
    status_remote: Arc<dyn GitRemote>,
}

impl Mirror {
    /// Opens the mirror in a directory, or makes it there. Does not touch the network.
    ///
    /// A mirror of another address loses its branches, not its objects.
    /// Errors: the directory holds something else, belongs to another user, or is damaged.
    pub fn open_or_init(dir: &Path, spec: RemoteSpec) -> Result<Self, GitError> {
        let remote = remote::connect(&spec.url, Arc::clone(&spec.credentials), spec.timeouts);
        let status_remote = match &spec.status_credentials {
            None => Arc::clone(&remote),
            Some(own) => remote::connect(&spec.url, Arc::clone(own), spec.timeouts),
        };
        Self::with_remotes(dir, spec, remote, status_remote)
    }

    /// The same over other implementations of the network side.
    pub fn with_remotes(
        dir: &Path,
        spec: RemoteSpec,
        remote: Arc<dyn GitRemote>,
        status_remote: Arc<dyn GitRemote>,
    ) -> Result<Self, GitError> {
        if let Some(branch) = &spec.branch {
            head_ref(branch)?;
        }
        head_ref(&spec.status_branch)?;
        let shared = Shared {
            dir: dir.to_owned(),
            url: spec.url,
            branch: spec.branch,
            status_branch: spec.status_branch,
            at_work: RwLock::new(()),
        };
        if let Some(branch) = &shared.branch {
            shared.keep_apart(branch)?;
        }
        setup::prepare(&shared)?;
        Ok(Self { shared: Arc::new(shared), remote, status_remote })
    }

    /// Fetches the watched branch.
    pub fn fetch(&self) -> Result<Fetched, GitError> {
        let _at_work = self.shared.work();
        let tip =
            self.remote.fetch(&self.shared.dir, self.shared.branch.as_deref(), &self.shared.status_branch)?;
        self.shared.keep_apart(&tip.branch)?;
        let repository = self.shared.open()?;
        if self.shared.branch.is_none() {
            self.shared.remember_default(&repository, &tip.branch)?;
        }
        let name = head_ref(&tip.branch)?;
        // So that HEAD~1 means what people expect.
        repository
            .reference_symbolic("HEAD", &name, true, "fetch")
            .map_err(GitError::local("set HEAD of", self.shared.shown()))?;
        self.moved(&repository, &tip)
    }

    /// Fetches another branch, to read it at a revision; it is not watched.
    pub fn fetch_branch(&self, branch: &str) -> Result<Fetched, GitError> {
        head_ref(branch)?;
        let _at_work = self.shared.work();
        let tip = self.remote.fetch(&self.shared.dir, Some(branch), &self.shared.status_branch)?;
        self.moved(&self.shared.open()?, &tip)
    }

    /// Fetches the status branch. `None`: the remote has none (any more).
    pub fn fetch_status(&self) -> Result<Option<Fetched>, GitError> {
        let _at_work = self.shared.work();
        self.shared.fetch_status(&*self.status_remote)
    }

    /// What was fetched of the status branch could not be looked at: it stands where it stood before, so that it is
    /// looked at again before anything is written on top of it.
    pub fn status_not_seen(&self, fetched: &Fetched) -> Result<(), GitError> {
        let _at_work = self.shared.work();
        self.shared.put_back(&self.shared.open()?, &fetched.branch, fetched.previous)
    }

    /// The watched branch and its tip as of the last fetch, or `None` before the first.
    pub fn watched(&self) -> Result<Option<(String, CommitId)>, GitError> {
        let repository = self.shared.open()?;
        let Some(branch) = self.shared.watched_branch(&repository) else {
            return Ok(None);
        };
        Ok(self.shared.tip(&repository, &branch)?.map(|tip| (branch, tip)))
    }

    /// The tip of the status branch as of the last fetch or push.
    pub fn status_tip(&self) -> Result<Option<CommitId>, GitError> {
        let repository = self.shared.open()?;
        self.shared.tip(&repository, &self.shared.status_branch)
    }

    /// A reader for one thread.
    pub fn reader(&self) -> Result<Reader, GitError> {
        self.shared.reader()
    }

    /// The writer of the status branch.
    pub fn status_writer(&self) -> StatusWriter {
        StatusWriter::new(Arc::clone(&self.shared), Arc::clone(&self.status_remote))
    }

    /// The address of the repository.
    pub fn url(&self) -> &RemoteUrl {
        &self.shared.url
    }

    /// Merges packs, when there are many. Cheap when there are few; call it now and then.
    ///
    /// Does nothing while a fetch or a publication is going on.
    pub fn maintain(&self) -> Result<Maintenance, GitError> {
        self.merge(maintain::Round::WHOLE)
    }

    /// The same of small packs only, so that nobody who waits for the mirror notices.
    pub fn maintain_small(&self) -> Result<Maintenance, GitError> {
        self.merge(maintain::Round::SMALL)
    }

    fn merge(&self, round: maintain::Round) -> Result<Maintenance, GitError> {
        // Never waits for the lock, so that those who hold it may take it again.
        let _alone = match self.shared.at_work.try_write() {
            Ok(alone) => alone,
            // A panic during an earlier merge left at worst a superfluous pack.
            Err(TryLockError::Poisoned(alone)) => alone.into_inner(),
            Err(TryLockError::WouldBlock) => return maintain::nothing(&self.shared.dir),
        };
        maintain::run(&self.shared.dir, round)
    }

    fn moved(&self, repository: &Repository, tip: &remote::RemoteTip) -> Result<Fetched, GitError> {
        let status_moved = tip.beside != self.shared.tip(repository, &self.shared.status_branch)?;
        Ok(Fetched { status_moved, ..self.shared.record(repository, &tip.branch, tip.commit)? })
    }
}
