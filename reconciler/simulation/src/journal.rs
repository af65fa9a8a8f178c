// SPDX-License-Identifier: AGPL-3.0-or-later
//! Where jobs are, read off what a controller writes into its database: so that events can happen at a place of a
//! job's life, and are counted by it. Nothing is judged by it but that a machine has one job at a time.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::Value;
use shoal_core::job::Phase;
use shoal_schema::disk::DiskFacts;
use shoal_store::{Batch, MemoryStore, Reader as _, Scan, Table, Write};

use crate::event::Event;
use crate::world::World;

/// A job, as it stands in the database.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct JobSeen {
    /// The server's name.
    pub server: String,
    /// The machine's serial.
    pub machine: String,
    /// From 1.
    pub attempt: u64,
    /// Where it is.
    pub phase: Phase,
    /// The permit of the attempt.
    pub permit: Option<PermitSeen>,
}

/// A permit, as it stands in the database.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct PermitSeen {
    /// The disk.
    disk: DiskFacts,
}

/// The jobs that are not over, by id.
pub(crate) type ActiveJobs = BTreeMap<String, JobSeen>;

/// An event that waits for some job to be somewhere.
#[derive(Clone, Debug)]
pub(crate) struct Waiting {
    /// Where.
    pub phase: Phase,
    /// Of which machine; of any where nothing is said.
    pub machine: Option<String>,
    /// What happens then, to that job's server.
    pub event: Event,
    /// What follows.
    pub then: Vec<(Option<Phase>, Event)>,
}

/// The active jobs of a database.
pub(crate) fn jobs_in(store: &MemoryStore) -> ActiveJobs {
    let rows = store.scan(Table::Jobs, &Scan::ALL).unwrap_or_default();
    let jobs = rows.into_iter().filter_map(|row| {
        let job: JobSeen = serde_json::from_slice(&row.1).ok()?;
        (job.phase != Phase::Complete).then(|| (String::from_utf8_lossy(&row.0).into_owned(), job))
    });
    jobs.collect()
}

/// A server to which nothing is done for a time, since somebody else may have it write.
pub(crate) fn left_alone(store: &MemoryStore) -> Option<String> {
    let rows = store.scan(Table::Records, &Scan::ALL).unwrap_or_default();
    rows.into_iter().find_map(|(key, row)| {
        let row: Value = serde_json::from_slice(&row).ok()?;
        row["left_alone_ms"].is_u64().then(|| String::from_utf8_lossy(&key).into_owned())
    })
}

/// The jobs among the writes of a batch.
pub(crate) fn jobs_of(batch: &Batch) -> Vec<(String, JobSeen)> {
    let written = batch.writes.iter().filter_map(|write| match write {
        Write::Put { table: Table::Jobs, key, value } => Some((key, value)),
        _ => None,
    });
    let job = |(key, value): (&Vec<u8>, &Vec<u8>)| {
        Some((String::from_utf8_lossy(key).into_owned(), serde_json::from_slice(value).ok()?))
    };
    written.filter_map(job).collect()
}

/// A controller wrote these jobs into its database.
pub(crate) fn wrote(world: &Arc<World>, side: usize, jobs: Vec<(String, JobSeen)>) {
    let rings = world.with(|state| {
        for (id, job) in jobs {
            if job.phase == Phase::Complete {
                state.jobs[side].remove(&id);
                continue;
            }
            if let Some(serial) = job.permit.as_ref().and_then(|permit| permit.disk.serial.as_ref()) {
                state.permitted(&id, serial);
            }
            let moved = state.jobs[side].get(&id).is_none_or(|known| known.phase != job.phase);
            let other = state.jobs[side]
                .iter()
                .find(|(known, there)| **known != id && there.machine == job.machine)
                .map(|(known, _)| known.clone());
            if let Some(other) = other {
                state.oracle.broken(format!("machine {} has jobs {id} and {other} at once", job.machine));
            }
            if moved && side == 0 {
                let due = state.waiting.iter().position(|waiting| {
                    let meant = waiting.machine.as_ref().is_none_or(|machine| *machine == job.machine);
                    waiting.phase == job.phase && meant
                });
                if let Some(due) = due {
                    let waiting = state.waiting.remove(due);
                    state.due.push_back((waiting, job.clone()));
                }
            }
            state.jobs[side].insert(id, job);
        }
        !state.due.is_empty()
    });
    if rings {
        world.bell.notify_one();
    }
}
