// SPDX-License-Identifier: AGPL-3.0-or-later
//! What no longer stands in Git: released, never wiped. A new name with the same machine is a rename.

use std::cmp::Ordering;
use std::collections::BTreeMap;

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
    pub(super) fn of(inventory: &Inventory, observed: &Observed) -> Self {
        let left: Vec<(&str, &ServerStatus)> = left(inventory, observed).collect();
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
}

/// New name → old name, where a server that is new in Git is a machine that a live record knows under
/// a name that is gone from Git. Where several servers claim that machine it is nobody's.
///
/// Whoever carries out a plan moves these records first, with [`crate::record::renamed`] and
/// [`crate::record::left_behind`], unless a guard, a pause or an active job holds the entry.
pub fn renames(inventory: &Inventory, observed: &Observed) -> BTreeMap<String, String> {
    Moves::of(inventory, observed).renames
}

/// Who has a record that is not released, and no document in Git: both are sorted, and walked side by side.
fn left<'a>(
    inventory: &'a Inventory,
    observed: &'a Observed,
) -> impl Iterator<Item = (&'a str, &'a ServerStatus)> {
    let broken = inventory.broken_servers();
    let mut there = inventory.servers.keys().peekable();
    observed.servers.iter().filter_map(move |(name, status)| {
        let is_there = loop {
            match there.peek().map(|known| (*known).cmp(name)) {
                Some(Ordering::Less) => drop(there.next()),
                Some(Ordering::Equal) => break true,
                Some(Ordering::Greater) | None => break false,
            }
        };
        let gone =
            !is_there && status.record.state != RecordState::Released && !broken.contains(name.as_str());
        gone.then(|| (name.as_str(), &**status))
    })
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
    let new = |name: &&str| !inventory.servers.contains_key(*name) && !observed.servers.contains_key(*name);
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
