// SPDX-License-Identifier: AGPL-3.0-or-later
//! Databases that are lost, restored out of a backup, or put back as a file; and what anybody can still know then.
//!
//! A backup is a real export, and restoring it does what `shoal restore` does. A file that somebody put back behind the
//! controller's back can be told by the status branch alone: where that was put back as well, nobody can know, and what
//! came after the copy counts as not having been.

use std::sync::Arc;

use shoal_controller::restored::renew;
use shoal_git::CommitId;
use shoal_schema::status::{JobSummary, ServerStatus};
use shoal_store::export::{About, Importer, export};
use shoal_store::{FORMAT, MemoryStore, Store as _, ledger};

use crate::dice::SeededRandom;
use crate::git::Remote;
use crate::happen::crash;
use crate::journal::{ActiveJobs, jobs_in};
use crate::oracle::Permits;
use crate::world::{State, World};

/// What the database was at some time.
pub(crate) struct Backup {
    /// As `shoal backup` writes it.
    export: Vec<u8>,
    /// The file.
    copy: MemoryStore,
    /// How far it had come.
    counter: u64,
    /// The permits that were given by then.
    permits: Permits,
}

/// Takes a backup, and copies the file.
pub(crate) fn take(world: &Arc<World>) {
    let now = world.now();
    world.with(|state| {
        // Without a ledger there is nothing in it.
        let Ok(Some(known)) = ledger::read(&*state.store) else { return };
        let snapshot = state.store.snapshot().expect("memory can be read");
        let mut bytes = Vec::new();
        let about =
            About::of(&*snapshot, FORMAT, now, "simulation", None).expect("its ledger was read just now");
        export(snapshot, about, &mut bytes).expect("memory takes it");
        let (copy, permits) = (state.store.copy(), state.oracle.permits());
        state.backup = Some(Backup { export: bytes, copy, counter: known.counter, permits });
    });
}

/// The controller's database is gone.
pub(crate) fn lose(world: &Arc<World>) {
    crash(world, 0);
    another_database(world, MemoryStore::new());
}

/// What `shoal restore` makes of the last backup.
pub(crate) fn restore(world: &Arc<World>) {
    let Some(bytes) = world.with(|state| state.backup.as_ref().map(|backup| backup.export.clone())) else {
        return;
    };
    crash(world, 0);
    let store = MemoryStore::new();
    let importer = Importer::open(&bytes[..]).expect("it begins as an export");
    importer.import(&store).expect("it is whole");
    let seed = world.with(|state| state.dice.roll());
    renew(&store, &SeededRandom::new(seed), world.now()).expect("it can be made ready");
    another_database(world, store);
}

/// The file as it was at the last backup is put back.
pub(crate) fn put_back(world: &Arc<World>) {
    let (published, put_back) = world.git(|git| {
        let summary = git.status.and_then(|tip| git.summary(tip));
        (summary.map(|summary| summary.counter), git.status_put_back)
    });
    let found = world.with(|state| {
        let backup = state.backup.as_ref()?;
        let unseen = put_back && published.is_none_or(|published| published <= backup.counter);
        let (copy, permits) = (backup.copy.copy(), backup.permits.clone());
        if unseen {
            state.oracle.knows_only(permits);
            forget(state, |_| false);
        }
        Some(copy)
    });
    let Some(copy) = found else { return };
    crash(world, 0);
    another_database(world, copy);
}

/// Of a machine that writes, a controller with another database knows by that, or by the status branch.
fn another_database(world: &Arc<World>, store: MemoryStore) {
    let shown = world.git(|git| git.status.map(|tip| active(git, tip)).unwrap_or_default());
    world.with(|state| {
        state.jobs[0] = jobs_in(&store);
        state.store = Arc::new(store);
        // After `shoal restore` no job is active any more; which ones were, it has noted.
        let known: ActiveJobs = state.backup.as_ref().map(|backup| jobs_in(&backup.copy)).unwrap_or_default();
        let own = state.jobs[0].clone();
        forget(state, |job| shown.contains(job) || own.contains_key(job) || known.contains_key(job));
    });
}

/// The status branch forgets, and nobody else knows.
pub(crate) fn branch_forgets(world: &Arc<World>) {
    world.with(|state| {
        let own = state.jobs[0].clone();
        forget(state, |job| own.contains_key(job));
    });
}

fn forget(state: &mut State, knows: impl Fn(&String) -> bool) {
    for machine in &mut state.machines {
        machine.writes = machine.writes.take().filter(|writing| knows(&writing.job));
    }
}

/// The jobs that are active as the status branch shows it.
fn active(git: &Remote, tip: CommitId) -> Vec<String> {
    let statuses = git.statuses(tip).into_iter();
    let jobs = statuses.filter_map(|status: ServerStatus| status.job.filter(JobSummary::is_active));
    jobs.map(|job| job.id.to_string()).collect()
}
