// SPDX-License-Identifier: AGPL-3.0-or-later
//! The repository, as far as the controller needs it: the watched branch to read, the status branch to
//! read and write.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use shoal_git::{
    CommitId, Credential, Fetched, GitError, Mirror, PublishOutcome, Refuse, RemoteSpec, RemoteUrl,
    StatusCommit, StatusError, TreeSnapshot,
};
use shoal_inventory::FileSource;
use shoal_schema::Sha256;
use shoal_schema::status::{ServerStatus, StatusSummary};

use crate::commit_source::CommitSource;
use crate::publish::{read_servers, read_summary};
use crate::rebuild::read_digests;

/// What the status branch shows.
pub struct StatusBranch {
    /// Whose it is.
    pub summary: StatusSummary,
    /// Every server's status that can be read, by path.
    pub servers: Vec<(String, ServerStatus)>,
}

/// What stands on the status branch, whatever it is.
pub struct StatusFiles {
    /// Whose it is, where that can be read.
    pub summary: Option<StatusSummary>,
    /// Digests of the summary and of what stands below `servers/`, by path.
    pub files: HashMap<String, Sha256>,
}

/// Where the status branch stands now.
pub enum StatusNow {
    /// Where it was fetched or published last.
    AsKnown,
    /// Elsewhere, with what stands there.
    Moved(Box<StatusFiles>),
    /// Nowhere: it was removed.
    Gone,
}

/// Asked when the status branch stands elsewhere than thought, with its summary as it stands there: which files to
/// write on top of it, or why nothing may be written.
pub type Judge<'a> = dyn FnMut(Option<&StatusSummary>) -> Result<std::collections::BTreeMap<String, Option<Vec<u8>>>, Refuse>
    + 'a;

/// A repository with a watched branch and a status branch. Calls block.
pub trait Repository: Send + Sync {
    /// Fetches the watched branch.
    fn fetch(&self) -> Result<Fetched, GitError>;

    /// The name of the watched branch, once it is known.
    fn watched_branch(&self) -> Option<String>;

    /// Whether one commit has the other among its ancestors, or is it.
    fn follows(&self, tip: CommitId, old: CommitId) -> Result<bool, GitError>;

    /// The inventory's files at a commit that was fetched.
    fn files(&self, commit: CommitId) -> Result<Box<dyn FileSource>, GitError>;

    /// Fetches the status branch and reads it; nothing where there is none, or nothing of ours on it.
    fn status(&self) -> Result<Option<StatusBranch>, GitError>;

    /// Fetches the status branch and lists what stands there; nothing where there is none.
    fn status_files(&self) -> Result<Option<StatusFiles>, GitError>;

    /// The same, where the branch stands elsewhere than was fetched or published last.
    fn status_if_moved(&self) -> Result<StatusNow, GitError>;

    /// Writes to the status branch, never by force.
    fn publish(&self, commit: &StatusCommit, judge: &mut Judge<'_>) -> Result<PublishOutcome, StatusError>;

    /// Keeps what is kept of it small.
    fn maintain(&self) -> Result<(), GitError>;
}

/// A bare mirror of a real repository.
pub struct MirrorRepository {
    mirror: Mirror,
    /// What was at the commit that was read last.
    last: Mutex<Option<Arc<TreeSnapshot>>>,
}

impl MirrorRepository {
    /// Opens the mirror, or makes it. Does not touch the network.
    pub fn open(
        dir: &Path,
        url: &RemoteUrl,
        branch: Option<String>,
        credential: &Credential,
    ) -> Result<Self, GitError> {
        let credentials = Arc::new(credential.clone());
        let spec = RemoteSpec { branch, credentials, ..RemoteSpec::new(url.clone()) };
        Ok(Self { mirror: Mirror::open_or_init(dir, spec)?, last: Mutex::default() })
    }

    /// Reads what was fetched of the status branch. What could not be read was not seen.
    fn seen<T>(
        &self,
        fetched: &Fetched,
        read: impl FnOnce(CommitId) -> Result<T, GitError>,
    ) -> Result<T, GitError> {
        let read = read(fetched.tip);
        if read.is_err()
            && let Err(error) = self.mirror.status_not_seen(fetched)
        {
            tracing::warn!(%error, "the mirror's status branch was not put back");
        }
        read
    }

    /// What stands at a commit of the status branch.
    fn files_at(&self, tip: CommitId) -> Result<StatusFiles, GitError> {
        let reader = self.mirror.reader()?;
        Ok(StatusFiles { summary: read_summary(&reader, tip)?, files: read_digests(&reader, tip)? })
    }
}

impl Repository for MirrorRepository {
    fn fetch(&self) -> Result<Fetched, GitError> {
        self.mirror.fetch()
    }

    fn watched_branch(&self) -> Option<String> {
        self.mirror.watched().ok().flatten().map(|(branch, _)| branch)
    }

    fn follows(&self, tip: CommitId, old: CommitId) -> Result<bool, GitError> {
        self.mirror.reader()?.is_descendant(tip, old)
    }

    fn files(&self, commit: CommitId) -> Result<Box<dyn FileSource>, GitError> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let reader = self.mirror.reader()?;
        let source = match &*last {
            Some(earlier) => CommitSource::after(reader, earlier, commit)?,
            None => CommitSource::at(reader, commit)?,
        };
        *last = Some(Arc::clone(source.snapshot()));
        Ok(Box::new(source))
    }

    fn status(&self) -> Result<Option<StatusBranch>, GitError> {
        let Some(fetched) = self.mirror.fetch_status()? else { return Ok(None) };
        self.seen(&fetched, |tip| {
            let reader = self.mirror.reader()?;
            let Some(summary) = read_summary(&reader, tip)? else { return Ok(None) };
            Ok(Some(StatusBranch { summary, servers: read_servers(&reader, tip)? }))
        })
    }

    fn status_files(&self) -> Result<Option<StatusFiles>, GitError> {
        let Some(fetched) = self.mirror.fetch_status()? else { return Ok(None) };
        self.seen(&fetched, |tip| self.files_at(tip)).map(Some)
    }

    fn status_if_moved(&self) -> Result<StatusNow, GitError> {
        let known = self.mirror.status_tip()?;
        match self.mirror.fetch_status()? {
            None if known.is_none() => Ok(StatusNow::AsKnown),
            None => Ok(StatusNow::Gone),
            Some(fetched) if !fetched.changed => Ok(StatusNow::AsKnown),
            Some(fetched) => Ok(StatusNow::Moved(Box::new(self.seen(&fetched, |tip| self.files_at(tip))?))),
        }
    }

    fn publish(&self, commit: &StatusCommit, judge: &mut Judge<'_>) -> Result<PublishOutcome, StatusError> {
        let mut unread = None;
        let published = self.mirror.status_writer().publish(commit, &mut |tip| {
            let summary = match tip.map(|tip| read_summary(tip.reader, tip.commit)).transpose() {
                Ok(summary) => summary.flatten(),
                Err(error) => {
                    let said = error.to_string();
                    unread = Some(error);
                    return Err(said.into());
                }
            };
            judge(summary.as_ref())
        });
        // A disk that cannot be read makes the branch nobody else's.
        if let Some(error) = unread {
            return Err(error.into());
        }
        let published = published?;
        // Each commit is a pack, and a rack at work brings some a second. What fails is tried again, and said, by
        // whoever tidies every hour.
        if let Err(error) = self.mirror.maintain_small() {
            tracing::debug!(%error, "the mirror was not tidied");
        }
        Ok(published)
    }

    fn maintain(&self) -> Result<(), GitError> {
        self.mirror.maintain().map(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use shoal_git::Author;
    use shoal_schema::status::SUMMARY_PATH;

    use super::*;

    #[test]
    fn a_summary_that_cannot_be_read_is_a_failure_and_makes_the_branch_nobody_elses() {
        let dir = tempfile::tempdir().unwrap();
        let bare = dir.path().join("origin.git");
        let made = std::process::Command::new("git").args(["init", "-q", "--bare"]).arg(&bare).status();
        assert!(made.unwrap().success());
        let open = |name: &str| {
            let url = RemoteUrl::local(&bare);
            MirrorRepository::open(&dir.path().join(name), &url, None, &Credential::None).unwrap()
        };
        let commit = |text: String| StatusCommit {
            files: [(SUMMARY_PATH.to_owned(), Some(text.into_bytes()))].into(),
            message: "status".to_owned(),
            trailers: Vec::new(),
            author: Author { name: "Shoal".to_owned(), email: "shoal@localhost".to_owned(), time: 0 },
        };
        let (first, second) = (open("first"), open("second"));
        // Larger than any summary is.
        first.publish(&commit("x".repeat(2 << 20)), &mut |_| panic!("there was no branch")).unwrap();
        for _ in 0..2 {
            let error =
                second.publish(&commit("{}".to_owned()), &mut |_| panic!("it was not read")).unwrap_err();
            assert!(matches!(error, StatusError::Git(_)), "{error}");
        }
        // Nor is it seen by whoever looks without writing.
        for _ in 0..2 {
            assert!(second.status_if_moved().is_err());
            assert!(second.status_files().is_err() && second.status().is_err());
        }
        let error = second.publish(&commit("{}".to_owned()), &mut |_| panic!("it was not read")).unwrap_err();
        assert!(matches!(error, StatusError::Git(_)), "{error}");
    }
}
