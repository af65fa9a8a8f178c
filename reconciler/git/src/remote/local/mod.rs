// SPDX-License-Identifier: AGPL-3.0-or-later
//! A remote that is a directory of this machine.
//!
//! Not libgit2's local transport, for three reasons: that one copies every branch of the remote at
//! each fetch whatever was asked for, so that a mirror grows without bound; it writes a pushed
//! reference without comparing it under the lock, so that of two writers one is lost; and it hides
//! why a repository could not be opened.
//!
//! Guarantees: only the wanted branch's objects are copied; a pushed branch moves by
//! compare-and-swap under its lock file, after its pack is on disk.
//! Caveats: hooks of the remote do not run, as with any direct write. Packs pushed here are left to
//! the `git gc --auto` of whoever serves the repository.

mod transfer;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use git2::{ErrorCode, Oid, Repository, RepositoryOpenFlags};
use transfer::{SendError, copy, send};

use super::{GitRemote, PushOutcome, RefUpdate, RemoteTip, UpdateKind, head_ref};
use crate::error::{MAX_BRANCHES_NAMED, plain};
use crate::open::{open_error, open_mirror};
use crate::{Cause, CommitId, GitError, RemoteUrl};

pub(super) struct LocalRemote {
    url: RemoteUrl,
    path: PathBuf,
}

impl LocalRemote {
    pub(super) fn new(url: RemoteUrl, path: PathBuf) -> Self {
        Self { url, path }
    }

    fn open(&self) -> Result<Repository, GitError> {
        // No search upwards: the address names the repository itself.
        Repository::open_ext(&self.path, RepositoryOpenFlags::NO_SEARCH, std::iter::empty::<&Path>()).map_err(
            |error| match error.code() {
                ErrorCode::NotFound => {
                    GitError::NotFound { url: self.url.clone(), source: Cause::of(&error) }
                }
                _ => open_error(&error, &self.path),
            },
        )
    }

    fn failed(&self, action: &'static str) -> impl Fn(git2::Error) -> GitError + '_ {
        move |error| GitError::Remote { action, url: self.url.clone(), source: Cause::of(&error) }
    }

    fn missing(&self, theirs: &Repository, branch: &str) -> Result<GitError, git2::Error> {
        let mut existing = BTreeSet::new();
        for name in theirs.references_glob("refs/heads/*")?.names() {
            if let Ok(Some(branch)) = name.map(|name| name.strip_prefix("refs/heads/")) {
                existing.insert(branch.to_owned());
            }
        }
        Ok(if existing.is_empty() {
            GitError::EmptyRepository { repository: self.url.to_string() }
        } else {
            GitError::BranchMissing {
                repository: self.url.to_string(),
                branch: branch.to_owned(),
                existing: existing.into_iter().take(MAX_BRANCHES_NAMED).collect(),
            }
        })
    }
}

impl GitRemote for LocalRemote {
    fn fetch(&self, into: &Path, branch: Option<&str>, beside: &str) -> Result<RemoteTip, GitError> {
        let theirs = self.open()?;
        let failed = self.failed("fetch from");
        let branch = match branch {
            Some(branch) => branch.to_owned(),
            None => default_branch(&theirs).unwrap_or_else(|| "main".to_owned()),
        };
        let name = head_ref(&branch)?;
        let tip = match theirs.find_reference(&name) {
            Ok(reference) => reference.peel_to_commit().map_err(&failed)?.id(),
            Err(error) if error.code() == ErrorCode::NotFound => {
                return Err(self.missing(&theirs, &branch).map_err(&failed)?);
            }
            Err(error) => return Err(failed(error)),
        };
        let beside = tip_of(&theirs, &head_ref(beside)?).map_err(&failed)?;
        let ours = open_mirror(into)?;
        if !ours.odb().map_err(&failed)?.exists(tip) {
            copy(&theirs, &ours, tip).map_err(&failed)?;
        }
        Ok(RemoteTip { branch, commit: CommitId::of(tip), beside: beside.map(CommitId::of) })
    }

    fn push(&self, from: &Path, update: &RefUpdate) -> Result<PushOutcome, GitError> {
        let name = head_ref(&update.branch)?;
        let theirs = self.open()?;
        let failed = self.failed("push to");
        if !theirs.is_bare() && head_name(&theirs).as_deref() == Some(&name) {
            return Ok(PushOutcome::Rejected { reason: "the branch is checked out there".to_owned() });
        }
        let ours = open_mirror(from)?;
        let new = update.new.to_oid();
        let expected = update.expected.map(CommitId::to_oid);
        // Before any work: most races are lost here already.
        let present = tip_of(&theirs, &name).map_err(&failed)?;
        if present != expected {
            return Ok(moved());
        }
        if update.kind == UpdateKind::FastForward
            && let Some(old) = expected
            && new != old
            && !ours.graph_descendant_of(new, old).map_err(&failed)?
        {
            return Ok(PushOutcome::Rejected { reason: "non-fast-forward".to_owned() });
        }
        send(&ours, &theirs, new, expected).map_err(|error| match error {
            SendError::Read(error) => failed(error),
            SendError::Write(error) => error,
        })?;
        // An expected name of zero means "must not exist", compared under the lock.
        let swap = theirs.reference_matching(&name, new, true, expected.unwrap_or(Oid::ZERO_SHA1), "push");
        match swap {
            Ok(_) => Ok(PushOutcome::Accepted),
            Err(error) => match error.code() {
                ErrorCode::Modified | ErrorCode::NotFound | ErrorCode::Exists => Ok(moved()),
                ErrorCode::Locked => Ok(PushOutcome::Rejected { reason: plain(error.message()) }),
                _ => Err(failed(error)),
            },
        }
    }
}

/// Where a branch stands, if it is there.
fn tip_of(repository: &Repository, name: &str) -> Result<Option<Oid>, git2::Error> {
    match repository.refname_to_id(name) {
        Ok(id) => Ok(Some(id)),
        Err(error) if error.code() == ErrorCode::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn moved() -> PushOutcome {
    PushOutcome::Rejected { reason: "the branch has moved".to_owned() }
}

fn head_name(repository: &Repository) -> Option<String> {
    let head = repository.find_reference("HEAD").ok()?;
    Some(head.symbolic_target().ok()??.to_owned())
}

fn default_branch(repository: &Repository) -> Option<String> {
    Some(head_name(repository)?.strip_prefix("refs/heads/")?.to_owned())
}

#[cfg(test)]
mod tests;
