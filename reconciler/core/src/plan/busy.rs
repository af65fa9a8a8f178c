// SPDX-License-Identifier: AGPL-3.0-or-later
//! Machines that a job is at work on, by whatever name: a server that is new in Git, or that was given another
//! machine, waits for the job that its machine has under another one.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use shoal_schema::kinds::ServerSpec;
use shoal_schema::plan::Hold;
use shoal_schema::status::ServerStatus;

use super::holds::active_job;

/// Servers with an active job, and the machines that it is at work on.
#[derive(Default)]
pub(super) struct Busy {
    by_server: BTreeMap<String, AtWork>,
    by_machine: HashMap<String, BTreeSet<String>>,
}

struct AtWork {
    machines: Vec<String>,
    hold: Hold,
}

impl Busy {
    /// Takes over a server's status. The machines that this may concern.
    pub(super) fn change(&mut self, server: &str, status: Option<&ServerStatus>) -> Vec<String> {
        let before = self.by_server.remove(server);
        let mut machines = before.map(|before| before.machines).unwrap_or_default();
        for machine in &machines {
            if let Some(servers) = self.by_machine.get_mut(machine) {
                servers.remove(server);
                if servers.is_empty() {
                    self.by_machine.remove(machine);
                }
            }
        }
        if let Some(status) = status
            && let Some(hold) = active_job(status)
        {
            let now = [&status.record.serial, &status.record.uuid].into_iter().flatten();
            let now: Vec<String> = now.map(|machine| key(machine)).collect();
            for machine in &now {
                self.by_machine.entry(machine.clone()).or_default().insert(server.to_owned());
            }
            machines.extend_from_slice(&now);
            self.by_server.insert(server.to_owned(), AtWork { machines: now, hold });
        }
        machines
    }

    /// Who has a job at work on a machine.
    pub(super) fn servers_of(&self, machine: &str) -> impl Iterator<Item = &str> {
        self.by_machine.get(machine).into_iter().flatten().map(String::as_str)
    }

    /// What holds a server whose machine is at work under another name.
    pub(super) fn hold(&self, server: &str, spec: &ServerSpec) -> Option<Hold> {
        if self.by_machine.is_empty() {
            return None;
        }
        let other = machines_of(spec).find_map(|machine| self.servers_of(&machine).last())?;
        let hold = &self.by_server.get(other)?.hold;
        (other != server)
            .then(|| Hold { message: format!("{}, as server {other}", hold.message), ..hold.clone() })
    }
}

/// The machine that a server is, as often as its document names it.
pub(super) fn machines_of(spec: &ServerSpec) -> impl Iterator<Item = String> {
    [&spec.serial, &spec.uuid].into_iter().flatten().map(|machine| key(machine))
}

/// Whether a server is this machine.
pub(super) fn has(spec: &ServerSpec, machine: &str) -> bool {
    machines_of(spec).any(|known| known == machine)
}

fn key(machine: &str) -> String {
    machine.trim().to_ascii_lowercase()
}
