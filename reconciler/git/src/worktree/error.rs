// SPDX-License-Identifier: AGPL-3.0-or-later
//! Why a change in a work tree was not made.

use crate::GitError;
use crate::clone::quote;
use crate::edit::InvalidPath;
use crate::status::InvalidMessage;

/// Why nothing was written or committed.
#[derive(Debug, thiserror::Error)]
pub enum WorktreeError {
    /// The repository failed.
    #[error(transparent)]
    Git(#[from] GitError),
    /// A path cannot be written.
    #[error(transparent)]
    Path(#[from] InvalidPath),
    /// The message cannot be written.
    #[error(transparent)]
    Message(#[from] InvalidMessage),
    /// There is no work tree.
    #[error("repository {repository} is bare: there is no work tree to write to")]
    Bare {
        /// The repository.
        repository: String,
    },
    /// Another file is there.
    #[error("{path} exists with other contents")]
    Exists {
        /// The path.
        path: String,
    },
    /// The path leads elsewhere.
    #[error("{path} is not written: {why}")]
    Elsewhere {
        /// The path.
        path: String,
        /// Where to.
        why: &'static str,
    },
    /// git does not know who commits.
    #[error("git does not know who you are: {missing} is not set")]
    NoIdentity {
        /// `user.name` or `user.email`.
        missing: &'static str,
    },
    /// Commits are to be signed, which this library cannot.
    #[error("commit.gpgsign is set, and commits made here are not signed")]
    Signing,
    /// HEAD is on no branch.
    #[error("HEAD of {repository} is on no branch")]
    Detached {
        /// The repository.
        repository: String,
    },
    /// The new branch is there already.
    #[error("branch {branch} exists already")]
    BranchExists {
        /// The branch.
        branch: String,
    },
    /// A merge, rebase or the like is not finished.
    #[error("{what} is in progress in {repository}")]
    InProgress {
        /// "a merge", "a rebase".
        what: &'static str,
        /// The repository.
        repository: String,
    },
    /// Somebody else works with the index, or committed meanwhile.
    #[error("another git process is at work in {repository}")]
    Busy {
        /// The repository.
        repository: String,
    },
}

impl WorktreeError {
    /// What the operator can do about it.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Git(error) => return error.hint(),
            Self::Bare { .. } => "run it in a clone with a work tree".to_owned(),
            Self::Exists { path } => {
                format!("look at {path}; remove it, or say that it may be replaced")
            }
            Self::NoIdentity { missing } => {
                let example = if *missing == "user.name" { "'Your Name'" } else { "you@example.org" };
                format!("git config --global {missing} {example}")
            }
            Self::Signing => {
                "let the files be written without a commit, then: git add and git commit -S".to_owned()
            }
            Self::Detached { .. } => "git switch -c NAME".to_owned(),
            Self::BranchExists { branch } => {
                format!("git switch {}, or name another branch", quote(branch))
            }
            Self::InProgress { .. } => "finish or abort it first".to_owned(),
            Self::Busy { .. } => "wait for it; if none runs, remove .git/index.lock and try again".to_owned(),
            Self::Path(_) | Self::Message(_) | Self::Elsewhere { .. } => return None,
        })
    }
}
