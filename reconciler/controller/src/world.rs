// SPDX-License-Identifier: AGPL-3.0-or-later
//! What the controller knows at this moment, in memory: the commit in force, every row, every job
//! that is kept. The store is the truth; this is read at start and follows each commit.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use shoal_core::by_name::ByName;
use shoal_core::decide::Turn;
use shoal_core::desired::fleet_spec;
use shoal_core::inventory::Inventory;
use shoal_core::job::Job;
use shoal_core::ledger::Ledger;
use shoal_core::observed::Observed;
use shoal_schema::JobId;
use shoal_schema::kinds::FleetSpec;
use shoal_schema::plan::Plan;
use shoal_schema::status::RefusedCommit;
use tokio::time::Instant;

use crate::known::KnownServers;
use crate::known_jobs::KnownJobs;
use crate::rows::ControlRow;

/// A serial or a UUID in the form in which it is compared.
pub(crate) fn known_as(machine: &str) -> String {
    machine.trim().to_ascii_lowercase()
}

/// What the controller knows at this moment.
pub struct World {
    /// Which database this is.
    pub ledger: Ledger,
    /// The counter of its ledger when this process came to it.
    pub counter_found: u64,
    /// Who wrote the status branch as this process found it.
    pub incarnation_found: String,
    /// The last good inventory.
    pub inventory: Arc<Inventory>,
    /// Who is protected in it.
    pub protected: BTreeSet<String>,
    /// The fleet's values.
    pub fleet: Arc<FleetSpec>,
    /// Some inventory was read since the start.
    pub loaded: bool,
    /// The commit in force.
    pub commit: Option<String>,
    /// When it was seen, until there is a plan at it.
    pub commit_seen: Option<std::time::Instant>,
    /// A newer commit that was not taken.
    pub refused: Option<RefusedCommit>,
    /// When Git was last fetched well.
    pub fetched_at: Option<Instant>,
    /// Why it could not be fetched.
    pub fetch_error: Option<String>,
    /// Servers by name.
    pub servers: KnownServers,
    /// Jobs that are kept.
    pub jobs: KnownJobs,
    /// The active job of a server.
    pub active: BTreeMap<String, JobId>,
    /// Switches.
    pub control: ControlRow,
    /// The plan at the commit in force.
    pub plan: Option<Arc<Plan>>,
    /// Who waits for what, beyond the plan's holds.
    pub turns: BTreeMap<String, Turn>,
    /// The plan's entries were decided on since everything was read.
    pub reconciled: bool,
}

impl World {
    /// What the status branch would say, for the plan.
    pub fn observed(&mut self) -> Arc<Observed> {
        self.servers.observed(Observed {
            ledger: Some(self.ledger.id.clone()),
            counter: self.ledger.counter,
            commit: self.commit.clone(),
            paused: self.control.paused,
            servers: ByName::default(),
        })
    }

    /// The job that is active on a server.
    pub fn active_job(&self, server: &str) -> Option<&Arc<Job>> {
        self.active.get(server).and_then(|id| self.jobs.get(id))
    }

    /// Takes over another inventory, with the servers that it protects: the next ones are told from these.
    pub fn set_inventory(&mut self, inventory: Arc<Inventory>, protected: BTreeSet<String>) {
        let document = |inventory: &Inventory| inventory.fleet.as_ref().map(Arc::as_ptr);
        // What was judged by the fleet's values holds as long as they are the very same.
        if !self.loaded || document(&self.inventory) != document(&inventory) {
            self.fleet = Arc::new(fleet_spec(&inventory));
        }
        self.inventory = inventory;
        self.protected = protected;
        self.loaded = true;
    }

    /// Keeps a job as it is now.
    pub fn set_job(&mut self, job: Arc<Job>) {
        if job.is_active() {
            self.active.insert(job.server.clone(), job.id.clone());
        } else if self.active.get(&job.server) == Some(&job.id) {
            self.active.remove(&job.server);
        }
        self.jobs.put(job);
    }
}
