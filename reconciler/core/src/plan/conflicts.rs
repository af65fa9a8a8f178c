// SPDX-License-Identifier: AGPL-3.0-or-later
//! Servers that claim one machine or one BMC. Whichever of them was meant, doing anything to either
//! could hit the wrong box, so that neither is planned.
//!
//! The inventory checks this too, file by file and with better places; here it holds for whatever
//! inventory is planned, also one that was put together from good and last good documents.

use std::collections::BTreeMap;

use crate::inventory::Inventory;

/// Why a server is not planned, by name: the field and the other server.
pub(super) fn conflicts(inventory: &Inventory) -> BTreeMap<&str, Conflict> {
    let mut claims: BTreeMap<(&'static str, String), Vec<&str>> = BTreeMap::new();
    for (name, server) in &inventory.servers {
        let spec = &server.value.spec;
        let mut claim = |field, value: String| claims.entry((field, value)).or_default().push(name);
        if let Some(serial) = &spec.serial {
            claim("/spec/serial", serial.trim().to_ascii_lowercase());
        }
        if let Some(uuid) = &spec.uuid {
            claim("/spec/uuid", uuid.to_ascii_lowercase());
        }
        claim("/spec/bmc/address", normal_address(&spec.bmc.address));
    }
    let mut conflicts = BTreeMap::new();
    for ((field, value), names) in claims {
        if names.len() < 2 || (field == "/spec/bmc/address" && told_apart(inventory, &names)) {
            continue;
        }
        for name in &names {
            let other = if names[0] == *name { names[1] } else { names[0] };
            conflicts.entry(*name).or_insert(Conflict {
                field,
                value: value.clone(),
                other: other.to_owned(),
            });
        }
    }
    conflicts
}

/// What two servers both claim.
pub(super) struct Conflict {
    /// JSON pointer.
    pub(super) field: &'static str,
    /// The value, normalised.
    pub(super) value: String,
    /// One other server with it.
    pub(super) other: String,
}

/// Several systems may stand behind one BMC, each by its own id.
fn told_apart(inventory: &Inventory, names: &[&str]) -> bool {
    let mut systems: Vec<Option<&String>> =
        names.iter().map(|name| inventory.servers[*name].value.spec.bmc.system.as_ref()).collect();
    systems.sort();
    systems.iter().all(Option::is_some) && systems.windows(2).all(|pair| pair[0] != pair[1])
}

fn normal_address(address: &str) -> String {
    let lower = address.trim_end_matches('/').to_ascii_lowercase();
    let default_port = if lower.starts_with("https://") { ":443" } else { ":80" };
    lower.strip_suffix(default_port).unwrap_or(&lower).to_owned()
}
