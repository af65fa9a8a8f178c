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
