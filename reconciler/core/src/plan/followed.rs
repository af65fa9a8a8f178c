// SPDX-License-Identifier: AGPL-3.0-or-later
//! What a plan needs to know of a fleet as a whole, told from one look at it to the next by what changed: who claims the
//! same machine, whose machines are at work, who left Git.
//!
//! Guarantees: whatever was looked at before, it knows what it would know from a first look.

use std::collections::BTreeSet;

use shoal_schema::kinds::Server;
use shoal_schema::status::{RecordState, ServerStatus};

use super::busy::{Busy, has, machines_of};
use super::claims::Claims;
use crate::by_name::ByName;
use crate::inventory::{Inventory, Located};
use crate::observed::Observed;

/// A fleet as it was looked at last.
#[derive(Default)]
pub(super) struct Followed {
    inventory: ByName<Located<Server>>,
    observed: ByName<ServerStatus>,
    pub(super) claims: Claims,
    pub(super) busy: Busy,
    /// Who has a record that is not released, and no document in the inventory.
    pub(super) left: BTreeSet<String>,
    /// Machines that are at work under another name than that of a server that has them in the inventory.
    strays: BTreeSet<String>,
    /// Who is another one since somebody took these.
    changed: BTreeSet<String>,
}

impl Followed {
    /// Looks at what is different.
    pub(super) fn see(&mut self, inventory: &Inventory, observed: &Observed) {
        let mut names = BTreeSet::new();
        let mut machines = BTreeSet::new();
        for change in inventory.servers.since(&self.inventory) {
            self.claims.change(change.before, change.now);
            let both = change.before.into_iter().chain(change.now);
            machines.extend(both.flat_map(|server| machines_of(&server.value.spec)));
            names.insert(change.name.clone());
        }
        for change in observed.servers.since(&self.observed) {
            machines.extend(self.busy.change(change.name, change.now.map(AsRef::as_ref)));
            names.insert(change.name.clone());
        }
        for name in &names {
            let live = |status: &ServerStatus| status.record.state != RecordState::Released;
            let known = observed.servers.get(name).is_some_and(|status| live(status));
            if known && !inventory.servers.contains_key(name) {
                self.left.insert(name.clone());
            } else {
                self.left.remove(name);
            }
        }
        self.inventory.clone_from(&inventory.servers);
        self.observed.clone_from(&observed.servers);
        self.changed.append(&mut names);
        for machine in machines {
            if self.is_stray(&machine) {
                self.strays.insert(machine);
            } else {
                self.strays.remove(&machine);
            }
        }
    }

    /// Whether a machine is at work for one server, and another one has it in the inventory.
    fn is_stray(&self, machine: &str) -> bool {
        self.busy.servers_of(machine).any(|server| {
            let own = self.inventory.get(server).is_some_and(|known| has(&known.value.spec, machine));
            self.claims.of_machine(machine) > u32::from(own)
        })
    }

    /// Whose document or status is another one since this was asked last.
    pub(super) fn take_changed(&mut self) -> BTreeSet<String> {
        std::mem::take(&mut self.changed)
    }

    /// Whether any server must wait for a job that its machine has under another name.
    pub(super) fn any_strays(&self) -> bool {
        !self.strays.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;
    use shoal_schema::status::JobSummary;

    use super::*;
    use crate::inventory::Lines;

    /// What servers are planned from, with those (name, serial) in Git, and those at work.
    fn fleet(servers: &[(&str, &str)], at_work: &[(&str, &str)]) -> (Inventory, Observed) {
        let (mut inventory, mut observed) = (Inventory::default(), Observed::default());
        for (name, serial) in servers {
            let server = json!({
                "apiVersion": "shoal.dev/v1", "kind": "Server", "metadata": {"name": name},
                "spec": {"serial": serial, "bmc": {"address": format!("https://bmc-{name}")}},
            });
            let value = serde_json::from_value(server).unwrap();
            let file = format!("servers/{name}.yaml").into();
            let located = Located { value, file, lines: Lines::default() };
            inventory.servers.insert((*name).to_owned(), Arc::new(located));
        }
        for (name, serial) in at_work {
            let status = json!({
                "apiVersion": "shoal.dev/v1", "name": name, "conditions": [],
                "record": {"number": 1, "serial": serial, "state": "installed"},
                "job": {"id": "0".repeat(32), "attempt": 1, "status": "provisioning"},
            });
            let status: ServerStatus = serde_json::from_value(status).unwrap();
            assert!(status.job.as_ref().is_some_and(JobSummary::is_active));
            observed.servers.insert((*name).to_owned(), Arc::new(status));
        }
        (inventory, observed)
    }

    fn seen(servers: &[(&str, &str)], at_work: &[(&str, &str)]) -> Followed {
        let (inventory, observed) = fleet(servers, at_work);
        let mut followed = Followed::default();
        followed.see(&inventory, &observed);
        followed
    }

    #[test]
    fn a_machine_at_work_strays_only_where_another_server_is_that_machine() {
        let stray = |servers: &[_], at_work: &[_]| seen(servers, at_work).any_strays();
        assert!(!stray(&[("a", "S1"), ("b", "S2")], &[]));
        assert!(!stray(&[("a", "S1"), ("b", "S2")], &[("a", "S1")]), "its own job is nobody else's");
        assert!(!stray(&[("b", "S2")], &[("a", "S1")]), "nobody is that machine any more");
        assert!(stray(&[("b", " s1 ")], &[("a", "S1")]), "renamed while at work");
        assert!(stray(&[("a", "S2"), ("b", "S1")], &[("a", "S1")]), "given to another while at work");
        assert!(stray(&[("a", "S1"), ("b", "S1")], &[("a", "S1")]), "claimed by two");
    }

    #[test]
    fn a_stray_is_none_once_its_job_is_over_or_its_server_gone() {
        let (inventory, at_work) = fleet(&[("b", "S1")], &[("a", "S1")]);
        let mut followed = Followed::default();
        followed.see(&inventory, &at_work);
        assert!(followed.any_strays());
        followed.see(&inventory, &Observed::default());
        assert!(!followed.any_strays());
        followed.see(&inventory, &at_work);
        assert!(followed.any_strays());
        followed.see(&Inventory::default(), &at_work);
        assert!(!followed.any_strays());
    }

    #[test]
    fn two_share_a_machine_only_where_both_claim_it() {
        assert!(!seen(&[("a", "S1"), ("b", "S2")], &[]).claims.any_shared());
        assert!(seen(&[("a", "S1"), ("b", "s1")], &[]).claims.any_shared());
    }

    #[test]
    fn who_changed_is_told_once() {
        let (inventory, observed) = fleet(&[("a", "S1"), ("b", "S2")], &[("c", "S3")]);
        let mut followed = Followed::default();
        followed.see(&inventory, &observed);
        assert_eq!(followed.take_changed().into_iter().collect::<Vec<_>>(), ["a", "b", "c"]);
        followed.see(&inventory, &observed);
        assert!(followed.take_changed().is_empty());
    }
}
