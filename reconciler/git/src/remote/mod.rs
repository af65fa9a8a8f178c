// SPDX-License-Identifier: AGPL-3.0-or-later
//! The network side of a repository: the one seam behind which a fake, or a `git` process, can stand.
//!
//! Guarantees asked of every implementation:
//! * objects arrive complete (a commit with all it needs) or not at all, and no reference moves;
//! * a push moves the branch only if it still stands where the caller thinks (a lease), and never
//!   forward over somebody else's commit;
//! * calls end: a remote that stops answering is an error.

mod explain;
mod heads;
mod local;
mod network;
mod watchdog;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::url::Transport;
use crate::{CommitId, CredentialSource, GitError, RemoteUrl};

/// Operations that leave this program. The bare repository that they feed is named by its path, so
/// that a process can work on it as well as a library.
pub trait GitRemote: Send + Sync {
    /// Brings a branch's commits into the bare repository `into`.
    ///
    /// `branch` of `None` means the branch that the remote's HEAD names. Where another branch, `beside`, stands is
    /// told as well; nothing of it is fetched.
    /// Errors: [`GitError::EmptyRepository`], [`GitError::BranchMissing`], and those of the way there.
    fn fetch(&self, into: &Path, branch: Option<&str>, beside: &str) -> Result<RemoteTip, GitError>;

    /// Offers one branch update from the bare repository `from`.
    fn push(&self, from: &Path, update: &RefUpdate) -> Result<PushOutcome, GitError>;
}

/// Where a branch of a remote stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteTip {
    /// The branch, without `refs/heads/`.
    pub branch: String,
    /// Its tip.
    pub commit: CommitId,
    /// The tip of the branch that was to be told of beside it, as of the same listing; `None`: there is none.
    pub beside: Option<CommitId>,
}

/// One branch update to push.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefUpdate {
    /// The branch, without `refs/heads/`.
    pub branch: String,
    /// Where it should stand.
    pub new: CommitId,
    /// Where it must stand now; `None`: it must not exist.
    pub expected: Option<CommitId>,
    /// What the new commit has to do with the expected one.
    pub kind: UpdateKind,
}

/// How a branch moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UpdateKind {
    /// Forward: the new commit descends from the expected one.
    FastForward,
    /// To an unrelated history, under the same lease: for the rotation of the status branch alone.
    Replace,
}

/// Between a server's answer and what it said beside it, in a reason.
pub(crate) const SAID: &str = " (the server said: ";

/// What became of a push.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PushOutcome {
    /// The branch stands where we wanted.
    Accepted,
    /// It does not; nothing was changed. The reason is the server's text, made fit to print.
    Rejected {
        /// Why.
        reason: String,
    },
}

/// How long a remote may be silent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// From the call until the remote has listed its branches.
    pub connect: Duration,
    /// Afterwards, between any two signs of life.
    pub stall: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(30),
            // A server that counts objects of a large repository says nothing for a while.
            stall: Duration::from_secs(60),
        }
    }
}

/// The remote behind an address.
pub fn connect(
    url: &RemoteUrl,
    credentials: Arc<dyn CredentialSource>,
    timeouts: Timeouts,
) -> Arc<dyn GitRemote> {
    match url.transport() {
        Transport::Local(path) => Arc::new(local::LocalRemote::new(url.clone(), path.clone())),
        Transport::Http { .. } | Transport::Ssh => {
            Arc::new(network::NetworkRemote::new(url.clone(), credentials, timeouts))
        }
    }
}

/// The full name of a branch, checked.
pub(crate) fn head_ref(branch: &str) -> Result<String, GitError> {
    let name = format!("refs/heads/{branch}");
    // git refuses a leading dash on its command line, so nobody could repair such a branch.
    if branch.is_empty() || branch.starts_with('-') || !git2::Reference::is_valid_name(&name) {
        return Err(GitError::InvalidBranch { branch: branch.chars().take(100).collect() });
    }
    Ok(name)
}
