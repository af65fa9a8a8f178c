// SPDX-License-Identifier: AGPL-3.0-or-later
//! Watches where the inventory is: a Git branch, or a plain directory.
//!
//! Guarantees: a rewritten branch is refused until an operator accepts it; whatever is wrong with a
//! commit, the last good state stays in force; polling goes on whatever happens.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use shoal_core::inventory::Inventory;
use shoal_git::CommitId;
use shoal_inventory::{Checks, DirectorySource, DirectoryWatcher, Loader, SourceError};
use shoal_schema::status::RefusedCommit;
use shoal_store::{Batch, Table};
use tokio::time::Instant;

use crate::controller::Controller;
use crate::jobs::perform::chain;
use crate::known::KnownServers;
use crate::outside::Repository;
use crate::rebuild::NotRebuilt;
use crate::rows::{self, AcceptedRow};
use crate::settings::Source;

/// A directory that changes is read once it was quiet for so long.
const QUIET: Duration = Duration::from_millis(300);

/// Watches until the controller stops.
pub(crate) async fn run(controller: Arc<Controller>) {
    let mut watcher = Watcher::default();
    // Changes of a directory wake the loop at once; Git is asked from time to time.
    let _directory = match &controller.settings.source {
        Source::Directory(dir) => watch_directory(&controller, dir),
        Source::Git { .. } => None,
    };
    loop {
        let round = controller.fetches_begun.fetch_add(1, Ordering::SeqCst) + 1;
        let began = Instant::now();
        let controller_now = Arc::clone(&controller);
        let well;
        (watcher, well) = match controller
            .blocking
            .run(move || {
                let well = watcher.look(&controller_now);
                (watcher, well)
            })
            .await
        {
            Ok(looked) => looked,
            Err(error) => {
                tracing::error!(%error, "the watcher failed; starting it anew");
                (Watcher::default(), false)
            }
        };
        // What was fetched counts once it is in force, and once it is known that no other controller is at work: permits
        // are judged by what is.
        let alone = !std::mem::take(&mut watcher.status_moved) || follow_status(&controller).await;
        if accept(&controller, &mut watcher).await && well && alone {
            controller.world_mut().fetched_at = Some(began);
        }
        controller.fetched.send_replace(round);
        let poll = controller.settings.poll.mul_f64(0.8 + 0.4 * controller.jitter());
        tokio::select! {
            biased;
            () = controller.shutdown.cancelled() => return,
            () = controller.fetch.notified() => {}
            () = tokio::time::sleep(poll) => {}
        }
    }
}

/// Somebody moved the status branch. Whether it could be seen what stands there now.
async fn follow_status(controller: &Controller) -> bool {
    match controller.follow_status().await {
        Ok(()) | Err(NotRebuilt::NotOurs(_)) => true,
        Err(NotRebuilt::Failed(why)) => {
            tracing::warn!(
                why,
                "the status branch was moved, and cannot be read; looking again at the next fetch"
            );
            false
        }
    }
}

fn watch_directory(controller: &Arc<Controller>, dir: &Path) -> Option<DirectoryWatcher> {
    let wake = Arc::clone(controller);
    match DirectoryWatcher::start(dir, QUIET, move || wake.fetch.notify_one()) {
        Ok(watch) => Some(watch),
        Err(error) => {
            tracing::warn!(error = %chain(&error), "the directory cannot be watched; it is read from time to time");
            None
        }
    }
}

struct Watcher {
    loader: Loader,
    /// What was read and not yet taken over.
    seen: Option<Seen>,
    /// The fetch found the status branch elsewhere than it was left.
    status_moved: bool,
}

impl Default for Watcher {
    fn default() -> Self {
        let threads = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        Self { loader: Loader::new(threads), seen: None, status_moved: false }
    }
}

struct Seen {
    commit: Option<String>,
    inventory: Inventory,
    /// Since when it was there to be read.
    since: std::time::Instant,
}

impl Watcher {
    /// Reads what is there now, if it is another thing than what is in force. Says whether that went
    /// well.
    fn look(&mut self, controller: &Controller) -> bool {
        let result = match (&controller.settings.source, &controller.repository) {
            (Source::Git { .. }, Some(repository)) => self.look_at_git(controller, &**repository),
            (Source::Directory(dir), _) => self.look_at_directory(dir, controller.now()),
            (Source::Git { .. }, None) => Err("the mirror was not opened".to_owned()),
        };
        let mut world = controller.world_mut();
        match result {
            Ok(()) => {
                world.fetch_error = None;
                true
            }
            Err(why) => {
                if world.fetch_error.as_ref() != Some(&why) {
                    tracing::warn!(why, "the inventory cannot be read; the last good state stays in force");
                }
                world.fetch_error = Some(why);
                false
            }
        }
    }

    fn look_at_git(&mut self, controller: &Controller, repository: &dyn Repository) -> Result<(), String> {
        let fetched = match repository.fetch() {
            Ok(fetched) => fetched,
            Err(error) => {
                self.fall_back(controller, repository);
                return Err(with_hint(&error));
            }
        };
        self.status_moved = fetched.status_moved;
        let tip = fetched.tip.to_string();
        let (in_force, loaded) = {
            let world = controller.world();
            (world.commit.clone(), world.loaded)
        };
        if loaded && in_force.as_deref() == Some(tip.as_str()) {
            controller.world_mut().refused = None;
            return Ok(());
        }
        let accepted: AcceptedRow = rows::get(&*controller.store, Table::Inventory, "accepted")
            .map_err(|error| chain(&error))?
            .unwrap_or_default();
        if let Some(old) = &accepted.commit {
            let old_id: CommitId = old.parse().map_err(|_| format!("{old} is no commit"))?;
            let follows = repository.follows(fetched.tip, old_id).unwrap_or(false);
            if !follows && accepted.allow_rewrite_to.as_deref() != Some(tip.as_str()) {
                let message = format!(
                    "branch {} was rewritten: {} does not follow {}; 'shoal accept {}' takes it, the last good state stays in force",
                    fetched.branch,
                    fetched.tip.short(),
                    old_id.short(),
                    fetched.tip.short()
                );
                let refused = Some(RefusedCommit { commit: tip, message: message.clone() });
                let before = std::mem::replace(&mut controller.world_mut().refused, refused.clone());
                if before != refused {
                    tracing::warn!(message, "commit refused");
                }
                if !loaded {
                    self.read_commit(repository, old_id, old.clone(), controller.now())?;
                }
                return Ok(());
            }
        }
        if !loaded && let Some(good) = accepted.last_good.as_ref().filter(|good| **good != tip) {
            // What is broken at the tip stays as it was at the last commit without errors.
            let id: CommitId = good.parse().map_err(|_| format!("{good} is no commit"))?;
            if self.read_commit(repository, id, good.clone(), controller.now()).is_ok()
                && let Some(seen) = self.seen.take()
            {
                let mut world = controller.world_mut();
                world.protected = protected(&seen.inventory, &world.inventory, &world.protected);
                world.inventory = Arc::new(seen.inventory);
            }
        }
        controller.world_mut().refused = None;
        self.read_commit(repository, fetched.tip, tip, controller.now())
    }

    /// Git cannot be reached after a start: the commit that was in force is still in the mirror.
    fn fall_back(&mut self, controller: &Controller, repository: &dyn Repository) {
        if controller.world().loaded {
            return;
        }
        let accepted: Option<AcceptedRow> =
            rows::get(&*controller.store, Table::Inventory, "accepted").ok().flatten();
        let Some(commit) = accepted.and_then(|accepted| accepted.commit) else { return };
        let Ok(id) = commit.parse::<CommitId>() else { return };
        if let Err(why) = self.read_commit(repository, id, commit, controller.now()) {
            tracing::warn!(why, "the commit that was in force is not in the mirror");
        }
    }

    fn read_commit(
        &mut self,
        repository: &dyn Repository,
        id: CommitId,
        commit: String,
        now: jiff::Timestamp,
    ) -> Result<(), String> {
        let since = std::time::Instant::now();
        let source = repository.files(id).map_err(|error| with_hint(&error))?;
        let watched_branch = repository.watched_branch();
        let checks = Checks { watched_branch, now: Some(now) };
        let inventory = self.loader.load(&*source, &checks).map_err(|error| unread(&error))?.inventory;
        self.seen = Some(Seen { commit: Some(commit), inventory, since });
        Ok(())
    }

    fn look_at_directory(&mut self, dir: &Path, now: jiff::Timestamp) -> Result<(), String> {
        let checks = Checks { watched_branch: None, now: Some(now) };
        let since = std::time::Instant::now();
        let source = DirectorySource::new(dir);
        let inventory = self.loader.load(&source, &checks).map_err(|error| unread(&error))?.inventory;
        self.seen = Some(Seen { commit: None, inventory, since });
        Ok(())
    }
}

fn with_hint(error: &shoal_git::GitError) -> String {
    hinted(chain(error), error.hint().as_deref())
}

fn unread(error: &SourceError) -> String {
    hinted(chain(error), error.hint())
}

pub(crate) fn hinted(text: String, hint: Option<&str>) -> String {
    match hint {
        Some(hint) => format!("{text} ({hint})"),
        None => text,
    }
}

/// Takes over what was read. Says whether what was read is in force.
async fn accept(controller: &Arc<Controller>, watcher: &mut Watcher) -> bool {
    let Some(Seen { commit, mut inventory, since }) = watcher.seen.take() else { return true };
    controller.metrics.planned("read", since.elapsed());
    let (last, first, same, before) = {
        let world = controller.world();
        let same = world.loaded && world.inventory.digest == inventory.digest && world.commit == commit;
        (Arc::clone(&world.inventory), !world.loaded, same, world.protected.clone())
    };
    if same {
        return true;
    }
    for problem in &inventory.problems {
        tracing::warn!(place = problem.place, code = problem.code, "{}", problem.message);
    }
    let clean = inventory.problems.is_empty();
    inventory.keep_last_good(&last);
    let protected = protected(&inventory, &last, &before);
    let began = std::time::Instant::now();
    if let Err(error) = keep(controller, commit.clone(), clean, &protected, first).await {
        tracing::error!(error, "a new commit could not be kept; the last good state stays in force");
        return false;
    }
    controller.metrics.planned("keep", began.elapsed());
    let servers = inventory.servers.len();
    {
        let mut world = controller.world_mut();
        world.set_inventory(Arc::new(inventory), protected);
        world.commit.clone_from(&commit);
        world.commit_seen = Some(since);
    }
    tracing::info!(commit = commit.as_deref().unwrap_or("directory"), servers, clean, "inventory in force");
    controller.wake.notify_one();
    controller.publish.notify_one();
    true
}

/// Makes the commit in force durable, with what protection was before it.
async fn keep(
    controller: &Controller,
    commit: Option<String>,
    clean: bool,
    protected: &BTreeSet<String>,
    first: bool,
) -> Result<(), String> {
    let before: AcceptedRow = rows::get(&*controller.store, Table::Inventory, "accepted")
        .map_err(|error| chain(&error))?
        .unwrap_or_default();
    // Read again after a restart, the commit in force is no new commit.
    let again = first && before.commit == commit;
    let accepted = AcceptedRow {
        last_good: if clean { commit.clone() } else { before.last_good.clone() },
        allow_rewrite_to: None,
        commit,
    };
    let mut batch = Batch::new();
    rows::put(&mut batch, Table::Inventory, "accepted", &accepted);
    let mut guards = Vec::new();
    let mut changed = Vec::new();
    if !again {
        let moved = {
            let world = controller.world();
            protection_moved(&world.servers, &world.protected, protected)
        };
        for Moved { name, was, protect } in moved {
            guards.push(controller.lock(&name).await);
            let Some(row) = controller.world().servers.get(&name).cloned() else { continue };
            let mut row = (*row).clone();
            row.status_mut().record.protected_before = was;
            row.status_mut().record.protected = protect;
            rows::put_server(&mut batch, &row);
            changed.push(row);
        }
    }
    controller.commit("the commit in force", batch).await.map_err(|error| chain(&error))?;
    let mut world = controller.world_mut();
    for row in changed {
        world.servers.put(Arc::new(row));
    }
    drop(world);
    drop(guards);
    Ok(())
}

/// The servers that Git protects; `before` are those that `last` protects.
fn protected(inventory: &Inventory, last: &Inventory, before: &BTreeSet<String>) -> BTreeSet<String> {
    let mut protected = before.clone();
    for change in inventory.servers.since(&last.servers) {
        if change.now.is_some_and(|server| server.value.spec.protect) {
            protected.insert(change.name.clone());
        } else {
            protected.remove(change.name);
        }
    }
    protected
}

/// A server whose protection is another one with a new commit.
struct Moved {
    name: String,
    was: bool,
    protect: bool,
}

/// `before`: who was protected in the inventory that was in force.
fn protection_moved(rows: &KnownServers, before: &BTreeSet<String>, now: &BTreeSet<String>) -> Vec<Moved> {
    let mut moved = Vec::new();
    let named: BTreeSet<&String> = rows.protected().iter().chain(before).chain(now).collect();
    for name in named {
        let Some(row) = rows.get(name) else { continue };
        let record = &row.status.record;
        let (was, protect) = (record.protected || before.contains(name), now.contains(name));
        if record.protected != protect || record.protected_before != was {
            moved.push(Moved { name: name.clone(), was, protect });
        }
    }
    moved
}

impl Controller {
    /// Asks for a fetch now and waits until one that began after this call is over, but not for long.
    /// One that is under way may have asked the remote before the push that the caller is about.
    pub(crate) async fn fetch_and_wait(&self, patience: Duration) {
        let mut over = self.fetched.subscribe();
        let wanted = self.fetches_begun.load(Ordering::SeqCst) + 1;
        self.fetch.notify_one();
        tokio::select! {
            biased;
            _ = over.wait_for(|round| *round >= wanted) => {}
            () = self.shutdown.cancelled() => {}
            () = tokio::time::sleep(patience) => {}
        }
    }
}
