// SPDX-License-Identifier: AGPL-3.0-or-later
//! Every server's row, and beside it what plans are made from: the status in each row.
//!
//! Guarantees: both always say the same. What plans are made from is handed out without a copy; it is copied where a
//! row changes while a plan is being made.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::Arc;

use shoal_core::observed::Observed;

use crate::rows::ServerRow;

/// Rows by server name. Rows are replaced, never changed where they are.
#[derive(Default)]
pub struct KnownServers {
    rows: BTreeMap<String, Arc<ServerRow>>,
    observed: Arc<Observed>,
}

impl KnownServers {
    /// Takes in a server's row, in the place of the one before.
    pub fn put(&mut self, row: Arc<ServerRow>) {
        let (name, status) = (&row.status.name, &row.status);
        let known = self.observed.servers.get(name);
        if !known.is_some_and(|known| Arc::ptr_eq(known, status)) {
            Arc::make_mut(&mut self.observed).servers.insert(name.clone(), Arc::clone(status));
        }
        match self.rows.get_mut(name) {
            Some(known) => *known = row,
            None => drop(self.rows.insert(name.clone(), row)),
        }
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
