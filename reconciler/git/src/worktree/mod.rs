// SPDX-License-Identifier: AGPL-3.0-or-later
//! Changes that a command makes in an operator's clone: files, and a commit of exactly these files.
//!
//! Guarantees: nothing is written before everything was checked; no path leads through a symbolic
//! link, out of the work tree or into another repository; a file with other contents is replaced
//! only when told; what the operator has staged or changed elsewhere stays as it is; no push.
//! Hooks and filters do not run: what is committed are the very bytes that were given. Commits are
//! not signed; where the operator's configuration asks for signatures, no commit is made.
//! Caveats: a crash between the steps leaves written files without a commit, which the next run
//! completes.

mod error;
mod files;
mod index;

pub use error::WorktreeError;

use git2::{Config, ErrorCode, ObjectType, Oid, Repository, RepositoryState};

use crate::clone::branch_of;
use crate::edit::{Edit, Files};
use crate::remote::head_ref;
use crate::status::{Author, commit_text};
use crate::{CloneView, CommitId, GitError};

/// Whose commit it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Name.
    pub name: String,
    /// Address.
    pub email: String,
}

/// A commit of the written files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// First line, and more after an empty line.
    pub message: String,
    /// Commit to a new branch of this name, made where HEAD stands, and switch to it. `None`: the
    /// branch that is checked out.
    pub branch: Option<String>,
    /// Whose commit; `None`: `user.name` and `user.email` as git has them configured.
    pub identity: Option<Identity>,
    /// Seconds since 1970.
    pub time: i64,
}

/// What was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// Files of the work tree that were written or removed; those that already were so are not named.
    pub paths: Vec<String>,
    /// The commit; `None`: none was asked for, or the branch has these very contents already.
    pub commit: Option<CommitId>,
    /// The branch that is checked out now.
    pub branch: Option<String>,
}

impl CloneView {
    /// Writes files into the work tree, or removes them, and leaves the commit to the operator.
    pub fn write(&self, files: &Files, overwrite: bool) -> Result<Written, WorktreeError> {
        Edit::new(files)?;
        let repository = self.with_worktree()?;
        let paths = files::Plan::new(self.root(), files, overwrite)?.run()?;
        Ok(Written {
            paths,
            commit: None,
            branch: branch_of(&repository).map_err(self.failed("read HEAD of"))?,
        })
    }

    /// Writes files into the work tree and commits exactly these paths.
    pub fn write_and_commit(
        &self,
        files: &Files,
        overwrite: bool,
        change: &Change,
    ) -> Result<Written, WorktreeError> {
        let edit = Edit::new(files)?;
        let repository = self.with_worktree()?;
        self.is_quiet(&repository)?;
        let config = repository.config().map_err(self.failed("configure"))?;
        if config.get_bool("commit.gpgsign").unwrap_or(false) {
            return Err(WorktreeError::Signing);
        }
        let author = author(&config, change)?;
        let target = self.target(&repository, change.branch.as_deref())?;
        let head = match repository.refname_to_id("HEAD") {
            Ok(id) => Some(id),
            Err(error) if error.code() == ErrorCode::NotFound => None,
            Err(error) => return Err(self.failed("read HEAD of")(error).into()),
        };
        // Everything that can be wrong with the commit, before a file is touched.
        commit_text(Oid::ZERO_SHA1, head, &author, &change.message, &[])?;

        let paths = files::Plan::new(self.root(), files, overwrite)?.run()?;
        let base = head
            .map(|id| Ok(repository.find_commit(id)?.tree_id()))
            .transpose()
            .map_err(self.failed("read HEAD of"))?;
        let edited = edit.apply(&repository, &repository, base).map_err(self.failed("build a commit in"))?;
        let mut written = Written { paths, commit: None, branch: Some(target.branch.clone()) };
        if edited.changed == 0 {
            written.branch = branch_of(&repository).map_err(self.failed("read HEAD of"))?;
            return Ok(written);
        }
        let text = commit_text(edited.root, head, &author, &change.message, &[])?;
        let commit = repository
            .odb()
            .and_then(|odb| odb.write(ObjectType::Commit, text.as_bytes()))
            .map_err(self.failed("store a commit in"))?;
        self.advance(&repository, &target, head, commit, &change.message)?;
        self.stage(&repository, files)?;
        written.commit = Some(CommitId::of(commit));
        Ok(written)
    }

    fn with_worktree(&self) -> Result<Repository, WorktreeError> {
        if self.is_bare() {
            return Err(WorktreeError::Bare { repository: self.shown() });
        }
        Ok(self.open()?)
    }

    /// Nothing else is going on that a commit would disturb.
    fn is_quiet(&self, repository: &Repository) -> Result<(), WorktreeError> {
        let what = match repository.state() {
            RepositoryState::Clean => None,
            RepositoryState::Merge => Some("a merge"),
            RepositoryState::Revert | RepositoryState::RevertSequence => Some("a revert"),
            RepositoryState::CherryPick | RepositoryState::CherryPickSequence => Some("a cherry-pick"),
            RepositoryState::Bisect => Some("a bisection"),
            RepositoryState::Rebase | RepositoryState::RebaseInteractive | RepositoryState::RebaseMerge => {
                Some("a rebase")
            }
            RepositoryState::ApplyMailbox | RepositoryState::ApplyMailboxOrRebase => Some("applying patches"),
        };
        let index = repository.index().map_err(self.failed("read the index of"))?;
        let conflicts = index.has_conflicts().then_some("resolving conflicts");
        if let Some(what) = what.or(conflicts) {
            return Err(WorktreeError::InProgress { what, repository: self.shown() });
        }
        if repository.path().join("index.lock").exists() {
            return Err(WorktreeError::Busy { repository: self.shown() });
        }
        Ok(())
    }

    fn target(&self, repository: &Repository, wanted: Option<&str>) -> Result<Target, WorktreeError> {
        let current = branch_of(repository).map_err(self.failed("read HEAD of"))?;
        let Some(wanted) = wanted else {
            let branch = current.ok_or_else(|| WorktreeError::Detached { repository: self.shown() })?;
            return Ok(Target { name: head_ref(&branch)?, branch, new: false });
        };
        let name = head_ref(wanted)?;
        let new = current.as_deref() != Some(wanted);
        if new && repository.find_reference(&name).is_ok() {
            return Err(WorktreeError::BranchExists { branch: wanted.to_owned() });
        }
        Ok(Target { name, branch: wanted.to_owned(), new })
    }

    fn advance(
        &self,
        repository: &Repository,
        target: &Target,
        head: Option<Oid>,
        commit: Oid,
        message: &str,
    ) -> Result<(), WorktreeError> {
        let expected = if target.new { None } else { head };
        let log = format!("commit: {}", message.lines().next().unwrap_or_default());
        repository
            .reference_matching(&target.name, commit, true, expected.unwrap_or(Oid::ZERO_SHA1), &log)
            .map_err(|error| match error.code() {
            ErrorCode::Modified | ErrorCode::Locked | ErrorCode::NotFound => {
                WorktreeError::Busy { repository: self.shown() }
            }
            _ => self.failed("move a branch of")(error).into(),
        })?;
        if target.new {
            repository.set_head(&target.name).map_err(self.failed("switch the branch of"))?;
        }
        Ok(())
    }

    /// Makes the index agree with the commit for these paths alone.
    fn stage(&self, repository: &Repository, files: &Files) -> Result<(), WorktreeError> {
        index::update(repository, files).map_err(|error| match error.code() {
            ErrorCode::Locked => WorktreeError::Busy { repository: self.shown() },
            _ => self.failed("write the index of")(error).into(),
        })
    }

    fn failed(&self, action: &'static str) -> impl Fn(git2::Error) -> GitError + '_ {
        move |error| GitError::local(action, self.shown())(error)
    }
}

/// Where the commit goes.
struct Target {
    branch: String,
    name: String,
    new: bool,
}

fn author(config: &Config, change: &Change) -> Result<Author, WorktreeError> {
    let configured = |missing: &'static str| match config.get_string(missing) {
        Ok(value) if !value.trim().is_empty() => Ok(value),
        _ => Err(WorktreeError::NoIdentity { missing }),
    };
    let (name, email) = match &change.identity {
        Some(identity) => (identity.name.clone(), identity.email.clone()),
        None => (configured("user.name")?, configured("user.email")?),
    };
    Ok(Author { name, email, time: change.time })
}
