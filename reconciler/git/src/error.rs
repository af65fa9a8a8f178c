// SPDX-License-Identifier: AGPL-3.0-or-later
//! What can go wrong with a repository, told apart so that an operator knows what to do.
//!
//! Guarantees: no text of an error, its source or its hint shows credentials; texts from a server
//! are cut and stripped of control characters.

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

    /// Whether the same call may succeed later with nobody doing anything.
    pub const fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::TimedOut { .. } | Self::Stuck { .. } | Self::Remote { .. } => {
                true
            }
            Self::Url(_)
            | Self::Auth { .. }
            | Self::Credentials { .. }
            | Self::Insecure { .. }
            | Self::Untrusted { .. }
            | Self::NotFound { .. }
            | Self::EmptyRepository { .. }
            | Self::BranchMissing { .. }
            | Self::InvalidBranch { .. }
            | Self::StatusIsWatched { .. }
            | Self::Sha256 { .. }
            | Self::Ownership { .. }
            | Self::NotARepository { .. }
            | Self::NotAMirror { .. }
            | Self::MirrorDamaged { .. }
            | Self::UnknownRevision { .. }
            | Self::AmbiguousRevision { .. }
            | Self::MissingObject { .. }
            | Self::BlobTooLarge { .. }
            | Self::TooManyEntries { .. }
            | Self::Local { .. }
            | Self::Io { .. } => false,
        }
    }

    /// A fixed word for metrics and logs.
    pub const fn label(&self) -> &'static str {
        match self {
            Self::Url(_) => "url",
            Self::Auth { .. } => "auth",
            Self::Credentials { .. } => "credentials",
            Self::Insecure { .. } => "insecure",
            Self::Untrusted { .. } => "untrusted",
            Self::Unreachable { .. } => "unreachable",
            Self::NotFound { .. } => "not_found",
            Self::TimedOut { .. } => "timed_out",
            Self::Stuck { .. } => "stuck",
            Self::Remote { .. } => "remote",
            Self::EmptyRepository { .. } => "empty_repository",
            Self::BranchMissing { .. } => "branch_missing",
            Self::InvalidBranch { .. } => "invalid_branch",
            Self::StatusIsWatched { .. } => "status_is_watched",
            Self::Sha256 { .. } => "sha256",
            Self::Ownership { .. } => "ownership",
            Self::NotARepository { .. } => "not_a_repository",
            Self::NotAMirror { .. } => "not_a_mirror",
            Self::MirrorDamaged { .. } => "mirror_damaged",
            Self::UnknownRevision { .. } => "unknown_revision",
            Self::AmbiguousRevision { .. } => "ambiguous_revision",
            Self::MissingObject { .. } => "missing_object",
            Self::BlobTooLarge { .. } => "blob_too_large",
            Self::TooManyEntries { .. } => "too_many_entries",
            Self::Local { .. } => "local",
            Self::Io { .. } => "io",
        }
    }

    /// What the operator can do about it.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Url(_) => {
                "use a path, file:///path, https://host/path, ssh://user@host/path or user@host:path"
                    .to_owned()
            }
            Self::Auth { .. } => {
                "check that the token or key is valid, not expired, and may read this repository".to_owned()
            }
            Self::Insecure { .. } => "use https:// or ssh://".to_owned(),
            Self::Untrusted { url, .. } => match url.transport() {
                crate::url::Transport::Ssh => format!(
                    "add the host's key to ~/.ssh/known_hosts of the user that runs this program \
                     (ssh-keyscan shows it; compare it with what {url} publishes)"
                ),
                _ => "add the certificate authority to the system's trust store".to_owned(),
            },
            Self::Unreachable { .. } | Self::TimedOut { .. } => {
                "check name resolution, network and firewall between here and there; \
                 the last good state stays in force meanwhile"
                    .to_owned()
            }
            Self::Stuck { .. } => {
                "the network drops connections silently; they end by themselves, or with a restart".to_owned()
            }
            Self::NotFound { .. } => {
                "check the address; a forge also answers so when the credentials may not see \
                 the repository"
                    .to_owned()
            }
            Self::EmptyRepository { .. } => "push a first commit".to_owned(),
            Self::BranchMissing { existing, .. } => {
                if existing.is_empty() {
                    return None;
                }
                format!("existing branches: {}", existing.join(", "))
            }
            Self::StatusIsWatched { .. } => {
                "choose another status branch; the usual name is shoal/status".to_owned()
            }
            Self::Sha256 { .. } => "make the repository with git init --object-format=sha1".to_owned(),
            Self::Ownership { path, .. } => format!(
                "chown it to the user that runs this program, or: \
                 git config --global --add safe.directory {path}"
            ),
            Self::NotARepository { .. } => "run it inside a clone, or name one".to_owned(),
            Self::NotAMirror { .. } => "name a directory that is empty or does not exist".to_owned(),
            Self::MirrorDamaged { path, .. } => {
                format!("it is only a copy: stop this program, remove {}, start again", path.display())
            }
            Self::UnknownRevision { .. } => {
                "name a branch, a tag, or a commit that has been fetched".to_owned()
            }
            Self::AmbiguousRevision { .. } => "write more digits".to_owned(),
            Self::MissingObject { .. } => {
                "a shallow or partial clone lacks objects: git fetch --unshallow, or \
                 git fetch --refetch"
                    .to_owned()
            }
            Self::TooManyEntries { .. } => "keep only the inventory in this repository".to_owned(),
            Self::Credentials { .. }
            | Self::Remote { .. }
            | Self::InvalidBranch { .. }
            | Self::BlobTooLarge { .. }
            | Self::Local { .. }
            | Self::Io { .. } => return None,
        })
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
