// SPDX-License-Identifier: AGPL-3.0-or-later
//! What to do about a failure: wait, count it, or tell somebody what to change.

use super::GitError;
use crate::url::Transport;

/// What to do where a server has no room.
pub(crate) const FULL_SERVER: &str =
    "the disk of the Git server is full: make room there; nothing has to be done here, it is tried again";
/// What to do where this machine has no room.
const FULL_HERE: &str = "the disk here is full: make room where that directory is; nothing else has to be done, it is tried again";

/// Whether somebody says that a disk is full.
pub(crate) fn is_full(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    ["no space left", "disk quota exceeded"].iter().any(|words| text.contains(words))
}

impl GitError {
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
                Transport::Ssh => format!(
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
            Self::Remote { source, .. } if is_full(&source.message) => FULL_SERVER.to_owned(),
            Self::Local { source, .. } if is_full(&source.message) => FULL_HERE.to_owned(),
            Self::Io { source, .. } if source.kind() == std::io::ErrorKind::StorageFull => {
                FULL_HERE.to_owned()
            }
            Self::Credentials { .. }
            | Self::Remote { .. }
            | Self::InvalidBranch { .. }
            | Self::BlobTooLarge { .. }
            | Self::Local { .. }
            | Self::Io { .. } => return None,
        })
    }
}
