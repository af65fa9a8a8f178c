// SPDX-License-Identifier: AGPL-3.0-or-later
//! Whether two servers have a value that only one may have, told from one inventory to the next by what changed: in all
//! but a few inventories none do, and nothing need be compared with everything.

use shoal_core::by_name::ByName;
use shoal_core::counts::Counts;
use shoal_core::inventory::Located;
use shoal_schema::kinds::Server;

use super::{bmc, identity, network};

/// What may be shared.
#[derive(Clone, Copy)]
pub(super) enum What {
    /// A serial, UUID or hardware address.
    Identity,
    /// A BMC.
    Bmc,
    /// An IP address.
    Address,
}

/// Who has what.
#[derive(Default)]
pub(super) struct Shared {
    servers: ByName<Located<Server>>,
    counts: [Counts; 3],
}

impl Shared {
    /// Takes over the servers of an inventory.
    pub(super) fn follow(&mut self, servers: &ByName<Located<Server>>) {
        for change in servers.since(&self.servers) {
            let counts = &mut self.counts;
            if let Some(now) = change.now {
                claims(now, |what, value| counts[what as usize].add(&value));
            }
            if let Some(before) = change.before {
                claims(before, |what, value| counts[what as usize].forget(&value));
            }
        }
        self.servers.clone_from(servers);
    }

    /// Whether anything of the kind may be there twice.
    pub(super) fn any(&self, what: What) -> bool {
        self.counts[what as usize].any_shared()
    }
}

/// What one server has, with the field that says whose it is.
fn claims(server: &Located<Server>, mut claim: impl FnMut(What, (u8, &str))) {
    identity::values(server, |owned, value, _| claim(What::Identity, (owned as u8, &value)));
    if let Some(address) = bmc::normal_address(&server.value.spec.bmc.address) {
        claim(What::Bmc, (0, &address));
    }
    for (_, _, address) in network::addresses_of(server) {
        claim(What::Address, (0, address));
    }
}
