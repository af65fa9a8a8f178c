// SPDX-License-Identifier: AGPL-3.0-or-later
//! Whether two servers may claim one machine or one BMC, told from one inventory to the next by what
//! changed: in all but a few inventories none do, and nothing need be compared with everything.

use std::sync::Arc;

use shoal_schema::kinds::{Server, ServerSpec};

use super::busy::machines_of;
use super::conflicts::claims_of;
use crate::counts::Counts;
use crate::inventory::Located;

/// Who claims what.
#[derive(Default)]
pub(super) struct Claims {
    all: Counts,
    /// Machines, by whatever field they are named.
    machines: Counts,
}

impl Claims {
    /// Takes over a server's document.
    pub(super) fn change(
        &mut self,
        before: Option<&Arc<Located<Server>>>,
        now: Option<&Arc<Located<Server>>>,
    ) {
        if let Some(now) = now {
            let spec = &now.value.spec;
            claims_of(spec).for_each(|claim| self.all.add(&claim));
            machines(spec).for_each(|machine| self.machines.add(&machine));
        }
        if let Some(before) = before {
            let spec = &before.value.spec;
            claims_of(spec).for_each(|claim| self.all.forget(&claim));
            machines(spec).for_each(|machine| self.machines.forget(&machine));
        }
    }

    /// Whether any two servers may claim the same.
    pub(super) fn any_shared(&self) -> bool {
        self.all.any_shared()
    }

    /// How many servers are this machine; by chance one too many.
    pub(super) fn of_machine(&self, machine: &str) -> u32 {
        self.machines.of(&machine)
    }
}

/// A server's machine, once where two fields name it alike.
fn machines(spec: &ServerSpec) -> impl Iterator<Item = String> {
    let mut all: Vec<String> = machines_of(spec).collect();
    all.dedup();
    all.into_iter()
}
