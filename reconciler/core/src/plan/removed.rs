// SPDX-License-Identifier: AGPL-3.0-or-later
//! What no longer stands in Git: released, never wiped. A new name with the same machine is a rename.

use std::collections::{BTreeMap, BTreeSet};

use shoal_schema::kinds::Labels;
use shoal_schema::plan::Change;
use shoal_schema::plan::{Action, ApprovalState, Class, Effect, Entry, EntryKey, Reason};
use shoal_schema::status::{RecordState, ServerStatus};

use super::holds::active_job;
use super::{PlanError, entry_digest};
use crate::inventory::Inventory;
use crate::observed::{Observed, observed_digest};

/// What became of the names that are gone from Git.
pub(super) struct Moves {
    /// New name → old name.
    pub(super) renames: BTreeMap<String, String>,
    /// Servers that have a record, are not released, and stand nowhere in Git.
    pub(super) gone: Vec<String>,
}

impl Moves {
    /// `left`: who has a record that is not released, and no document in Git.
    pub(super) fn of(inventory: &Inventory, observed: &Observed, left: &BTreeSet<String>) -> Self {
        if left.is_empty() {
            return Self { renames: BTreeMap::new(), gone: Vec::new() };
        }
        let broken = inventory.broken_servers();
        let left: Vec<(&str, &ServerStatus)> = left
            .iter()
            .filter(|name| !broken.contains(name.as_str()))
            .filter_map(|name| Some((name.as_str(), &**observed.servers.get(name)?)))
            .collect();
        let claims = claims(inventory, observed, &left);
        let gone = gone(inventory, observed, &left, &claims);
        let mut renames = BTreeMap::new();
        for (old, new) in claims {
            if let [new] = new.as_slice() {
                renames.insert((*new).to_owned(), old.to_owned());
            }
        }
        Self { renames, gone }
    }

    /// Whether every name stands where it stood.
    pub(super) fn is_none(&self) -> bool {
        self.renames.is_empty() && self.gone.is_empty()
    }
}

/// Names that are gone from Git, with the servers that claim their machines now.
fn claims<'a>(
    inventory: &'a Inventory,
    observed: &Observed,
    left: &[(&'a str, &ServerStatus)],
) -> BTreeMap<&'a str, Vec<&'a str>> {
    let mut by_machine: BTreeMap<String, &str> = BTreeMap::new();
    for (name, status) in left {
        for machine in [&status.record.serial, &status.record.uuid].into_iter().flatten() {
            by_machine.insert(machine.trim().to_ascii_lowercase(), name);
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

/// Where something cannot be read that may be where they went, nothing counts as gone.
fn gone(
    inventory: &Inventory,
    observed: &Observed,
    left: &[(&str, &ServerStatus)],
    claimed: &BTreeMap<&str, Vec<&str>>,
) -> Vec<String> {
    let broken = inventory.broken_servers();
    let new = |name: &&str| !inventory.servers.contains_key(name) && !observed.servers.contains_key(name);
    if inventory.unreadable || broken.iter().any(new) {
        return Vec::new();
    }
    left.iter().filter(|(name, _)| !claimed.contains_key(name)).map(|(name, _)| (*name).to_owned()).collect()
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
        labels: Labels::default(),
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
        steps: vec!["eject our media".into(), "forget the machine".into()],
        preflight: None,
    })
}
