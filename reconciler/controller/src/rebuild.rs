// SPDX-License-Identifier: AGPL-3.0-or-later
//! Reads what stands on the status branch, and puts it right where it is not what the database says: as an operator
//! asks, and where a fetch finds that somebody moved the branch.
//!
//! Guarantees: as of every publication: one commit on top of what stands there, none where nothing differs, never by
//! force, and never over another database's status.
//! What it does not do: it leaves alone what stands beside the summary and `servers/`.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use shoal_git::{CommitId, GitError, Limits, PathFilter, Reader, Why};
use shoal_schema::Sha256;
use shoal_schema::status::SUMMARY_PATH;

use crate::controller::Controller;
use crate::jobs::perform::chain;
use crate::outside::{StatusFiles, StatusNow};
use crate::publish::Written;

/// Why the branch was not written anew.
#[derive(Debug)]
pub(crate) enum NotRebuilt {
    /// It is not ours to write.
    NotOurs(String),
    /// It could not be read or written.
    Failed(String),
}

impl Controller {
    /// Looks at all that is published, and puts it right where it is not what the database says. One commit, and
    /// none where nothing differs. What stands beside the summary and the servers is left alone.
    pub(crate) async fn rebuild_status(&self) -> Result<Written, NotRebuilt> {
        let turn = self.turn_to_publish().await;
        let mut published = turn.map_err(|observes| NotRebuilt::NotOurs(observes.to_string()))?;
        published.files = match &self.repository {
            Some(repository) => {
                let repository = Arc::clone(repository);
                let branch = self.ask(move || repository.status_files()).await?;
                self.judge_branch(branch)?
            }
            None => {
                let dir = self.settings.storage_root.join("status");
                let read = self.blocking.run(move || read_files(&dir)).await;
                let read = read.map_err(|error| NotRebuilt::Failed(error.to_string()))?;
                read.map_err(|error| NotRebuilt::Failed(chain(&error)))?
            }
        };
        self.publish_changes(published).await.map_err(|why| {
            if self.world().control.observe_only { NotRebuilt::NotOurs(why) } else { NotRebuilt::Failed(why) }
        })
    }

    /// After a fetch that found the status branch elsewhere than this controller left it: whoever else writes there
    /// is found out now, not when something is to be published; and what was only put back is published anew.
    pub(crate) async fn follow_status(&self) -> Result<(), NotRebuilt> {
        let Some(repository) = self.repository.clone() else { return Ok(()) };
        // Whoever publishes moves the branch too, and is over by then.
        let Ok(mut published) = self.turn_to_publish().await else { return Ok(()) };
        published.files = match self.ask(move || repository.status_if_moved()).await? {
            StatusNow::AsKnown => return Ok(()),
            StatusNow::Moved(branch) => self.judge_branch(Some(*branch))?,
            StatusNow::Gone => HashMap::new(),
        };
        self.publish.notify_one();
        Ok(())
    }

    async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce() -> Result<T, GitError> + Send + 'static,
    ) -> Result<T, NotRebuilt> {
        let answer = self.blocking.run(question).await;
        let answer = answer.map_err(|error| NotRebuilt::Failed(error.to_string()))?;
        answer.map_err(|error| NotRebuilt::Failed(chain(&error)))
    }

    /// What stands on the branch, which is ours to write.
    fn judge_branch(&self, branch: Option<StatusFiles>) -> Result<HashMap<String, Sha256>, NotRebuilt> {
        let Some(StatusFiles { summary, files }) = branch else { return Ok(HashMap::new()) };
        // The mirror has fetched the tip: whoever would publish from now on would go on top of it unasked.
        if let Err(why) = self.own().judge_tip(summary.as_ref()) {
            tracing::error!(%why, "the status branch is another controller's; only observing from here on");
            self.only_observe();
            return Err(NotRebuilt::NotOurs(why.to_string()));
        }
        Ok(files)
    }
}

/// The digest of every file at a commit of the status branch that is the publisher's: the summary, and what stands
/// below `servers/`. What is no file that could have been published has the digest of nothing.
pub(crate) fn read_digests(reader: &Reader, commit: CommitId) -> Result<HashMap<String, Sha256>, GitError> {
    let ours = PathFilter::only([SUMMARY_PATH, "servers/"]);
    let snapshot = reader.snapshot(commit, &ours, Limits::default())?;
    let mut files = HashMap::new();
    for blob in &snapshot.blobs {
        files.insert(blob.path.to_string(), Sha256::of(&reader.entry(blob)?));
    }
    for refused in &snapshot.refused {
        match refused.why {
            Why::NotUtf8 | Why::UnsafeName => {
                tracing::warn!(path = refused.path, "what has this name on the status branch is left there");
            }
            _ => drop(files.insert(refused.path.clone(), Sha256::of(b""))),
        }
    }
    Ok(files)
}

/// The same of plain files.
fn read_files(dir: &Path) -> std::io::Result<HashMap<String, Sha256>> {
    let mut files = HashMap::new();
    let mut below = vec![(dir.join("servers"), "servers".to_owned())];
    while let Some((dir, path)) = below.pop() {
        for entry in match std::fs::read_dir(&dir) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            entries => entries?,
        } {
            let entry = entry?;
            let Some(path) = entry.file_name().to_str().map(|name| format!("{path}/{name}")) else {
                continue;
            };
            if entry.file_type()?.is_dir() {
                below.push((entry.path(), path));
            } else {
                files.insert(path, Sha256::of(&std::fs::read(entry.path()).unwrap_or_default()));
            }
        }
    }
    if let Ok(summary) = std::fs::read(dir.join(SUMMARY_PATH)) {
        files.insert(SUMMARY_PATH.to_owned(), Sha256::of(&summary));
    }
    Ok(files)
}
