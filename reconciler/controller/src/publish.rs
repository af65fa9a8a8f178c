// SPDX-License-Identifier: AGPL-3.0-or-later
//! Publishes status: the summary and one file per server, on a branch of its own or as plain files.
//!
//! Guarantees: only what changed is written, many servers in one commit; nothing is written over
//! another database's status; a job's start is known outside before a machine is touched
//! (`Controller::fence`).

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use shoal_git::{Author, PublishOutcome, Reader, StatusCommit, StatusError};
use shoal_schema::Sha256;
use shoal_schema::kinds::ApiVersion;
use shoal_schema::status::{ConditionType, SUMMARY_PATH, ServerStatus, StatusSummary};

use crate::controller::{Controller, without_log};
use crate::fence::Own;
use crate::jobs::perform::chain;
use crate::outside::Repository;
use crate::rows::ServerRow;
use crate::source::hinted;

/// Who only observes writes nothing.
pub(crate) const OBSERVES: &str = "this controller only observes until 'shoal takeover'";

/// What is known of the branch.
#[derive(Default)]
pub struct Published {
    /// Path → digest of what stands there.
    pub(crate) files: HashMap<String, Sha256>,
    /// What each server's file would be, as of the status that it was last judged by: rendering is what costs.
    rendered: HashMap<String, Rendered>,
}

struct Rendered {
    status: Arc<ServerStatus>,
    path: String,
    digest: Sha256,
}

/// What was written at once.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Written {
    /// Files written.
    pub(crate) files: usize,
    /// Files removed.
    pub(crate) removed: usize,
}

/// What is to be published now.
struct Wanted {
    summary: StatusSummary,
    /// Path → status.
    servers: BTreeMap<String, Arc<ServerStatus>>,
}

impl Wanted {
    /// The content of a file.
    fn render(&self, path: &str) -> Option<Vec<u8>> {
        if path == SUMMARY_PATH {
            Some(pretty(&self.summary))
        } else {
            self.servers.get(path).map(|s| render(s))
        }
    }

    /// Whether something that is wanted is in the place of this path: itself, or a file where this is below a
    /// directory, or the other way round.
    fn takes(&self, path: &str) -> bool {
        let below = format!("{path}/");
        path.split('/').next() == Some(SUMMARY_PATH)
            || path.match_indices('/').any(|(end, _)| self.servers.contains_key(&path[..end]))
            || self.servers.contains_key(path)
            || self.servers.range(below.clone()..).next().is_some_and(|(next, _)| next.starts_with(&below))
    }

    /// Every file.
    fn all(&self) -> BTreeMap<String, Option<Vec<u8>>> {
        let servers = self.servers.iter().map(|(path, status)| (path.clone(), Some(render(status))));
        servers.chain([(SUMMARY_PATH.to_owned(), Some(pretty(&self.summary)))]).collect()
    }
}

/// One word for a condition.
pub(crate) fn condition_word(kind: ConditionType) -> &'static str {
    match kind {
        ConditionType::Ready => "ready",
        ConditionType::Reconciling => "reconciling",
        ConditionType::Stalled => "stalled",
        ConditionType::Drifted => "drifted",
        ConditionType::Suspended => "suspended",
    }
}

/// Where a server's status stands: sharded like the desired files.
pub fn status_path(row: &ServerRow) -> String {
    let folder = row.file.rsplit_once('/').map_or("servers", |(folder, _)| folder);
    let folder = if folder.starts_with("servers") { folder } else { "servers" };
    format!("{folder}/{}.json", row.status.name)
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
        let (changed, _) = controller.published.lock().await.compare(controller);
        if changed.len() >= limit {
            return;
        }
    }
}

impl Published {
    /// What differs from what is published: path → digest, nothing where the file goes; and all that is wanted.
    fn compare(&mut self, controller: &Controller) -> (BTreeMap<String, Option<Sha256>>, Wanted) {
        let wanted = self.wanted(controller);
        let mut changed: BTreeMap<String, Option<Sha256>> = BTreeMap::new();
        let mut known = 0;
        let summary = (SUMMARY_PATH, Sha256::of(&pretty(&wanted.summary)));
        let servers = self.rendered.values().map(|rendered| (rendered.path.as_str(), &rendered.digest));
        for (path, digest) in servers.chain([(summary.0, &summary.1)]) {
            let published = self.files.get(path);
            known += usize::from(published.is_some());
            if published != Some(digest) {
                changed.insert(path.to_owned(), Some(digest.clone()));
            }
        }
        if self.files.len() > known {
            let gone = |path: &&String| !wanted.takes(path);
            changed.extend(self.files.keys().filter(gone).map(|path| (path.clone(), None)));
        }
        (changed, wanted)
    }

    /// Takes over what is known now. Only what moved is rendered.
    fn wanted(&mut self, controller: &Controller) -> Wanted {
        let world = controller.world();
        let mut counts: BTreeMap<String, u32> = BTreeMap::new();
        let mut servers = BTreeMap::new();
        for (name, row) in world.servers.iter() {
            for condition in row.status.conditions.iter().filter(|condition| condition.status) {
                match counts.get_mut(condition_word(condition.kind)) {
                    Some(count) => *count += 1,
                    None => drop(counts.insert(condition_word(condition.kind).to_owned(), 1)),
                }
            }
            let path = status_path(row);
            match self.rendered.get_mut(name) {
                Some(rendered) if Arc::ptr_eq(&rendered.status, &row.status) => {
                    rendered.path.clone_from(&path);
                }
                _ => {
                    let digest = Sha256::of(&render(&row.status));
                    let rendered = Rendered { status: Arc::clone(&row.status), path: path.clone(), digest };
                    self.rendered.insert(name.clone(), rendered);
                }
            }
            servers.insert(path, Arc::clone(&row.status));
        }
        if self.rendered.len() > world.servers.len() {
            self.rendered.retain(|name, _| world.servers.contains_key(name));
        }
        let guards = world.plan.as_ref().map(|plan| plan.guards.iter().map(|guard| guard.message.clone()));
        let summary = StatusSummary {
            api_version: ApiVersion::V1,
            ledger: world.ledger.id.clone(),
            counter: world.ledger.counter,
            writer: format!("shoal {}", controller.settings.version),
            // A start by itself is no news.
            incarnation: if world.ledger.counter > world.counter_found {
                controller.incarnation.clone()
            } else {
                world.incarnation_found.clone()
            },
            commit: world.commit.clone(),
            refused: world.refused.clone(),
            counts,
            paused: world.control.paused,
            guards: guards.map(Iterator::collect).unwrap_or_default(),
        };
        Wanted { summary, servers }
    }
}

impl Controller {
    /// The outside knows this database's counter as it is now, and no other controller moved the
    /// branch. Before this a job touches nothing.
    pub(crate) async fn fence(&self) -> Result<(), String> {
        self.publish_now().await
    }

    /// Publishes what changed.
    pub(crate) async fn publish_now(&self) -> Result<(), String> {
        if self.world().control.observe_only {
            return Err(OBSERVES.to_owned());
        }
        let published = self.publish_changes(&mut *self.published.lock().await).await.map(drop);
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

    /// Publishes what differs from what is known to be there.
    pub(crate) async fn publish_changes(&self, published: &mut Published) -> Result<Written, String> {
        let began = Instant::now();
        let (changed, wanted) = published.compare(self);
        if changed.is_empty() {
            return Ok(Written::default());
        }
        let files: BTreeMap<String, Option<Vec<u8>>> =
            changed.keys().map(|path| (path.clone(), wanted.render(path))).collect();
        let result = match &self.repository {
            Some(repository) => self.push(Arc::clone(repository), files, wanted).await,
            None => {
                write_files(&self.settings.storage_root.join("status"), &files).map_err(|error| chain(&error))
            }
        };
        self.metrics.status_commit(if result.is_ok() { "ok" } else { "failed" }, began.elapsed());
        result?;
        let mut written = Written::default();
        for (path, digest) in changed {
            if let Some(digest) = digest {
                written.files += 1;
                published.files.insert(path, digest);
            } else {
                written.removed += 1;
                published.files.remove(&path);
            }
        }
        Ok(written)
    }

    async fn push(
        &self,
        repository: Arc<dyn Repository>,
        changed: BTreeMap<String, Option<Vec<u8>>>,
        wanted: Wanted,
    ) -> Result<(), String> {
        let (own, commit) = (self.own(), self.world().commit.clone());
        let gone: Vec<String> =
            changed.iter().filter(|(_, content)| content.is_none()).map(|(path, _)| path.clone()).collect();
        let servers = changed.keys().filter(|path| *path != SUMMARY_PATH).count();
        let mut trailers = vec![
            ("Shoal-Ledger".to_owned(), own.ledger.id.to_string()),
            ("Shoal-Version".to_owned(), self.settings.version.to_owned()),
        ];
        if let Some(commit) = commit {
            trailers.insert(0, ("Source-Commit".to_owned(), commit));
        }
        let noun = if servers == 1 { "server" } else { "servers" };
        let commit = StatusCommit {
            files: changed,
            message: format!("status: {servers} {noun}"),
            trailers,
            author: Author {
                name: "Shoal".to_owned(),
                email: "shoal@localhost".to_owned(),
                time: self.now().as_second(),
            },
        };
        let publish = move || {
            repository.publish(&commit, &mut |summary| {
                own.judge_tip(summary)?;
                Ok(gone.iter().map(|path| (path.clone(), None)).chain(wanted.all()).collect())
            })
        };
        let outcome = self.blocking.run(publish).await.map_err(|error| error.to_string())?;
        match outcome {
            Ok(PublishOutcome::Unchanged) => Ok(()),
            Ok(PublishOutcome::Pushed { commit, files, attempts }) => {
                tracing::info!(commit = %commit, files, attempts, "status published");
                Ok(())
            }
            Err(error) => {
                if let StatusError::Stopped { source, .. } = &error {
                    tracing::error!(why = %source, "the status branch is another controller's; only observing from here on");
                    self.only_observe();
                }
                Err(hinted(chain(&error), error.hint().as_deref()))
            }
        }
    }
}

/// The summary at a commit of the status branch.
pub fn read_summary(
    reader: &Reader,
    commit: shoal_git::CommitId,
) -> Result<Option<StatusSummary>, shoal_git::GitError> {
    let bytes = reader.file(commit, SUMMARY_PATH, 1 << 20)?;
    Ok(bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
}

/// Every server's status at a commit of the status branch. What cannot be read is left out.
pub fn read_servers(
    reader: &Reader,
    commit: shoal_git::CommitId,
) -> Result<Vec<(String, ServerStatus)>, shoal_git::GitError> {
    let snapshot =
        reader.snapshot(commit, &shoal_git::PathFilter::only(["servers/"]), shoal_git::Limits::default())?;
    let mut all = Vec::new();
    for blob in &snapshot.blobs {
        let bytes = reader.entry(blob)?;
        if let Ok(status) = serde_json::from_slice::<ServerStatus>(&bytes) {
            all.push((blob.path.to_string(), status));
        }
    }
    Ok(all)
}

/// A server's file: its status without excerpts of logs.
fn render(status: &ServerStatus) -> Vec<u8> {
    if status.last_error.is_none() {
        return pretty(status);
    }
    let mut status = status.clone();
    status.last_error = status.last_error.map(without_log);
    pretty(&status)
}

fn pretty<T: serde::Serialize>(value: &T) -> Vec<u8> {
    let mut bytes = serde_json::to_vec_pretty(value).expect("status has string keys and no foreign maps");
    bytes.push(b'\n');
    bytes
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
