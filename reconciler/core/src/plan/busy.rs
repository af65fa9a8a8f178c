// SPDX-License-Identifier: AGPL-3.0-or-later
//! Machines that a job is at work on, by whatever name: a server that is new in Git, or that was given another
//! machine, waits for the job that its machine has under another one.

use std::collections::HashMap;

use shoal_schema::kinds::ServerSpec;
use shoal_schema::plan::Hold;

use super::holds::active_job;
use crate::observed::Observed;

/// Machines with a job, and the servers that have them.
pub(super) struct Busy<'a>(HashMap<String, (&'a str, Hold)>);

impl<'a> Busy<'a> {
    pub(super) fn of(observed: &'a Observed) -> Self {
        let mut busy = HashMap::new();
        for (name, status) in &observed.servers {
            let Some(hold) = active_job(status) else { continue };
            for machine in [&status.record.serial, &status.record.uuid].into_iter().flatten() {
                busy.insert(key(machine), (name.as_str(), hold.clone()));
            }
        }
        Self(busy)
    }

    /// What holds a server whose machine is at work under another name.
    pub(super) fn hold(&self, server: &str, spec: &ServerSpec) -> Option<Hold> {
        let mut machines = [&spec.serial, &spec.uuid].into_iter().flatten();
        let (other, hold) = machines.find_map(|machine| self.0.get(&key(machine)))?;
        (*other != server)
            .then(|| Hold { message: format!("{}, as server {other}", hold.message), ..hold.clone() })
    }
}

fn key(machine: &str) -> String {
    machine.trim().to_ascii_lowercase()
}
