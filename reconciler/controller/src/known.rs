// SPDX-License-Identifier: AGPL-3.0-or-later
//! Every server's row, and beside it what plans are made from: the status in each row.
//!
//! Guarantees: both always say the same. What plans are made from is handed out without a copy; it is copied where a
//! row changes while a plan is being made.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Deref;
use std::sync::Arc;

use shoal_core::observed::Observed;

use crate::rows::ServerRow;
use crate::world::known_as;

/// Rows by server name. Rows are replaced, never changed where they are.
#[derive(Default)]
pub struct KnownServers {
    rows: BTreeMap<String, Arc<ServerRow>>,
    observed: Arc<Observed>,
    /// Whose record says that it is protected, or was.
    protected: BTreeSet<String>,
    /// Whose machines may be written by a job that nobody can ask: few, and asked for at every turn.
    left_alone: BTreeSet<String>,
}

impl KnownServers {
    /// Takes in a server's row, in the place of the one before.
    pub fn put(&mut self, row: Arc<ServerRow>) {
        let (name, status) = (&row.status.name, &row.status);
        let known = self.observed.servers.get(name);
        if !known.is_some_and(|known| Arc::ptr_eq(known, status)) {
            Arc::make_mut(&mut self.observed).servers.insert(name.clone(), Arc::clone(status));
        }
        if status.record.protected || status.record.protected_before {
            self.protected.insert(name.clone());
        } else {
            self.protected.remove(name);
        }
        if row.left_alone_ms.is_some() {
            self.left_alone.insert(name.clone());
        } else {
            self.left_alone.remove(name);
        }
        match self.rows.get_mut(name) {
            Some(known) => *known = row,
            None => drop(self.rows.insert(name.clone(), row)),
        }
    }

    /// Machines that are left alone, by serial and UUID, with the servers as which they are: a machine that got another
    /// name in Git is still the same one.
    pub(crate) fn left_alone(&self) -> BTreeMap<String, String> {
        let rows = self.left_alone.iter().filter_map(|name| self.rows.get_key_value(name));
        let machines = rows.filter(|(_, row)| row.is_left_alone()).flat_map(|(name, row)| {
            let record = &row.status.record;
            [&record.serial, &record.uuid].into_iter().flatten().map(|it| (known_as(it), name.clone()))
        });
        machines.collect()
    }

    /// Those whose record says that they are protected, or were.
    pub(crate) fn protected(&self) -> &BTreeSet<String> {
        &self.protected
    }

    /// What plans are made from, with the servers as they are and all else as it is said.
    pub(crate) fn observed(&mut self, rest: Observed) -> Arc<Observed> {
        let Observed { ledger, counter, commit, paused, servers: _ } = rest;
        let known = &self.observed;
        if (&known.ledger, known.counter, &known.commit, known.paused) != (&ledger, counter, &commit, paused)
        {
            let observed = Arc::make_mut(&mut self.observed);
            (observed.ledger, observed.counter, observed.commit, observed.paused) =
                (ledger, counter, commit, paused);
        }
        Arc::clone(&self.observed)
    }
}

impl Deref for KnownServers {
    type Target = BTreeMap<String, Arc<ServerRow>>;

    fn deref(&self) -> &Self::Target {
        &self.rows
    }
}

impl FromIterator<Arc<ServerRow>> for KnownServers {
    fn from_iter<T: IntoIterator<Item = Arc<ServerRow>>>(rows: T) -> Self {
        let mut known = Self::default();
        rows.into_iter().for_each(|row| known.put(row));
        known
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_that_is_left_alone_is_known_by_serial_and_uuid_whatever_its_name() {
        let mut row = ServerRow::new("old-name");
        row.status_mut().record.serial = Some(" Sn7 ".to_owned());
        row.status_mut().record.uuid = Some("4C4C4544-0042".to_owned());
        let mut known = KnownServers::default();
        known.put(Arc::new(row.clone()));
        assert!(known.left_alone().is_empty());
        row.left_alone_ms = Some(1);
        known.put(Arc::new(row.clone()));
        let left_alone = known.left_alone();
        assert_eq!(left_alone.get(&known_as("SN7")).map(String::as_str), Some("old-name"));
        assert!(left_alone.contains_key(&known_as("4c4c4544-0042")));
        row.left_alone_ms = None;
        known.put(Arc::new(row));
        assert!(known.left_alone().is_empty());
    }

    #[test]
    fn those_that_were_protected_are_known_until_they_no_longer_are() {
        let mut known = KnownServers::default();
        let mut row = ServerRow::new("a");
        known.put(Arc::new(row.clone()));
        assert!(known.protected().is_empty());
        row.status_mut().record.protected_before = true;
        known.put(Arc::new(row.clone()));
        assert!(known.protected().contains("a"));
        row.status_mut().record.protected_before = false;
        known.put(Arc::new(row));
        assert!(known.protected().is_empty());
    }

    #[test]
    fn what_plans_are_made_from_follows_the_rows_and_a_plan_in_the_making_keeps_what_it_has() {
        let mut known: KnownServers =
            ["a", "b"].map(|name| Arc::new(ServerRow::new(name))).into_iter().collect();
        let before = known.observed(Observed { counter: 7, ..Observed::default() });
        assert_eq!(before.counter, 7);
        let mut row = (*known["a"]).clone();
        row.failures = 1;
        known.put(Arc::new(row.clone()));
        let same = known.observed(Observed { counter: 7, ..Observed::default() });
        assert!(Arc::ptr_eq(&before, &same), "nothing that is published changed");
        row.status_mut().drift = vec!["x".to_owned()];
        known.put(Arc::new(row));
        known.put(Arc::new(ServerRow::new("c")));
        let after = known.observed(Observed { paused: true, ..Observed::default() });
        assert_eq!((before.servers.len(), before.servers["a"].drift.len()), (2, 0));
        assert!(after.paused && after.counter == 0);
        for (name, row) in known.iter() {
            assert!(Arc::ptr_eq(&row.status, &after.servers[name]), "{name}");
        }
        assert_eq!(after.servers.len(), known.len());
    }
}
