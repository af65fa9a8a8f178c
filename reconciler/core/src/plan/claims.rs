// SPDX-License-Identifier: AGPL-3.0-or-later
//! Whether two servers may claim one machine or one BMC, told from one inventory to the next by what
//! changed: in all but a few inventories none do, and nothing need be compared with everything.

use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;

use shoal_schema::kinds::Server;

use super::conflicts::claims_of;
use crate::alongside::Following;
use crate::inventory::{Inventory, Located};

/// Who claims what, as hashes: two that are equal by chance cost a comparison of everything, and no more.
#[derive(Default)]
pub(super) struct Claims {
    by_server: BTreeMap<String, Claimed>,
    counts: Counts,
}

/// What one server claims.
struct Claimed {
    server: Arc<Located<Server>>,
    claims: Vec<u64>,
}

/// How many claim the same.
#[derive(Default)]
struct Counts {
    by_claim: HashMap<u64, u32>,
    /// Claims that several have.
    shared: usize,
}

impl Claims {
    /// Takes over an inventory. Whether any two servers of it may claim the same.
    pub(super) fn follow(&mut self, inventory: &Inventory) -> bool {
        let counts = &mut self.counts;
        let mut known = Following::new(&mut self.by_server);
        for (name, server) in &inventory.servers {
            let before = known.get(name);
            if before.as_ref().is_some_and(|before| Arc::ptr_eq(&before.server, server)) {
                continue;
            }
            let claims = claims_of(&server.value.spec).map(|claim| hash(&claim)).collect();
            let now = Claimed { server: Arc::clone(server), claims };
            counts.add(&now);
            match before {
                Some(before) => counts.forget(&std::mem::replace(before, now)),
                None => known.add(name, now),
            }
        }
        for gone in known.end().apply(&mut self.by_server) {
            counts.forget(&gone);
        }
        counts.shared > 0
    }
}

impl Counts {
    fn add(&mut self, claimed: &Claimed) {
        for claim in &claimed.claims {
            let count = self.by_claim.entry(*claim).or_default();
            *count += 1;
            self.shared += usize::from(*count == 2);
        }
    }

    fn forget(&mut self, claimed: &Claimed) {
        for claim in &claimed.claims {
            let Some(count) = self.by_claim.get_mut(claim) else { continue };
            *count -= 1;
            self.shared -= usize::from(*count == 1);
            if *count == 0 {
                self.by_claim.remove(claim);
            }
        }
    }
}

fn hash(claim: &(&'static str, String)) -> u64 {
    let mut hasher = DefaultHasher::new();
    claim.hash(&mut hasher);
    hasher.finish()
}
