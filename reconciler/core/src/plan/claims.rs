// SPDX-License-Identifier: AGPL-3.0-or-later
//! Whether two servers may claim one machine or one BMC, told from one inventory to the next by what
//! changed: in all but a few inventories none do, and nothing need be compared with everything.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;

use shoal_schema::kinds::Server;

use super::conflicts::claims_of;
use crate::inventory::{Inventory, Located};

/// Who claims what, as hashes: two that are equal by chance cost a comparison of everything, and no more.
#[derive(Default)]
pub(super) struct Claims {
    by_server: HashMap<String, (Arc<Located<Server>>, Vec<u64>)>,
    counts: HashMap<u64, u32>,
    /// Claims that several have.
    shared: usize,
}

impl Claims {
    /// Takes over an inventory. Whether any two servers of it may claim the same.
    pub(super) fn follow(&mut self, inventory: &Inventory) -> bool {
        for (name, server) in &inventory.servers {
            let known = self.by_server.get(name);
            if known.is_some_and(|(known, _)| Arc::ptr_eq(known, server)) {
                continue;
            }
            let before = self.by_server.remove(name);
            self.forget(before);
            let claims: Vec<u64> = claims_of(&server.value.spec).map(|claim| hash(&claim)).collect();
            for claim in &claims {
                let count = self.counts.entry(*claim).or_default();
                *count += 1;
                self.shared += usize::from(*count == 2);
            }
            self.by_server.insert(name.clone(), (Arc::clone(server), claims));
        }
        if self.by_server.len() > inventory.servers.len() {
            let gone: Vec<String> = self
                .by_server
                .keys()
                .filter(|name| !inventory.servers.contains_key(*name))
                .cloned()
                .collect();
            for name in gone {
                let before = self.by_server.remove(&name);
                self.forget(before);
            }
        }
        self.shared > 0
    }

    fn forget(&mut self, claims: Option<(Arc<Located<Server>>, Vec<u64>)>) {
        for claim in claims.into_iter().flat_map(|(_, claims)| claims) {
            let Some(count) = self.counts.get_mut(&claim) else { continue };
            *count -= 1;
            self.shared -= usize::from(*count == 1);
            if *count == 0 {
                self.counts.remove(&claim);
            }
        }
    }
}

fn hash(claim: &(&'static str, String)) -> u64 {
    let mut hasher = DefaultHasher::new();
    claim.hash(&mut hasher);
    hasher.finish()
}
