// SPDX-License-Identifier: AGPL-3.0-or-later
//! Whether two servers have a value that only one may have, told from one inventory to the next by what changed: in all
//! but a few inventories none do, and nothing need be compared with everything.

use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;

use shoal_core::alongside::Following;
use shoal_core::inventory::Located;
use shoal_schema::kinds::Server;

use super::{bmc, identity, network};

/// What may be shared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum What {
    /// A serial, UUID or hardware address.
    Identity,
    /// A BMC.
    Bmc,
    /// An IP address.
    Address,
}

/// Who has what, as hashes: two that are equal by chance cost a comparison of everything, and no more.
#[derive(Default)]
pub(super) struct Shared {
    servers: BTreeMap<String, Claimed>,
    counts: Counts,
}

/// What one server has.
struct Claimed {
    server: Arc<Located<Server>>,
    claims: Vec<(What, u64)>,
}

#[derive(Default)]
struct Counts {
    by_claim: HashMap<(What, u64), u32>,
    /// Claims that several have, or one twice.
    shared: [usize; 3],
}

impl Shared {
    /// Takes over the servers of an inventory.
    pub(super) fn follow(&mut self, servers: &BTreeMap<String, Arc<Located<Server>>>) {
        let counts = &mut self.counts;
        let mut known = Following::new(&mut self.servers);
        for (name, server) in servers {
            let before = known.get(name);
            if before.as_ref().is_some_and(|before| Arc::ptr_eq(&before.server, server)) {
                continue;
            }
            let now = Claimed { server: Arc::clone(server), claims: claims(server) };
            counts.add(&now);
            match before {
                Some(before) => counts.forget(&std::mem::replace(before, now)),
                None => known.add(name, now),
            }
        }
        for gone in known.end().apply(&mut self.servers) {
            counts.forget(&gone);
        }
    }

    /// Whether anything of the kind may be there twice.
    pub(super) fn any(&self, what: What) -> bool {
        self.counts.shared[what as usize] > 0
    }
}

impl Counts {
    fn add(&mut self, claimed: &Claimed) {
        for claim in &claimed.claims {
            let count = self.by_claim.entry(*claim).or_default();
            *count += 1;
            self.shared[claim.0 as usize] += usize::from(*count == 2);
        }
    }

    fn forget(&mut self, claimed: &Claimed) {
        for claim in &claimed.claims {
            let Some(count) = self.by_claim.get_mut(claim) else { continue };
            *count -= 1;
            self.shared[claim.0 as usize] -= usize::from(*count == 1);
            if *count == 0 {
                self.by_claim.remove(claim);
            }
        }
    }
}

fn claims(server: &Located<Server>) -> Vec<(What, u64)> {
    let hash = |value: &str, field: u8| {
        let mut hasher = DefaultHasher::new();
        (field, value).hash(&mut hasher);
        hasher.finish()
    };
    let mut claims = Vec::with_capacity(4);
    identity::values(server, |owned, value, _| claims.push((What::Identity, hash(&value, owned as u8))));
    claims.extend(bmc::normal_address(&server.value.spec.bmc.address).map(|it| (What::Bmc, hash(&it, 0))));
    claims.extend(network::addresses_of(server).map(|(_, _, it)| (What::Address, hash(it, 0))));
    claims
}
