// SPDX-License-Identifier: AGPL-3.0-or-later
//! What no longer stands in Git: released, never wiped. A new name with the same machine is a rename.

use std::collections::BTreeMap;

use shoal_schema::plan::Change;
use shoal_schema::plan::{Action, ApprovalState, Class, Effect, Entry, EntryKey, Reason};
use shoal_schema::status::RecordState;

use super::{PlanError, entry_digest};
use crate::inventory::Inventory;
use crate::observed::{Observed, observed_digest};

/// New name → old name, where a server that is new in Git is a machine that a record knows under
/// a name that is gone from Git.
pub(super) fn renames(inventory: &Inventory, observed: &Observed) -> BTreeMap<String, String> {
    let mut by_machine: BTreeMap<String, &str> = BTreeMap::new();
    for (name, status) in &observed.servers {
        let forgotten = matches!(status.record.state, RecordState::Released);
        if inventory.servers.contains_key(name)
            || forgotten
            || inventory.broken.iter().any(|(_, n)| n == name)
        {
            continue;
        }
        if let Some(machine) = status.record.serial.as_ref().or(status.record.uuid.as_ref()) {
            by_machine.insert(machine.to_ascii_lowercase(), name);
        }
    }
    let mut renames = BTreeMap::new();
    for (name, server) in &inventory.servers {
        if observed.servers.get(name).is_some_and(|status| status.record.number > 0) {
            continue;
        }
        let spec = &server.value.spec;
        if let Some(machine) = spec.serial.as_ref().or(spec.uuid.as_ref())
            && let Some(old) = by_machine.remove(&machine.to_ascii_lowercase())
        {
            renames.insert(name.clone(), old.to_owned());
        }
    }
    renames
}

/// Servers that have a record, are not released, and stand nowhere in Git. Where some file cannot
/// be read at all, nothing counts as gone.
pub(super) fn gone(
    inventory: &Inventory,
    observed: &Observed,
    renames: &BTreeMap<String, String>,
) -> Vec<String> {
    if inventory.unreadable {
        return Vec::new();
    }
    observed
        .servers
        .iter()
        .filter(|(name, status)| {
            !inventory.servers.contains_key(*name)
                && status.record.state != RecordState::Released
                && !renames.values().any(|old| old == *name)
                && !inventory.broken.iter().any(|(kind, broken)| *kind == "Server" && broken == *name)
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
        holds: Vec::new(),
        steps: vec!["eject our media".to_owned(), "forget the machine".to_owned()],
    })
}
