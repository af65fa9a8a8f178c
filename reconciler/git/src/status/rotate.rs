// SPDX-License-Identifier: AGPL-3.0-or-later
//! Starting the status branch's history over, once a year or so, to bound its size.
//!
//! Expected flow: the present tip is pushed to an archive branch; then the status branch is replaced,
//! under a lease, by one commit without parents that has the same files.
//!
//! Guarantees: the branch is replaced only when its whole history stands in the archive, and only if
//! nobody moved it meanwhile; run again after an interruption, it goes on where it stopped.
//! Caveats: the mirror keeps the old objects until it is made anew.

use git2::ObjectType;

use super::message::{Author, commit_text};
use super::writer::{StatusError, StatusWriter, memory};
use crate::remote::{PushOutcome, RefUpdate, UpdateKind, head_ref};
use crate::{CommitId, GitError};

/// What a rotation did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rotated {
    /// The tip that the archive branch stands at.
    pub archived: CommitId,
    /// The new root, and tip of the status branch.
    pub root: CommitId,
}

impl StatusWriter {
    /// Archives the status branch and starts it over with the same files.
    ///
    /// Errors: there is no status branch; the archive branch is taken, or exists and stands elsewhere
    /// ([`StatusError::Refused`]); somebody moved the status branch meanwhile
    /// ([`StatusError::Contended`]).
    pub fn rotate(
        &self,
        archive: &str,
        message: &str,
        trailers: &[(String, String)],
        author: &Author,
    ) -> Result<Rotated, StatusError> {
        let _at_work = self.shared.work();
        head_ref(archive)?;
        let repository = self.open()?;
        let watched = self.shared.watched_branch(&repository);
        if watched.as_deref() == Some(archive) || archive == self.branch() {
            return Err(StatusError::Refused {
                branch: archive.to_owned(),
                reason: "an archive needs a branch of its own".to_owned(),
            });
        }
        let tip = self.fetch()?.ok_or_else(|| GitError::BranchMissing {
            repository: self.shared.url.to_string(),
            branch: self.branch().to_owned(),
            existing: Vec::new(),
        })?;
        let failed = |error| GitError::local("rotate status in", self.shared.shown())(error);
        let tree = repository.find_commit(tip.to_oid()).map_err(failed)?.tree_id();
        let text = commit_text(tree, None, author, message, trailers)?;
        self.archive(archive, tip)?;

        let memory = memory().map_err(failed)?;
        let root =
            memory.odb().and_then(|odb| odb.write(ObjectType::Commit, text.as_bytes())).map_err(failed)?;
        self.store(&memory, root, &[])?;
        let update = RefUpdate {
            branch: self.branch().to_owned(),
            new: CommitId::of(root),
            expected: Some(tip),
            kind: UpdateKind::Replace,
        };
        let PushOutcome::Rejected { reason } = self.remote.push(&self.shared.dir, &update)? else {
            self.shared.record(&repository, self.branch(), update.new)?;
            return Ok(Rotated { archived: tip, root: update.new });
        };
        let branch = self.branch().to_owned();
        Err(if self.fetch()? == Some(tip) {
            StatusError::Refused { branch, reason }
        } else {
            StatusError::Contended { branch, attempts: 1 }
        })
    }

    fn archive(&self, branch: &str, tip: CommitId) -> Result<(), StatusError> {
        let update =
            RefUpdate { branch: branch.to_owned(), new: tip, expected: None, kind: UpdateKind::FastForward };
        let PushOutcome::Rejected { reason } = self.remote.push(&self.shared.dir, &update)? else {
            return Ok(());
        };
        match self.remote.fetch(&self.shared.dir, Some(branch), branch) {
            // Archived before an interruption.
            Ok(there) if there.commit == tip => Ok(()),
            Ok(_) | Err(GitError::BranchMissing { .. }) => {
                Err(StatusError::Refused { branch: branch.to_owned(), reason })
            }
            Err(other) => Err(other.into()),
        }
    }
}
