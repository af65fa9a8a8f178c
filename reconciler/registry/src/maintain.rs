// SPDX-License-Identifier: AGPL-3.0-or-later
//! What a registry does without being asked: garbage collection, scrubs, and the end of uploads that
//! nobody goes on with, each at the policy's intervals.
//!
//! Guarantees: without knowing what the inventory needs nothing is collected; collections and scrubs keep
//! their intervals without regard to each other, and where one of its kind runs already the turn comes
//! afterwards; a changed interval counts from the next minute on.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use shoal_oci::Digest;
use shoal_registry_storage::Clock;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::Registry;
use crate::admin::Board;
use crate::admin::upkeep::{By, NotBegun};
use crate::api::Task;
use crate::error::chain;

/// How often intervals are looked at, and what is free on the disk is counted.
const TICK: Duration = Duration::from_secs(30);
/// The first run of what is due comes this late, so that starts follow each other quickly.
const SETTLE: Duration = Duration::from_secs(300);
/// How often uploads are looked at.
const UPLOADS: Duration = Duration::from_secs(3600);

/// Knows what must never be collected: images of the inventory and of running jobs.
pub trait RootsSource: Send + Sync {
    /// Their digests. `None` where that is not known yet: then nothing is collected.
    fn roots(&self) -> Option<BTreeSet<Digest>>;
}

/// Of a registry that stands alone: nothing but tags says what is needed.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoRoots;

/// What maintenance needs besides the storage.
pub(crate) struct Maintenance {
    roots: Arc<dyn RootsSource>,
    board: Arc<Board>,
    stopping: CancellationToken,
}

/// Something that is done again and again.
struct Due {
    last: Option<Instant>,
    begun: Instant,
}

// === impl RootsSource ===

impl RootsSource for NoRoots {
    fn roots(&self) -> Option<BTreeSet<Digest>> {
        Some(BTreeSet::new())
    }
}

// === impl Maintenance ===

impl Maintenance {
    pub(crate) fn new(clock: Arc<dyn Clock>, roots: Arc<dyn RootsSource>) -> Self {
        Self { roots, board: Board::new(clock), stopping: CancellationToken::new() }
    }

    /// What must not be collected; `None` where nobody knows.
    pub(crate) fn roots(&self) -> Option<BTreeSet<Digest>> {
        self.roots.roots()
    }

    /// What runs and what ran.
    pub(crate) fn board(&self) -> &Arc<Board> {
        &self.board
    }

    /// Cancelled when the registry stops.
    pub(crate) fn stopping(&self) -> CancellationToken {
        self.stopping.clone()
    }
}

// === impl Due ===

impl Due {
    fn new(begun: Instant) -> Self {
        Self { last: None, begun }
    }

    /// Whether it is time again.
    fn is(&self, now: Instant, every: Duration) -> bool {
        match self.last {
            Some(last) => now.duration_since(last) >= every,
            None => now.duration_since(self.begun) >= SETTLE.min(every),
        }
    }

    /// Notes whether it was begun at `now`; returns its end.
    fn begun(
        &mut self,
        now: Instant,
        begun: Result<(Task, JoinHandle<()>), NotBegun>,
    ) -> Option<JoinHandle<()>> {
        match begun {
            Ok((_, task)) => {
                self.last = Some(now);
                Some(task)
            }
            // Somebody's own runs, or the last one still does: the turn comes when that has ended.
            Err(NotBegun::Busy(_)) => None,
            Err(error) => {
                self.last = Some(now);
                tracing::warn!(error = %chain(&error), "nothing is collected");
                None
            }
        }
    }
}

// === impl Registry ===

impl Registry {
    /// Maintains until `stop`: garbage collection, scrubs, uploads that expired, and the metrics of what is
    /// stored. Returns when what was begun has ended; a scrub ends early.
    pub async fn maintain(&self, stop: CancellationToken) {
        let now = Instant::now();
        let (mut gc, mut scrub, mut uploads) = (Due::new(now), Due::new(now), Due::new(now));
        let mut running = Vec::new();
        self.count().await;
        while stop.run_until_cancelled(tokio::time::sleep(TICK)).await.is_some() {
            let (now, policy) = (Instant::now(), self.inner.access.policy());
            self.count_free().await;
            if uploads.is(now, UPLOADS) {
                uploads.last = Some(now);
                self.expire().await;
            }
            running.retain(|task: &JoinHandle<()>| !task.is_finished());
            if gc.is(now, policy.gc.every.duration()) {
                running.extend(gc.begun(now, self.gc(By::schedule(), false)));
            }
            if scrub.is(now, policy.scrub.every.duration()) {
                running.extend(scrub.begun(now, self.scrub(By::schedule())));
            }
        }
        self.inner.maintenance.stopping.cancel();
        for task in running {
            // How it ended is on the board and in the log.
            let _ = task.await;
        }
    }

    async fn expire(&self) {
        let inner = Arc::clone(&self.inner);
        match tokio::task::spawn_blocking(move || inner.storage.expire_uploads()).await {
            Ok(Ok(0)) => {}
            Ok(Ok(uploads)) => tracing::info!(uploads, "uploads that nobody went on with are gone"),
            Ok(Err(error)) => tracing::warn!(error = %chain(&error), "expired uploads could not be removed"),
            Err(error) => tracing::error!(%error, "the end of expired uploads failed"),
        }
    }

    /// What is stored, for the metrics: reads every directory, so it is done once and after collections.
    async fn count(&self) {
        let inner = Arc::clone(&self.inner);
        let counted = tokio::task::spawn_blocking(move || {
            inner.storage.usage().map(|usage| inner.metrics.usage(&usage))
        });
        if let Ok(Err(error)) = counted.await {
            tracing::warn!(error = %chain(&error), "cannot count what is stored");
        }
    }

    async fn count_free(&self) {
        let inner = Arc::clone(&self.inner);
        let counted = tokio::task::spawn_blocking(move || {
            inner.storage.free_space().map(|(free, _)| inner.metrics.disk_free(free))
        });
        if let Ok(Err(error)) = counted.await {
            tracing::warn!(error = %chain(&error), "cannot ask for the free space");
        }
    }
}

#[cfg(test)]
mod tests {
    use shoal_oci::{Algorithm, RepositoryName};
    use shoal_registry_storage::{Options, Storage};

    use super::*;
    use crate::access::RegistryAuth;
    use crate::api::{TaskKind, TaskState};
    use crate::metrics::RegistryMetrics;
    use crate::policy::Policy;
    use crate::{Patience, RegistryConfig};

    #[derive(Debug)]
    struct Fixed;

    impl Clock for Fixed {
        fn now(&self) -> jiff::Timestamp {
            jiff::Timestamp::UNIX_EPOCH
        }
    }

    struct Unknown;

    impl RootsSource for Unknown {
        fn roots(&self) -> Option<BTreeSet<Digest>> {
            None
        }
    }

    fn registry(root: &std::path::Path, roots: Arc<dyn RootsSource>) -> Registry {
        let config = RegistryConfig {
            policy: Policy::default(),
            auth: RegistryAuth::None,
            tokens: None,
            clock: Arc::new(Fixed),
            roots,
            metrics: RegistryMetrics::register(&prometheus::Registry::new()).unwrap(),
            patience: Patience::default(),
        };
        Registry::new(Storage::open(root, Options::new(Arc::new(Fixed))).unwrap(), config)
    }

    /// How the tasks ended that `maintain` began within two hours, oldest first.
    async fn maintained(registry: &Registry) -> Vec<(TaskKind, TaskState)> {
        let stop = CancellationToken::new();
        let maintained = registry.clone();
        let stopped = stop.clone();
        let task = tokio::spawn(async move { maintained.maintain(stopped).await });
        tokio::time::sleep(Duration::from_secs(2 * 3600)).await;
        stop.cancel();
        task.await.unwrap();
        let tasks = registry.inner.maintenance.board().tasks();
        tasks.ended.iter().rev().map(|task| (task.kind, task.state)).collect()
    }

    const COLLECTED: (TaskKind, TaskState) = (TaskKind::Gc, TaskState::Done);
    const SCRUBBED: (TaskKind, TaskState) = (TaskKind::Scrub, TaskState::Done);

    #[tokio::test(start_paused = true)]
    async fn everything_that_is_due_runs_by_itself() {
        let root = tempfile::tempdir().unwrap();
        let registry = registry(root.path(), Arc::new(NoRoots));
        let mut ended = maintained(&registry).await;
        // The first two begin at once, and either may end first.
        ended.sort_by_key(|(kind, _)| *kind != TaskKind::Gc);
        assert_eq!(ended, [COLLECTED, COLLECTED, SCRUBBED]);
        assert_eq!(registry.inner.maintenance.board().tasks().running, []);
    }

    #[tokio::test(start_paused = true)]
    async fn a_scrub_of_hours_keeps_no_collection_waiting_and_no_collection_a_scrub() {
        for (runs, ended) in [(TaskKind::Scrub, vec![COLLECTED; 2]), (TaskKind::Gc, vec![SCRUBBED])] {
            let root = tempfile::tempdir().unwrap();
            let registry = registry(root.path(), Arc::new(NoRoots));
            let (_, run) = registry.inner.maintenance.board().begin(runs, "ada").unwrap();
            assert_eq!(maintained(&registry).await, ended, "beside {runs:?}");
            drop(run);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_found_its_own_kind_at_work_has_its_turn_when_that_has_ended() {
        let root = tempfile::tempdir().unwrap();
        let registry = registry(root.path(), Arc::new(NoRoots));
        let (_, run) = registry.inner.maintenance.board().begin(TaskKind::Scrub, "ada").unwrap();
        let ends = async {
            tokio::time::sleep(Duration::from_secs(3600)).await;
            drop(run);
        };
        let (mut ended, ()) = tokio::join!(maintained(&registry), ends);
        ended.sort_by_key(|(kind, _)| *kind != TaskKind::Gc);
        assert_eq!(ended, [COLLECTED, COLLECTED, (TaskKind::Scrub, TaskState::Failed), SCRUBBED]);
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_collected_while_nobody_knows_what_is_needed() {
        let root = tempfile::tempdir().unwrap();
        let ended = maintained(&registry(root.path(), Arc::new(Unknown))).await;
        assert_eq!(ended, [(TaskKind::Scrub, TaskState::Done)]);
    }

    #[tokio::test(start_paused = true)]
    async fn an_upload_that_is_young_is_not_taken_for_expired() {
        let root = tempfile::tempdir().unwrap();
        let registry = registry(root.path(), Arc::new(NoRoots));
        let repository = RepositoryName::parse("a").unwrap();
        let id = registry.storage().begin(&repository, Algorithm::Sha256).unwrap();
        maintained(&registry).await;
        assert_eq!(registry.storage().upload(&repository, id).unwrap(), Some(0));
    }

    #[test]
    fn the_first_run_comes_soon_and_the_next_ones_at_their_interval() {
        let begun = Instant::now();
        let (hour, minute) = (Duration::from_secs(3600), Duration::from_secs(60));
        let mut due = Due::new(begun);
        assert!(!due.is(begun, hour));
        assert!(!due.is(begun + SETTLE - TICK, hour));
        assert!(due.is(begun + SETTLE, hour));
        assert!(due.is(begun + minute, minute), "an interval that is shorter");
        due.last = Some(begun + SETTLE);
        assert!(!due.is(begun + hour, hour));
        assert!(due.is(begun + SETTLE + hour, hour));
    }
}
