// SPDX-License-Identifier: AGPL-3.0-or-later
//! The jobs that are kept, by id and by the machine that they are about: a report names its machine, and must not cost
//! a walk through all jobs.

use std::collections::{BTreeMap, HashMap};
use std::ops::Deref;
use std::sync::Arc;

use shoal_core::job::Job;
use shoal_schema::JobId;

/// Jobs by id. Jobs are replaced, never changed where they are; who its machine is never changes in a job.
#[derive(Default)]
pub struct KnownJobs {
    jobs: BTreeMap<JobId, Arc<Job>>,
    /// By serial and UUID, in lower case.
    by_machine: HashMap<String, Vec<JobId>>,
}

impl KnownJobs {
    /// Takes in a job, in the place of what was known of it.
    pub fn put(&mut self, job: Arc<Job>) {
        if let Some(known) = self.jobs.get_mut(&job.id) {
            *known = job;
            return;
        }
        for machine in machines(&job) {
            self.by_machine.entry(machine).or_default().push(job.id.clone());
        }
        self.jobs.insert(job.id.clone(), job);
    }

    /// Forgets a job.
    pub fn forget(&mut self, id: &JobId) {
        let Some(job) = self.jobs.remove(id) else { return };
        for machine in machines(&job) {
            if let Some(jobs) = self.by_machine.get_mut(&machine) {
                jobs.retain(|job| job != id);
                if jobs.is_empty() {
                    self.by_machine.remove(&machine);
                }
            }
        }
    }

    /// The jobs of a machine, by its serial or UUID in any case.
    pub(crate) fn of_machine(&self, machine: &str) -> impl Iterator<Item = &Arc<Job>> {
        let ids = self.by_machine.get(&machine.to_ascii_lowercase());
        ids.into_iter().flatten().filter_map(|id| self.jobs.get(id))
    }
}

/// Each once.
fn machines(job: &Job) -> Vec<String> {
    let own = [Some(&job.machine), job.identity.serial.as_ref(), job.identity.uuid.as_ref()];
    let mut all: Vec<String> = own.into_iter().flatten().map(|name| name.to_ascii_lowercase()).collect();
    all.sort_unstable();
    all.dedup();
    all
}

impl Deref for KnownJobs {
    type Target = BTreeMap<JobId, Arc<Job>>;

    fn deref(&self) -> &Self::Target {
        &self.jobs
    }
}

impl FromIterator<Arc<Job>> for KnownJobs {
    fn from_iter<T: IntoIterator<Item = Arc<Job>>>(jobs: T) -> Self {
        let mut known = Self::default();
        jobs.into_iter().for_each(|job| known.put(job));
        known
    }
}
