// SPDX-License-Identifier: AGPL-3.0-or-later
//! Serials, UUIDs and hardware addresses: real ones, each of one server only.

use std::borrow::Cow;
use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};

use shoal_core::inventory::Located;
use shoal_schema::kinds::Server;
use shoal_schema::wire::task::is_placeholder_serial;

use super::{At, Context, Finding};
use crate::codes;

/// UUIDs that firmware ships with and nobody set: all zero, all one, and AMI's example, which
/// whole batches of white-box mainboards carry.
const PLACEHOLDER_UUIDS: [&str; 4] = [
    "00000000000000000000000000000000",
    "ffffffffffffffffffffffffffffffff",
    "03000200040005000006000700080009",
    "00020003000400050006000700080009",
];

/// Values that prove nothing.
pub(super) fn placeholders(server: &Located<Server>, findings: &mut Vec<Finding>) {
    let spec = &server.value.spec;
    if spec.serial.as_ref().is_some_and(|serial| is_placeholder_serial(serial)) {
        findings.push(placeholder(server, Field::Serial));
    }
    if spec.uuid.as_ref().is_some_and(|uuid| PLACEHOLDER_UUIDS.contains(&hex_of(uuid).as_str())) {
        findings.push(placeholder(server, Field::Uuid));
    }
}

/// What two servers may not share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owned {
    Serial,
    Uuid,
    Mac,
}

/// Goes through what is a server's alone, each in the form in which it is compared. Placeholders are nobody's.
pub(super) fn values<'a>(server: &'a Located<Server>, mut each: impl FnMut(Owned, Cow<'a, str>, Field)) {
    let spec = &server.value.spec;
    if let Some(serial) = spec.serial.as_ref().filter(|serial| !is_placeholder_serial(serial)) {
        each(Owned::Serial, serial.trim().to_ascii_lowercase().into(), Field::Serial);
    }
    if let Some(uuid) = &spec.uuid {
        let hex = hex_of(uuid);
        if !PLACEHOLDER_UUIDS.contains(&hex.as_str()) {
            each(Owned::Uuid, either_byte_order(hex).into(), Field::Uuid);
        }
    }
    for (index, mac) in spec.macs.iter().enumerate() {
        each(Owned::Mac, mac.as_str().into(), Field::Mac(index));
    }
    for (index, interface) in spec.network.iter().enumerate() {
        if let Some(mac) = &interface.mac
            && !spec.macs.contains(mac)
        {
            each(Owned::Mac, mac.as_str().into(), Field::Interface(index));
        }
    }
}

/// What two servers have, or one has twice.
pub(super) fn duplicates(context: &Context<'_>) -> Vec<Finding> {
    let servers = &context.inventory.servers;
    let mut serials = Owners::new("serial", servers.len());
    let mut uuids = Owners::new("UUID", 0);
    let mut macs = Owners::new("hardware address", 2 * servers.len());
    for server in servers.values() {
        values(server, |owned, value, field| match owned {
            Owned::Serial => serials.add(value, server, field),
            Owned::Uuid => uuids.add(value, server, field),
            Owned::Mac => macs.add(value, server, field),
        });
    }
    let mut findings = serials.findings();
    findings.extend(uuids.findings());
    findings.extend(macs.findings());
    findings
}

fn hex_of(uuid: &str) -> String {
    uuid.chars().filter(|c| *c != '-').map(|c| c.to_ascii_lowercase()).collect()
}

/// Where in a server a value stands.
#[derive(Clone, Copy)]
pub(super) enum Field {
    Serial,
    Uuid,
    Mac(usize),
    Interface(usize),
}

impl Field {
    fn at(self, server: &Located<Server>) -> At {
        match self {
            Self::Serial => At::of(server, "/spec/serial"),
            Self::Uuid => At::of(server, "/spec/uuid"),
            Self::Mac(index) => At::of(server, format!("/spec/macs/{index}")),
            Self::Interface(index) => At::of(server, format!("/spec/network/{index}/mac")),
        }
    }
}

fn placeholder(server: &Located<Server>, field: Field) -> Finding {
    let what = if matches!(field, Field::Uuid) { "UUID" } else { "serial" };
    let message = format!("this {what} is what mainboards carry when nobody set one: it proves nothing");
    Finding::error(codes::SERVER_PLACEHOLDER, field.at(server), message)
        .hint("take it from the machine's label, and set it in the BMC; `serial` or `uuid` will do")
        .about("Server", &server.value.metadata.name)
}

/// SMBIOS before 2.6 left the byte order of the first three fields open (DSP0134 §7.2.1): both
/// forms are the same machine.
fn either_byte_order(hex: String) -> String {
    let swap = |range: std::ops::Range<usize>| -> String {
        hex.get(range)
            .map(|part| part.as_bytes().rchunks(2).map(String::from_utf8_lossy).collect())
            .unwrap_or_default()
    };
    let swapped =
        format!("{}{}{}{}", swap(0..8), swap(8..12), swap(12..16), hex.get(16..).unwrap_or_default());
    hex.min(swapped)
}

/// A server and where in it a value stands.
type Owner<'a> = (&'a Located<Server>, Field);

/// Who has a value.
struct Owners<'a> {
    what: &'static str,
    first: HashMap<Cow<'a, str>, Owner<'a>>,
    again: Vec<(Cow<'a, str>, Owner<'a>)>,
}

impl<'a> Owners<'a> {
    fn new(what: &'static str, expected: usize) -> Self {
        Self { what, first: HashMap::with_capacity(expected), again: Vec::new() }
    }

    fn add(&mut self, value: Cow<'a, str>, server: &'a Located<Server>, field: Field) {
        match self.first.entry(value) {
            Entry::Occupied(entry) => self.again.push((entry.key().clone(), (server, field))),
            Entry::Vacant(entry) => {
                entry.insert((server, field));
            }
        }
    }

    /// One finding for each server that shares a value, telling of the others.
    fn findings(self) -> Vec<Finding> {
        let mut shared: BTreeMap<&str, Vec<Owner<'_>>> = BTreeMap::new();
        for (value, owner) in &self.again {
            let owners =
                shared.entry(value).or_insert_with(|| self.first.get(value).copied().into_iter().collect());
            owners.push(*owner);
        }
        let mut findings = Vec::new();
        for owners in shared.values() {
            let first = &owners[0].0.value.metadata.name;
            let same_server = owners.iter().all(|(other, _)| other.value.metadata.name == *first);
            let message = if same_server {
                format!("the {} is here twice", self.what)
            } else {
                format!("another server has the same {}", self.what)
            };
            for (index, (server, field)) in owners.iter().enumerate() {
                findings.push(
                    Finding::error(codes::SERVER_DUPLICATE, field.at(server), message.clone())
                        .others(owners, index, |(server, field)| {
                            (format!("server `{}`", server.value.metadata.name), field.at(server))
                        })
                        .about("Server", &server.value.metadata.name),
                );
            }
        }
        findings
    }
}

#[cfg(test)]
mod tests {
    use super::either_byte_order;

    #[test]
    fn both_byte_orders_of_a_uuid_are_one() {
        let one = "00112233445566778899aabbccddeeff";
        let other = "33221100554477668899aabbccddeeff";
        assert_eq!(either_byte_order(one.to_owned()), either_byte_order(other.to_owned()));
    }
}
