// SPDX-License-Identifier: AGPL-3.0-or-later
//! Servers that claim one machine or one BMC. Whichever of them was meant, doing anything to either
//! could hit the wrong box, so that neither is planned.
//!
//! The inventory checks this too, file by file and with better places; here it holds for whatever
//! inventory is planned, also one that was put together from good and last good documents.

use std::collections::BTreeMap;

use shoal_schema::kinds::{Server, ServerSpec};
use shoal_schema::plan::Problem;

use crate::inventory::{Inventory, Located};

/// Why a server is not planned, by name: the field and the other server.
pub(super) fn conflicts(inventory: &Inventory) -> BTreeMap<&str, Conflict> {
    let mut claims: BTreeMap<(&'static str, String), Vec<&str>> = BTreeMap::new();
    for (name, server) in &inventory.servers {
        for claim in claims_of(&server.value.spec) {
            claims.entry(claim).or_default().push(name);
        }
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

/// What a server claims for itself: JSON pointer and value, normalised.
pub(super) fn claims_of(spec: &ServerSpec) -> impl Iterator<Item = (&'static str, String)> {
    let serial = spec.serial.as_ref().map(|serial| ("/spec/serial", serial.trim().to_ascii_lowercase()));
    let uuid = spec.uuid.as_ref().map(|uuid| ("/spec/uuid", uuid.to_ascii_lowercase()));
    let address = ("/spec/bmc/address", normal_address(&spec.bmc.address));
    serial.into_iter().chain(uuid).chain([address])
}

/// What two servers both claim.
pub(super) struct Conflict {
    /// JSON pointer.
    field: &'static str,
    /// The value, normalised.
    value: String,
    /// One other server with it.
    other: String,
}

impl Conflict {
    pub(super) fn problem(&self, name: &str, server: &Located<Server>) -> Problem {
        Problem {
            place: server.place(self.field),
            code: "conflict".to_owned(),
            message: format!("{} also stands in server {}", self.value, self.other),
            server: Some(name.to_owned()),
        }
    }
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
