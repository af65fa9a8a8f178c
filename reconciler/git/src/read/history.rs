// SPDX-License-Identifier: AGPL-3.0-or-later
//! Facts about commits: who, when, and what comes from what.

use git2::{ErrorCode, Oid, Repository, Tree};

use super::{Reader, entry_at, missing};
use crate::{CommitId, GitError, TreeId};

/// What a commit says about itself. Texts are as the author wrote them: escape them before printing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitInfo {
    /// The commit.
    pub id: CommitId,
    /// Its tree.
    pub tree: TreeId,
    /// What it was made from, first parent first.
    pub parents: Vec<CommitId>,
    /// Name of the author.
    pub author_name: String,
    /// Address of the author.
    pub author_email: String,
    /// When it was written, in seconds since 1970 by the author's clock.
    pub author_time: i64,
    /// Name of who committed it.
    pub committer_name: String,
    /// Address of who committed it.
    pub committer_email: String,
    /// When it was committed, in seconds since 1970 by the committer's clock.
    pub commit_time: i64,
    /// First line of the message.
    pub subject: String,
    /// The whole message.
    pub message: String,
}

impl Reader {
    /// What a commit says about itself.
    pub fn commit_info(&self, id: CommitId) -> Result<CommitInfo, GitError> {
        self.with(|repository| {
            let commit = repository.find_commit(id.to_oid())?;
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            let (author, committer) = (commit.author(), commit.committer());
            let message = text(commit.message_bytes());
            Ok(CommitInfo {
                id,
                tree: TreeId::of(commit.tree_id()),
                parents: commit.parent_ids().map(CommitId::of).collect(),
                author_name: text(author.name_bytes()),
                author_email: text(author.email_bytes()),
                author_time: author.when().seconds(),
                committer_name: text(committer.name_bytes()),
                committer_email: text(committer.email_bytes()),
                commit_time: committer.when().seconds(),
                subject: message.lines().next().unwrap_or_default().to_owned(),
                message,
            })
        })
        .map_err(missing("commit", id))
    }

    /// Whether `new` contains `old`: it is the same commit or has it among its ancestors.
    ///
    /// A tip that does not contain the last accepted commit is a rewritten branch.
    /// Errors: either commit is not there.
    pub fn is_descendant(&self, new: CommitId, old: CommitId) -> Result<bool, GitError> {
        // The library answers "no" for a commit that it does not have.
        self.tree_of(old)?;
        self.tree_of(new)?;
        if new == old {
            return Ok(true);
        }
        self.with(|repository| repository.graph_descendant_of(new.to_oid(), old.to_oid()))
            .map_err(GitError::local("compare histories of", format!("{old} and {new}")))
    }

    /// The best common ancestor of two commits, if they have any.
    pub fn merge_base(&self, a: CommitId, b: CommitId) -> Result<Option<CommitId>, GitError> {
        self.tree_of(a)?;
        self.tree_of(b)?;
        self.with(|repository| match repository.merge_base(a.to_oid(), b.to_oid()) {
            Ok(id) => Ok(Some(CommitId::of(id))),
            Err(error) if error.code() == ErrorCode::NotFound => Ok(None),
            Err(error) => Err(error),
        })
        .map_err(GitError::local("find the common ancestor of", format!("{a} and {b}")))
    }

    /// The commit that gave a file (or directory) the contents it has at `tip`: what
    /// `git log -1 -- PATH` names.
    ///
    /// Looks at no more than `bound` commits; `None`: it lies further back, or there is no such path.
    pub fn last_commit_touching(
        &self,
        path: &str,
        tip: CommitId,
        bound: usize,
    ) -> Result<Option<CommitId>, GitError> {
        self.with(|repository| last_touching(repository, path, tip.to_oid(), bound))
            .map(|found| found.map(CommitId::of))
            .map_err(missing("commit", tip))
    }
}

fn last_touching(
    repository: &Repository,
    path: &str,
    tip: Oid,
    bound: usize,
) -> Result<Option<Oid>, git2::Error> {
    let mut commit = repository.find_commit(tip)?;
    let Some(wanted) = entry_at(&commit.tree()?, path)? else {
        return Ok(None);
    };
    let mut looked_at = 1;
    'commits: loop {
        for parent in commit.parents() {
            if looked_at >= bound {
                return Ok(None);
            }
            looked_at += 1;
            let tree: Tree<'_> = parent.tree()?;
            // A parent with the same contents explains them, whatever the other parents say.
            if entry_at(&tree, path)? == Some(wanted) {
                commit = parent;
                continue 'commits;
            }
        }
        return Ok(Some(commit.id()));
    }
}
