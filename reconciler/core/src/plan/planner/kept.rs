// SPDX-License-Identifier: AGPL-3.0-or-later
//! One server, judged: kept until it would be judged by something else.
//!
//! Whoever lets a judgement depend on something new sees to two things: that [`Kept::holds`] compares it, and that a plan
//! by what changed asks, because the server is among those that changed or whose judgement hangs on the time, or because
//! the plan is made by a look at every server.

use std::collections::BTreeSet;
use std::sync::Arc;

use shoal_schema::kinds::Server;
use shoal_schema::plan::{Entry, Problem};
use shoal_schema::status::ServerStatus;

use super::super::approvals::{Approvals, Asked};
use super::super::judge::Judge;
use super::super::{PlanError, PlanRequest, unresolved};
use super::Around;
use super::shown::Shown;
use crate::desired::resolve;
use crate::inventory::{Inventory, Located};
use crate::observed::Observed;
use crate::references::References;

/// One server's judgement, and what it was judged by.
pub(super) struct Kept {
    server: Arc<Located<Server>>,
    pub(super) references: References,
    status: Option<Arc<ServerStatus>>,
    /// What stands under its new name, where it was renamed.
    renamed: Option<(String, Option<Arc<ServerStatus>>)>,
    /// Until when it is suspended, and whether it was then.
    suspended: Option<(jiff::Timestamp, bool)>,
    pub(super) asked: Asked,
    pub(super) outcome: Outcome,
    pub(super) shown: Option<Shown>,
}

pub(super) enum Outcome {
    AsWanted,
    Entry(Arc<Entry>),
    /// Rare, and larger than the others.
    Unresolved(Box<Problem>),
}

/// One server, and all that it is judged by.
pub(super) struct Case<'a> {
    pub(super) request: &'a PlanRequest<'a>,
    pub(super) around: &'a Around<'a>,
    pub(super) name: &'a str,
    pub(super) server: &'a Arc<Located<Server>>,
    /// What is known of it under its own name.
    pub(super) own: Option<&'a Arc<ServerStatus>>,
    pub(super) renamed: Option<&'a String>,
}

impl Case<'_> {
    fn inventory(&self) -> &Inventory {
        self.request.inventory
    }

    fn observed(&self) -> &Observed {
        self.request.observed
    }

    /// Its status, under its old name where it was renamed.
    fn status(&self) -> Option<&Arc<ServerStatus>> {
        self.renamed.map_or(self.own, |old| self.observed().servers.get(old))
    }

    pub(super) fn judge(&self, approvals: &Approvals) -> Result<Kept, PlanError> {
        let mut asked = Asked::default();
        let mut suspended = None;
        let outcome = match resolve(self.inventory(), &self.around.fleet, self.name) {
            Err(error) => {
                let problem = unresolved(self.inventory(), self.name, &error);
                Outcome::Unresolved(Box::new(problem))
            }
            Ok(desired) => {
                suspended = desired.suspended.as_ref().and_then(|suspended| suspended.until);
                let judgement = Judge {
                    desired: &desired,
                    observed: self.observed(),
                    renamed_from: self.renamed.map(String::as_str),
                    approvals,
                    asked: &mut asked,
                    commit: self.around.commit,
                    now: self.request.now,
                };
                match judgement.entry()? {
                    None => Outcome::AsWanted,
                    Some(mut entry) => {
                        entry.holds.sort_by_key(|hold| hold.code);
                        Outcome::Entry(Arc::new(entry))
                    }
                }
            }
        };
        Ok(Kept {
            server: Arc::clone(self.server),
            references: References::of(self.inventory(), &self.around.fleet, self.server),
            status: self.status().cloned(),
            renamed: self.renamed.map(|old| (old.clone(), self.own.cloned())),
            suspended: suspended.map(|until| (until, until > self.request.now)),
            asked,
            outcome,
            shown: None,
        })
    }
}

impl Kept {
    /// Whether the server would be judged by the same; other documents and approvals apart.
    pub(super) fn holds(&self, case: &Case<'_>) -> bool {
        let renamed = match (&self.renamed, case.renamed) {
            (None, None) => true,
            (Some((old, there)), Some(now)) => old == now && same(there.as_ref(), case.own),
            _ => false,
        };
        renamed
            && Arc::ptr_eq(&self.server, case.server)
            && same(self.status.as_ref(), case.status())
            && self.suspended.is_none_or(|(until, was)| (until > case.request.now) == was)
    }
}

/// Whoever is suspended until some time is judged again by the clock.
pub(super) fn note_time(timed: &mut BTreeSet<String>, name: &str, kept: &Kept) {
    if kept.suspended.is_some() {
        timed.insert(name.to_owned());
    } else {
        timed.remove(name);
    }
}

pub(super) fn same<T>(a: Option<&Arc<T>>, b: Option<&Arc<T>>) -> bool {
    a.map(Arc::as_ptr) == b.map(Arc::as_ptr)
}
