// SPDX-License-Identifier: AGPL-3.0-or-later
//! Publishes status: the summary and one file per server, on a branch of its own or as plain files.
//!
//! Guarantees: only what changed is written, many servers in one commit; nothing is written over
//! another database's status; a job's start is known outside before a machine is touched
//! (`Controller::fence`).

mod read;
mod wanted;

pub use read::{read_servers, read_summary};
pub(crate) use wanted::condition_word;
pub use wanted::{Published, status_path};

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use shoal_git::{Author, PublishOutcome, StatusCommit, StatusError};
use shoal_schema::status::SUMMARY_PATH;
use tokio::sync::OwnedMutexGuard;
use wanted::Wanted;

use crate::controller::Controller;
use crate::fence::Own;
use crate::jobs::perform::chain;
use crate::outside::Repository;
use crate::source::hinted;

/// Who only observes writes nothing.
#[derive(Debug, thiserror::Error)]
#[error("this controller only observes until 'shoal takeover'")]
pub(crate) struct Observes;

/// What was written at once.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Written {
    /// Files written.
    pub(crate) files: usize,
    /// Files removed.
    pub(crate) removed: usize,
}

/// Publishes until the controller stops; once more at the end.
pub(crate) async fn run(controller: Arc<Controller>) {
    loop {
        tokio::select! {
            biased;
            () = controller.shutdown.cancelled() => break,
            () = controller.publish.notified() => {}
        }
        let pause = controller.world().fleet.status.flush_seconds;
        tokio::select! {
            biased;
            () = controller.shutdown.cancelled() => break,
            () = tokio::time::sleep(Duration::from_secs(pause.into())) => {}
            () = enough_changed(&controller) => {}
        }
        // Why not, it says by itself.
        if controller.publish_now().await.is_err() {
            tokio::select! {
                biased;
                () = controller.shutdown.cancelled() => break,
                () = tokio::time::sleep(Duration::from_secs(10)) => controller.publish.notify_one(),
            }
        }
    }
}

/// Ready once so many servers differ from what is published.
async fn enough_changed(controller: &Controller) {
    loop {
        tokio::time::sleep(Duration::from_secs(2)).await;
        let limit = controller.world().fleet.status.flush_count as usize;
        let mut held = Arc::clone(&controller.published).lock_owned().await;
        let known = controller.known();
        let changed = controller.blocking.run(move || held.compare(known).0.len()).await;
        if changed.is_ok_and(|changed| changed >= limit) {
            return;
        }
    }
}

impl Controller {
    /// The outside knows this database's counter as it is now, and no other controller moved the
    /// branch. Before this a job touches nothing.
    pub(crate) async fn fence(&self) -> Result<(), String> {
        self.publish_now().await
    }

    /// The turn to publish, which one has at a time; none for who only observes.
    pub(crate) async fn turn_to_publish(&self) -> Result<OwnedMutexGuard<Published>, Observes> {
        let held = Arc::clone(&self.published).lock_owned().await;
        // Asked once it is held: whoever held it before may have found out that the branch is another's.
        if self.world().control.observe_only { Err(Observes) } else { Ok(held) }
    }

    /// Publishes what changed.
    pub(crate) async fn publish_now(&self) -> Result<(), String> {
        let held = self.turn_to_publish().await.map_err(|observes| observes.to_string())?;
        let published = self.publish_changes(held).await.map(drop);
        match &published {
            Ok(()) if self.publish_trouble.over() => tracing::info!("status can be published again"),
            Err(why) if self.publish_trouble.met(why) => {
                tracing::warn!(why, "status was not published, and no job begins before it is; trying again");
            }
            Ok(()) | Err(_) => {}
        }
        published
    }

    pub(crate) fn own(&self) -> Own {
        let world = self.world();
        Own {
            ledger: world.ledger.clone(),
            found: world.counter_found,
            incarnation: self.incarnation.clone(),
        }
    }

    /// Publishes what differs from what is known to be there, in one's turn.
    pub(crate) async fn publish_changes(
        &self,
        mut published: OwnedMutexGuard<Published>,
    ) -> Result<Written, String> {
        let began = Instant::now();
        let (own, known) = (self.own(), self.known());
        let (version, now) = (self.settings.version, self.now().as_second());
        let repository = self.repository.clone();
        let dir = self.settings.storage_root.join("status");
        // All of it in one piece: who waits for it may be gone before it is done, and nobody else may begin till then.
        let publish = move || {
            let (changed, wanted) = published.compare(known);
            if changed.is_empty() {
                return Ok(None);
            }
            let paths: Vec<String> = changed.keys().cloned().collect();
            match &repository {
                Some(repository) => push(&**repository, &own, &wanted, &paths, version, now)?,
                None => write_files(&dir, &wanted.files(&paths)).map_err(NotPublished::Files)?,
            }
            Ok(Some(published.wrote(changed)))
        };
        let result = self.blocking.run_behind(publish).await.map_err(|error| error.to_string())?;
        if !matches!(result, Ok(None)) {
            self.metrics.status_commit(if result.is_ok() { "ok" } else { "failed" }, began.elapsed());
        }
        match result {
            Ok(written) => Ok(written.unwrap_or_default()),
            Err(NotPublished::Files(error)) => Err(chain(&error)),
            Err(NotPublished::Git(error)) => {
                if let StatusError::Stopped { source, .. } = &error {
                    tracing::error!(why = %source, "the status branch is another controller's; only observing from here on");
                    self.only_observe();
                }
                Err(hinted(chain(&error), error.hint().as_deref()))
            }
        }
    }
}

/// Why something was not published.
enum NotPublished {
    Git(StatusError),
    Files(std::io::Error),
}

/// Pushes these paths to the status branch.
fn push(
    repository: &dyn Repository,
    own: &Own,
    wanted: &Wanted,
    changed: &[String],
    version: &str,
    now: i64,
) -> Result<(), NotPublished> {
    let servers = changed.iter().filter(|path| *path != SUMMARY_PATH).count();
    let mut trailers = vec![
        ("Shoal-Ledger".to_owned(), own.ledger.id.to_string()),
        ("Shoal-Version".to_owned(), version.to_owned()),
    ];
    if let Some(source) = wanted.source() {
        trailers.insert(0, ("Source-Commit".to_owned(), source));
    }
    let noun = if servers == 1 { "server" } else { "servers" };
    let author = Author { name: "Shoal".to_owned(), email: "shoal@localhost".to_owned(), time: now };
    let files = wanted.files(changed);
    let gone: Vec<String> =
        files.iter().filter(|(_, content)| content.is_none()).map(|(path, _)| path.clone()).collect();
    let commit = StatusCommit { files, message: format!("status: {servers} {noun}"), trailers, author };
    let outcome = repository.publish(&commit, &mut |summary| {
        own.judge_tip(summary)?;
        Ok(gone.iter().map(|path| (path.clone(), None)).chain(wanted.all()).collect())
    });
    if let PublishOutcome::Pushed { commit, files, attempts } = outcome.map_err(NotPublished::Git)? {
        tracing::info!(commit = %commit, files, attempts, "status published");
    }
    Ok(())
}

fn write_files(dir: &std::path::Path, files: &BTreeMap<String, Option<Vec<u8>>>) -> std::io::Result<()> {
    for (path, content) in files {
        let path = dir.join(path);
        match content {
            Some(bytes) => {
                if let Some(parent) = path.parent() {
                    std::fs::create_dir_all(parent)?;
                }
                let temp = path.with_extension("new");
                std::fs::write(&temp, bytes)?;
                std::fs::rename(&temp, &path)?;
            }
            None => match std::fs::remove_file(&path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
                _ => {}
            },
        }
    }
    Ok(())
}
