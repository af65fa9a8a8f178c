// SPDX-License-Identifier: AGPL-3.0-or-later
//! Machines that a job is at work on, by whatever name: a server that is new in Git, or that was given another
//! machine, waits for the job that its machine has under another one.

use std::collections::HashMap;
use std::sync::Arc;

use shoal_schema::kinds::ServerSpec;
use shoal_schema::plan::Hold;
use shoal_schema::status::ServerStatus;

use super::holds::active_job;
use crate::observed::Observed;

/// Machines with a job, and the servers that have them.
pub(super) struct Busy<'a>(HashMap<String, (&'a str, Hold)>);

/// Which statuses had an active job, in the order of names: nearly all of them are the same the next time.
#[derive(Default)]
pub(super) struct Seen(Vec<(Arc<ServerStatus>, bool)>);

impl<'a> Busy<'a> {
    pub(super) fn of(observed: &'a Observed, seen: &mut Seen) -> Self {
        let mut busy = HashMap::new();
        seen.0.truncate(observed.servers.len());
        for (index, (name, status)) in observed.servers.iter().enumerate() {
            match seen.0.get_mut(index) {
                Some((known, has_job)) if Arc::ptr_eq(known, status) => {
                    if !*has_job {
                        continue;
                    }
                }
                Some(known) => *known = (Arc::clone(status), active_job(status).is_some()),
                None => seen.0.push((Arc::clone(status), active_job(status).is_some())),
            }
            let Some(hold) = active_job(status) else { continue };
            for machine in [&status.record.serial, &status.record.uuid].into_iter().flatten() {
                busy.insert(key(machine), (name.as_str(), hold.clone()));
            }
        }
        Self(busy)
    }

    /// What holds a server whose machine is at work under another name.
    pub(super) fn hold(&self, server: &str, spec: &ServerSpec) -> Option<Hold> {
        if self.0.is_empty() {
            return None;
        }
        let mut machines = [&spec.serial, &spec.uuid].into_iter().flatten();
        let (other, hold) = machines.find_map(|machine| self.0.get(&key(machine)))?;
        (*other != server)
            .then(|| Hold { message: format!("{}, as server {other}", hold.message), ..hold.clone() })
    }
}

fn key(machine: &str) -> String {
    machine.trim().to_ascii_lowercase()
}
