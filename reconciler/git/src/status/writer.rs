// SPDX-License-Identifier: AGPL-3.0-or-later
//! The writer of the status branch.
//!
//! Expected flow: [`crate::Mirror::fetch_status`] once at start, so that the caller can look at what
//! is there (whose ledger it is); then [`StatusWriter::publish`] with the files that changed.
//!
//! Guarantees: no tree change, no commit and no push; the branch only moves forward from the tip
//! that the commit was built on, never by force; when somebody else was faster, the caller is asked
//! again with the new tip, a bounded number of times; the watched branch is refused.
//! Assumptions: one writer per mirror calls `publish` at a time; several mirrors may write the same
//! branch.
//! Caveats: "no change" is judged against the tip as last fetched or pushed. A push whose answer was
//! lost may have succeeded; the next one finds that out.

use std::sync::Arc;

use git2::{ObjectType, Odb, Oid, Repository};

use super::message::{Author, InvalidMessage, commit_text};
use crate::edit::{Edit, Files, InvalidPath};
use crate::error::{FULL_SERVER, is_full};
use crate::mirror::Shared;
use crate::remote::{GitRemote, PushOutcome, RefUpdate, SAID, UpdateKind};
use crate::{CommitId, GitError, Reader, pack};

/// Tries before [`StatusError::Contended`] unless another number is set.
const ATTEMPTS: u32 = 8;

/// What to publish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusCommit {
    /// Files to write (`Some`) or remove (`None`), by path. All others stay as they are.
    pub files: Files,
    /// First line, and more after an empty line.
    pub message: String,
    /// Key and value, in this order: the source commit, the writer.
    pub trailers: Vec<(String, String)>,
    /// Who, and when.
    pub author: Author,
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PublishOutcome {
    /// The branch holds these very files already. Nothing was sent.
    Unchanged,
    /// The branch moved.
    Pushed {
        /// Its new tip.
        commit: CommitId,
        /// Files written or removed.
        files: usize,
        /// How many tries it took.
        attempts: u32,
    },
}

/// Where the status branch stands, when the caller has to look again.
pub struct StatusTip<'a> {
    /// The tip.
    pub commit: CommitId,
    /// Reads it.
    pub reader: &'a Reader,
}

/// Why the caller does not want to write any more; shown to the operator.
pub type Refuse = Box<dyn std::error::Error + Send + Sync>;

/// Asked when the branch stands elsewhere than thought: which files to write on top of this tip.
/// `None`: the branch is gone, so that all files are wanted. Who refuses is asked again at the next publication.
pub type Rebuild<'a> = dyn FnMut(Option<&StatusTip<'_>>) -> Result<Files, Refuse> + 'a;

/// A failed publication. The branch is as it was, except after an error of the remote, when it is
/// not known.
#[derive(Debug, thiserror::Error)]
pub enum StatusError {
    /// The repository or its remote failed.
    #[error(transparent)]
    Git(#[from] GitError),
    /// A path cannot be written.
    #[error(transparent)]
    Path(#[from] InvalidPath),
    /// The message cannot be written.
    #[error(transparent)]
    Message(#[from] InvalidMessage),
    /// The server does not want it, though nobody else moved the branch.
    #[error("the server refused to move branch {branch}: {reason}")]
    Refused {
        /// The branch.
        branch: String,
        /// What it said.
        reason: String,
    },
    /// Somebody else was faster each time.
    #[error("branch {branch} moved under each of {attempts} tries")]
    Contended {
        /// The branch.
        branch: String,
        /// Tries made.
        attempts: u32,
    },
    /// The caller stopped after a look at the new tip.
    #[error("status was not written to branch {branch}")]
    Stopped {
        /// The branch.
        branch: String,
        /// Why.
        source: Refuse,
    },
}

impl StatusError {
    /// What the operator can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Git(error) => error.hint(),
            Self::Refused { reason, .. } if is_full(reason) => Some(FULL_SERVER.to_owned()),
            Self::Refused { branch, .. } => Some(format!(
                "check that the credentials may push to {branch} and that no protection rule \
                 or hook covers it"
            )),
            Self::Contended { .. } => Some("look for a second writer of the same branch".to_owned()),
            Self::Path(_) | Self::Message(_) | Self::Stopped { .. } => None,
        }
    }
}

/// Writes the status branch of one mirror.
pub struct StatusWriter {
    pub(super) shared: Arc<Shared>,
    pub(super) remote: Arc<dyn GitRemote>,
    attempts: u32,
}

impl StatusWriter {
    pub(crate) fn new(shared: Arc<Shared>, remote: Arc<dyn GitRemote>) -> Self {
        Self { shared, remote, attempts: ATTEMPTS }
    }

    /// The same writer with another number of tries, at least one.
    pub fn with_attempts(mut self, attempts: u32) -> Self {
        self.attempts = attempts.max(1);
        self
    }

    /// The branch that is written.
    pub fn branch(&self) -> &str {
        &self.shared.status_branch
    }

    /// Publishes a commit, or finds that there is nothing to publish.
    ///
    /// `rebuild` is called when the branch stands elsewhere than this mirror thought, or where it never saw it.
    pub fn publish(
        &self,
        commit: &StatusCommit,
        rebuild: &mut Rebuild<'_>,
    ) -> Result<PublishOutcome, StatusError> {
        let _at_work = self.shared.work();
        let repository = self.open()?;
        let mut edit = Edit::new(&commit.files)?;
        let mut tip = self.shared.tip(&repository, self.branch())?;
        if tip.is_none() {
            tip = self.fetch()?;
            // What this mirror never saw is looked at like what somebody moved.
            if tip.is_some() {
                edit = self.again(&repository, None, tip, rebuild)?;
            }
        }
        for attempts in 1..=self.attempts {
            let Some((new, files)) = self.build(&repository, commit, &edit, tip)? else {
                return Ok(PublishOutcome::Unchanged);
            };
            let update = RefUpdate {
                branch: self.branch().to_owned(),
                new,
                expected: tip,
                kind: UpdateKind::FastForward,
            };
            let reason = match self.remote.push(&self.shared.dir, &update)? {
                PushOutcome::Accepted => {
                    self.shared.record(&repository, self.branch(), new)?;
                    return Ok(PublishOutcome::Pushed { commit: new, files, attempts });
                }
                PushOutcome::Rejected { reason } => reason,
            };
            let present = self.fetch()?;
            tracing::debug!(branch = self.branch(), attempts, reason, "status push rejected");
            if present == tip {
                // Nobody moved it: the server does not want it. A lock that was held at that very
                // moment goes away by itself.
                let answer = reason.split(SAID).next().unwrap_or_default();
                if !answer.to_ascii_lowercase().contains("lock") {
                    return Err(StatusError::Refused { branch: self.branch().to_owned(), reason });
                }
                continue;
            }
            edit = self.again(&repository, tip, present, rebuild)?;
            tip = present;
        }
        Err(StatusError::Contended { branch: self.branch().to_owned(), attempts: self.attempts })
    }

    /// The mirror's repository, once it is clear that the branch is not the watched one.
    pub(super) fn open(&self) -> Result<Repository, GitError> {
        let repository = self.shared.open()?;
        if let Some(watched) = self.shared.watched_branch(&repository) {
            self.shared.keep_apart(&watched)?;
        }
        Ok(repository)
    }

    pub(super) fn fetch(&self) -> Result<Option<CommitId>, GitError> {
        Ok(self.shared.fetch_status(&*self.remote)?.map(|fetched| fetched.tip))
    }

    /// Asks the caller, who was last asked about `before`, what to write on top of a tip. Where the caller does not want
    /// to, the branch stands where it stood: what was fetched would count as seen, and the next publication would go on
    /// top of it unasked.
    fn again(
        &self,
        repository: &Repository,
        before: Option<CommitId>,
        tip: Option<CommitId>,
        rebuild: &mut Rebuild<'_>,
    ) -> Result<Edit, StatusError> {
        let asked = self.ask(tip, rebuild);
        if asked.is_err()
            && let Err(error) = self.shared.put_back(repository, self.branch(), before)
        {
            tracing::warn!(%error, branch = self.branch(), "the mirror's branch was not put back");
        }
        asked
    }

    fn ask(&self, tip: Option<CommitId>, rebuild: &mut Rebuild<'_>) -> Result<Edit, StatusError> {
        let reader = self.shared.reader()?;
        let seen = tip.map(|commit| StatusTip { commit, reader: &reader });
        let files = rebuild(seen.as_ref())
            .map_err(|source| StatusError::Stopped { branch: self.branch().to_owned(), source })?;
        Ok(Edit::new(&files)?)
    }

    /// Builds the commit in memory and stores it as one pack. `None`: no change.
    fn build(
        &self,
        repository: &Repository,
        commit: &StatusCommit,
        edit: &Edit,
        tip: Option<CommitId>,
    ) -> Result<Option<(CommitId, usize)>, StatusError> {
        let failed = |error| GitError::local("build a commit in", self.shared.shown())(error);
        let base =
            tip.map(|tip| Ok(repository.find_commit(tip.to_oid())?.tree_id())).transpose().map_err(failed)?;
        let memory = memory().map_err(failed)?;
        let edited = edit.apply(repository, &memory, base).map_err(failed)?;
        if base.is_some() && edited.changed == 0 {
            return Ok(None);
        }
        let parent = tip.map(CommitId::to_oid);
        let text = commit_text(edited.root, parent, &commit.author, &commit.message, &commit.trailers)?;
        let new =
            memory.odb().and_then(|odb| odb.write(ObjectType::Commit, text.as_bytes())).map_err(failed)?;
        self.store(&memory, new, &edited.written)?;
        Ok(Some((CommitId::of(new), edited.changed)))
    }

    /// Stores a commit and other new objects as one pack of the mirror.
    pub(super) fn store(&self, memory: &Repository, commit: Oid, others: &[Oid]) -> Result<(), GitError> {
        let failed = |error| GitError::local("store a commit in", self.shared.shown())(error);
        let mut builder = memory.packbuilder().map_err(failed)?;
        // Newest first, what refers before what is referred to, as git likes its packs.
        for id in std::iter::once(&commit).chain(others.iter().rev()) {
            builder.insert_object(*id, None).map_err(failed)?;
        }
        pack::write(&mut builder, &pack::directory(&self.shared.dir))?;
        Ok(())
    }
}

/// A repository without a directory, to build objects in.
pub(super) fn memory() -> Result<Repository, git2::Error> {
    let odb = Odb::new()?;
    odb.add_new_mempack_backend(1)?;
    Repository::from_odb(odb)
}
