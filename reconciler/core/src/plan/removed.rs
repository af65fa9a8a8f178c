// SPDX-License-Identifier: AGPL-3.0-or-later
//! What no longer stands in Git: released, never wiped. A new name with the same machine is a rename.

use std::collections::BTreeMap;

use shoal_schema::plan::Change;
use shoal_schema::plan::{Action, ApprovalState, Class, Effect, Entry, EntryKey, Reason};
use shoal_schema::status::RecordState;

use super::holds::active_job;
use super::{PlanError, entry_digest};
use crate::inventory::Inventory;
use crate::observed::{Observed, observed_digest};

/// New name → old name, where a server that is new in Git is a machine that a live record knows under
/// a name that is gone from Git. Where several servers claim that machine it is nobody's.
///
/// Whoever carries out a plan moves these records first, with [`crate::record::renamed`] and
/// [`crate::record::left_behind`], unless a guard, a pause or an active job holds the entry.
pub fn renames(inventory: &Inventory, observed: &Observed) -> BTreeMap<String, String> {
    let mut renames = BTreeMap::new();
    for (old, new) in claims(inventory, observed) {
        if let [new] = new.as_slice() {
            renames.insert((*new).to_owned(), old.to_owned());
        }
    }
    renames
}

/// Names that are gone from Git, with the servers that claim their machines now.
fn claims<'a>(inventory: &'a Inventory, observed: &'a Observed) -> BTreeMap<&'a str, Vec<&'a str>> {
    let broken = inventory.broken_servers();
    let mut by_machine: BTreeMap<String, &str> = BTreeMap::new();
    for (name, status) in &observed.servers {
        let record = &status.record;
        let gone = !inventory.servers.contains_key(name) && !broken.contains(name.as_str());
        if gone && record.state != RecordState::Released {
            for machine in [&record.serial, &record.uuid].into_iter().flatten() {
                by_machine.insert(machine.trim().to_ascii_lowercase(), name);
            }
        }
    }
    let mut claims: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    if by_machine.is_empty() {
        return claims;
    }
    for (name, server) in &inventory.servers {
        let own = observed.servers.get(name).map(|status| &status.record);
        if own.is_some_and(|record| record.number > 0 && record.state != RecordState::Released) {
            continue;
        }
        let spec = &server.value.spec;
        let machines = [&spec.serial, &spec.uuid].into_iter().flatten();
        let old =
            machines.map(|machine| machine.trim().to_ascii_lowercase()).find_map(|m| by_machine.get(&m));
        if let Some(old) = old {
            claims.entry(old).or_default().push(name);
        }
    }
    claims
}

/// Servers that have a record, are not released, and stand nowhere in Git. Where something cannot be
/// read that may be where they went, nothing counts as gone.
pub(super) fn gone(inventory: &Inventory, observed: &Observed) -> Vec<String> {
    let broken = inventory.broken_servers();
    let new = |name: &&str| !inventory.servers.contains_key(*name) && !observed.servers.contains_key(*name);
    if inventory.unreadable || broken.iter().any(new) {
        return Vec::new();
    }
    let claimed = claims(inventory, observed);
    observed
        .servers
        .iter()
        .filter(|(name, status)| {
            status.record.state != RecordState::Released
                && !inventory.servers.contains_key(*name)
                && !claimed.contains_key(name.as_str())
                && !broken.contains(name.as_str())
        })
        .map(|(name, _)| name.clone())
        .collect()
}

/// The entry of a server that left Git.
pub(super) fn entry(name: &str, observed: &Observed) -> Result<Entry, PlanError> {
    let status = &observed.servers[name];
    let record = &status.record;
    let machine = record.serial.clone().or_else(|| record.uuid.clone()).unwrap_or_default();
    let observed_digest = observed_digest(record)
        .map_err(|source| PlanError::Digest { subject: format!("the record of {name}"), source })?;
    let digest = entry_digest(&EntryKey {
        server: name,
        machine: &machine,
        action: Action::Release,
        desired: None,
        observed: &observed_digest,
        record: record.number,
        ledger: observed.ledger.as_ref(),
    })?;
    Ok(Entry {
        server: name.to_owned(),
        machine,
        labels: BTreeMap::new(),
        action: Action::Release,
        class: Class::Safe,
        reason: Reason::Removed,
        changes: vec![Change {
            field: "server".to_owned(),
            before: Some("in Git".to_owned()),
            after: None,
            sensitive: false,
            from: None,
            effect: Effect::Now,
        }],
        loses: Vec::new(),
        notes: vec!["nothing is wiped and nothing is powered off".to_owned()],
        record: record.number,
        desired_digest: None,
        observed_digest,
        digest,
        approval: ApprovalState::NotNeeded,
        holds: active_job(status).into_iter().collect(),
        steps: vec!["eject our media".to_owned(), "forget the machine".to_owned()],
        preflight: None,
    })
}
