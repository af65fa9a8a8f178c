// SPDX-License-Identifier: AGPL-3.0-or-later
//! What can go wrong with a repository, told apart so that an operator knows what to do.
//!
//! Guarantees: no text of an error, its source or its hint shows credentials; texts from a server
//! are cut and stripped of control characters.

mod advice;

pub(crate) use advice::{FULL_SERVER, is_full};

use std::path::PathBuf;
use std::time::Duration;

use crate::credentials::CredentialError;
use crate::url::mask_urls;
use crate::{InvalidUrl, RemoteUrl};

/// Longest text taken over from a library or a server.
const MAX_TEXT: usize = 500;

/// How many branches are named when the wanted one is missing.
pub(crate) const MAX_BRANCHES_NAMED: usize = 20;

/// What the Git library said, masked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Cause {
    /// The library's message.
    pub message: String,
}

impl Cause {
    /// A cause from any text: masked, cut, on one line.
    pub fn new(text: &str) -> Self {
        Self { message: plain(text) }
    }

    pub(crate) fn of(error: &git2::Error) -> Self {
        Self::new(error.message())
    }
}

/// A text from outside made fit to print: masked, one line, bounded.
pub(crate) fn plain(text: &str) -> String {
    let line: String =
        mask_urls(text.trim()).chars().map(|c| if c.is_control() { ' ' } else { c }).take(MAX_TEXT).collect();
    line
}

/// A failed operation on a repository or its remote.
#[derive(Debug, thiserror::Error)]
pub enum GitError {
    /// The address cannot be used.
    #[error(transparent)]
    Url(#[from] InvalidUrl),
    /// The remote wants other credentials.
    #[error("remote {url} refused the credentials, or wants some")]
    Auth {
        /// The remote.
        url: RemoteUrl,
        /// What was said.
        source: Cause,
    },
    /// Our own source of credentials failed.
    #[error("cannot get the credentials for remote {url}")]
    Credentials {
        /// The remote.
        url: RemoteUrl,
        /// Why.
        source: CredentialError,
    },
    /// Credentials would be readable on the way.
    #[error("credentials are not sent to {url}: the connection is not encrypted")]
    Insecure {
        /// The remote.
        url: RemoteUrl,
    },
    /// The remote's certificate or host key is not trusted.
    #[error("the identity of remote {url} is not trusted")]
    Untrusted {
        /// The remote.
        url: RemoteUrl,
        /// What was said.
        source: Cause,
    },
    /// No connection.
    #[error("remote {url} cannot be reached")]
    Unreachable {
        /// The remote.
        url: RemoteUrl,
        /// What was said.
        source: Cause,
    },
    /// Connected, but there is no such repository.
    #[error("no repository at {url}")]
    NotFound {
        /// The remote.
        url: RemoteUrl,
        /// What was said.
        source: Cause,
    },
    /// The remote stopped answering.
    #[error("remote {url} gave no answer for {} seconds while {stage}", after.as_secs())]
    TimedOut {
        /// The remote.
        url: RemoteUrl,
        /// What we were doing.
        stage: &'static str,
        /// How long nothing came.
        after: Duration,
    },
    /// Earlier calls still hang; no further one is started.
    #[error("{count} earlier calls to remote {url} still wait for an answer")]
    Stuck {
        /// The remote.
        url: RemoteUrl,
        /// How many.
        count: usize,
    },
    /// Any other failure of a remote.
    #[error("cannot {action} remote {url}")]
    Remote {
        /// What we were doing: "fetch from", "push to".
        action: &'static str,
        /// The remote.
        url: RemoteUrl,
        /// What was said.
        source: Cause,
    },
    /// No commit at all.
    #[error("repository {repository} is empty: it has no commit yet")]
    EmptyRepository {
        /// The repository.
        repository: String,
    },
    /// Commits, but not this branch.
    #[error("branch {branch} does not exist in {repository}")]
    BranchMissing {
        /// The repository.
        repository: String,
        /// The branch looked for.
        branch: String,
        /// Up to twenty branches that exist, sorted.
        existing: Vec<String>,
    },
    /// A text that cannot be a branch.
    #[error("{branch:?} is not a valid branch name")]
    InvalidBranch {
        /// The text.
        branch: String,
    },
    /// The status branch is the watched branch.
    #[error("branch {branch} cannot be both the watched branch and the status branch")]
    StatusIsWatched {
        /// The branch.
        branch: String,
    },
    /// Object names of 64 digits.
    #[error("repository {repository} uses SHA-256 object names, which are not supported")]
    Sha256 {
        /// The repository.
        repository: String,
    },
    /// The directory belongs to somebody else, and may have been prepared by them.
    #[error("repository {path} belongs to another user")]
    Ownership {
        /// The directory.
        path: String,
        /// What was said.
        source: Cause,
    },
    /// Neither a repository nor inside one.
    #[error("{path} is not in a git repository")]
    NotARepository {
        /// The directory.
        path: PathBuf,
    },
    /// The mirror's directory holds something else.
    #[error("{path} is not empty and is not a mirror made by this program")]
    NotAMirror {
        /// The directory.
        path: PathBuf,
    },
    /// The mirror cannot be read.
    #[error("mirror {path} is damaged")]
    MirrorDamaged {
        /// The directory.
        path: PathBuf,
        /// What was said.
        source: Cause,
    },
    /// No commit under that name.
    #[error("revision {rev:?} is not known in {repository}")]
    UnknownRevision {
        /// What was asked for.
        rev: String,
        /// Where.
        repository: String,
    },
    /// A prefix that several objects share.
    #[error("revision {rev:?} is ambiguous in {repository}")]
    AmbiguousRevision {
        /// What was asked for.
        rev: String,
        /// Where.
        repository: String,
    },
    /// An object that is named but not there.
    #[error("{kind} {id} is not in the repository")]
    MissingObject {
        /// "commit", "part of commit", "tree" or "blob".
        kind: &'static str,
        /// Its name.
        id: String,
    },
    /// A blob past the limit.
    #[error("blob {id} has {size} bytes, more than {limit}")]
    BlobTooLarge {
        /// Its name.
        id: String,
        /// Bytes.
        size: u64,
        /// Bytes allowed.
        limit: u64,
    },
    /// More than a repository of this kind can sensibly have.
    #[error("commit {commit} has more than {limit} entries")]
    TooManyEntries {
        /// The commit.
        commit: String,
        /// Entries allowed.
        limit: usize,
    },
    /// A local operation failed.
    #[error("cannot {action} {subject}")]
    Local {
        /// What we were doing.
        action: &'static str,
        /// With what.
        subject: String,
        /// What was said.
        source: Cause,
    },
    /// The file system failed.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// What we were doing.
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

impl GitError {
    /// A failed local operation, for `map_err`.
    pub(crate) fn local<S: Into<String>>(
        action: &'static str,
        subject: S,
    ) -> impl FnOnce(git2::Error) -> Self {
        move |error| Self::Local { action, subject: subject.into(), source: Cause::of(&error) }
    }

    /// A failed file operation, for `map_err`.
    pub(crate) fn io<P: Into<PathBuf>>(action: &'static str, path: P) -> impl FnOnce(std::io::Error) -> Self {
        move |source| Self::Io { action, path: path.into(), source }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_is_masked_and_kept_on_one_bounded_line() {
        let cause = Cause::new(&format!("failed: https://u:s3cret@h/x\n\u{1b}[31mred {}", "x".repeat(900)));
        assert!(cause.message.starts_with("failed: https://***@h/x  [31mred"));
        assert_eq!(cause.message.chars().count(), MAX_TEXT);
        assert!(!cause.message.contains(char::is_control));
    }
}
