// SPDX-License-Identifier: AGPL-3.0-or-later
//! Maintenance as it is asked for, by people and by the schedule: one of a kind at a time, in the background, with
//! its progress on the [`Board`](super::board::Board), its result in the metrics, and its end in the audit events.
//!
//! Guarantees: without knowing what the inventory needs nothing is collected; a collection that began is
//! carried to its end, and one that is killed leaves nothing that the next one does not finish; a scrub
//! ends early when the registry stops.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;

use shoal_oci::Digest;
use shoal_registry_storage::collect::Item;
use shoal_registry_storage::{CollectRules, Retention, Roots, ScrubProgress};
use tokio::task::JoinHandle;

use super::board::{End, Run};
use crate::api::{Collected, Scrubbed, Task, TaskKind};
use crate::audit::{self, Outcome};
use crate::error::chain;
use crate::policy::Policy;
use crate::{Inner, Registry};

/// Who asked for it.
#[derive(Clone, Debug)]
pub(crate) struct By {
    /// An account, or `schedule`.
    pub(crate) user: String,
    /// From where.
    pub(crate) peer: Option<SocketAddr>,
}

/// Why it was not begun.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotBegun {
    /// One of its kind runs.
    #[error("{} runs already, begun at {:.0}", named(.0.kind), .0.started)]
    Busy(Box<Task>),
    /// Nobody knows yet which images the inventory needs.
    #[error("no inventory was read yet: nobody knows what has to be kept")]
    RootsUnknown,
}

// === impl By ===

impl By {
    /// The policy's intervals did.
    pub(crate) fn schedule() -> Self {
        Self { user: "schedule".to_owned(), peer: None }
    }
}

// === impl Registry ===

impl Registry {
    /// Begins a garbage collection, or in a dry run what would be one. The handle is its end.
    pub(crate) fn gc(&self, by: By, dry_run: bool) -> Result<(Task, JoinHandle<()>), NotBegun> {
        let inner = Arc::clone(&self.inner);
        let roots = inner.maintenance.roots().ok_or(NotBegun::RootsUnknown)?;
        let kind = if dry_run { TaskKind::GcDryRun } else { TaskKind::Gc };
        let (task, run) = inner.maintenance.board().begin(kind, &by.user).map_err(NotBegun::Busy)?;
        Ok((task, tokio::task::spawn_blocking(move || collect(&inner, run, &by, roots, dry_run))))
    }

    /// Begins a scrub. The handle is its end.
    pub(crate) fn scrub(&self, by: By) -> Result<(Task, JoinHandle<()>), NotBegun> {
        let inner = Arc::clone(&self.inner);
        let (task, run) =
            inner.maintenance.board().begin(TaskKind::Scrub, &by.user).map_err(NotBegun::Busy)?;
        Ok((task, tokio::task::spawn_blocking(move || scrub(&inner, run, &by))))
    }
}

fn collect(inner: &Inner, run: Run, by: &By, roots: BTreeSet<Digest>, dry_run: bool) {
    let rules = rules(&inner.access.policy(), roots, dry_run);
    let found = inner.storage.collect(&rules, &mut |progress| run.progress(progress.into()));
    let (outcome, bytes, end) = match found {
        Ok(found) => {
            let contents = found.rows.iter().filter(|row| matches!(row.item, Item::Content { .. })).count();
            let found = Collected::from(found);
            let bytes = found.bytes.saturating_add(found.freed_bytes);
            for repository in &found.skipped {
                tracing::error!(%repository, "a manifest cannot be read: everything of its repository was kept");
            }
            if found.postponed {
                tracing::warn!(
                    "the clock is days ahead of the last collection: nothing counted as old this time"
                );
            }
            tracing::info!(dry_run, removed = found.count, bytes, "garbage collection is done");
            if !dry_run {
                inner.metrics.gc_removed(contents as u64);
            }
            (Outcome::Done, bytes, End::Collected(found))
        }
        Err(error) => {
            tracing::error!(error = %chain(&error), "garbage collection failed");
            (Outcome::Failed, 0, End::Failed(chain(&error)))
        }
    };
    if !dry_run {
        audit::gc(&by.user, by.peer, outcome, bytes);
    }
    count(inner);
    run.end(end);
}

fn scrub(inner: &Inner, run: Run, by: &By) {
    let rate = inner.access.policy().scrub.rate.bytes();
    let stopping = inner.maintenance.stopping();
    let mut on = |progress: ScrubProgress| run.progress(progress.into());
    let found = inner.storage.scrub(Some(rate), &mut on, &|| stopping.is_cancelled());
    let (outcome, bytes, end) = match found {
        Ok(found) => {
            let stopped = found.stopped;
            let found = Scrubbed::from(found);
            for digest in &found.corrupt {
                tracing::error!(%digest, "stored content is damaged and was put into quarantine: push it again");
                audit::corrupt(digest);
            }
            for content in &found.unchecked {
                tracing::error!(digest = %content.digest, why = content.why, "stored content could not be checked");
            }
            // What cannot be read is as lost to whoever pulls it: the same alert.
            inner.metrics.corrupt((found.corrupt.len() + found.unchecked.len()) as u64);
            tracing::info!(checked = found.checked, corrupt = found.corrupt.len(), "scrub is done");
            let bytes = found.bytes;
            if stopped {
                (Outcome::Stopped, bytes, End::Stopped(found))
            } else {
                (Outcome::Done, bytes, End::Scrubbed(found))
            }
        }
        Err(error) => {
            tracing::error!(error = %chain(&error), "scrub failed");
            (Outcome::Failed, 0, End::Failed(chain(&error)))
        }
    };
    audit::scrub(&by.user, by.peer, outcome, bytes);
    count(inner);
    run.end(end);
}

/// The metrics follow what is stored.
fn count(inner: &Inner) {
    match inner.storage.usage() {
        Ok(usage) => inner.metrics.usage(&usage),
        Err(error) => tracing::warn!(error = %chain(&error), "cannot count what is stored"),
    }
}

fn rules(policy: &Policy, digests: BTreeSet<Digest>, dry_run: bool) -> CollectRules {
    let retention = policy.retention.iter();
    CollectRules {
        grace: policy.gc.grace.duration(),
        quarantine: policy.gc.quarantine.duration(),
        retention: retention
            .map(|rule| Retention { repositories: rule.repositories.clone(), keep_last: rule.keep_last })
            .collect(),
        roots: Roots { digests },
        dry_run,
    }
}

fn named(kind: TaskKind) -> &'static str {
    match kind {
        TaskKind::Gc => "a garbage collection",
        TaskKind::GcDryRun => "a dry run of the garbage collection",
        TaskKind::Scrub => "a scrub",
    }
}
