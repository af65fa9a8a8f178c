// SPDX-License-Identifier: AGPL-3.0-or-later
//! Plans made one after another: what a server was judged by is kept, and who is judged by the same again
//! keeps the entry.
//!
//! Guarantees: whatever was planned before, a plan is the one that [`super::make`] makes from the same
//! request; entries that did not change are shared with the plan before, and where nothing changed so is
//! the plan.
//! Assumptions: a document or a status behind the same [`Arc`] is the same.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use shoal_schema::LedgerId;
use shoal_schema::kinds::{FleetSpec, Server};
use shoal_schema::plan::{Class, Entry, EntrySeal, Guard, Hold, HoldCode, Plan, Problem};
use shoal_schema::status::ServerStatus;

use super::approvals::{Approvals, Asked};
use super::busy::Busy;
use super::claims::Claims;
use super::judge::{Judge, PlannedCommit};
use super::{PlanError, PlanRequest, busy, conflicts, guards, put_together, removed, unresolved};
use crate::alongside::{Alongside, Following};
use crate::desired::{fleet_spec, resolve};
use crate::inventory::{Inventory, Located};
use crate::observed::Observed;
use crate::references::{Documents, References};

/// Makes plans one after another.
#[derive(Default)]
pub struct Planner {
    servers: BTreeMap<String, Kept>,
    common: Option<Common>,
    approvals: Approvals,
    claims: Claims,
    documents: Documents,
    busy: busy::Seen,
    last: Option<Arc<Plan>>,
}

/// What every server is judged by.
#[derive(PartialEq)]
struct Common {
    ledger: Option<LedgerId>,
    commit: PlannedCommit,
}

/// One server's judgement, and what it was judged by.
struct Kept {
    server: Arc<Located<Server>>,
    references: References,
    status: Option<Arc<ServerStatus>>,
    /// What stands under its new name, where it was renamed.
    renamed: Option<(String, Option<Arc<ServerStatus>>)>,
    /// Until when it is suspended, and whether it was then.
    suspended: Option<(jiff::Timestamp, bool)>,
    asked: Asked,
    outcome: Outcome,
    shown: Option<Shown>,
}

/// An entry with what holds the fleet as a whole, as it stands in the plan.
struct Shown {
    whole: Vec<Hold>,
    entry: Arc<Entry>,
    seal: EntrySeal,
}

enum Outcome {
    AsWanted,
    Entry(Arc<Entry>),
    Unresolved(Problem),
}

impl Planner {
    /// Makes the plan.
    pub fn make(&mut self, request: &PlanRequest<'_>) -> Result<Arc<Plan>, PlanError> {
        let made = self.follow(request);
        if made.is_err() {
            // Some servers were looked at with what is new, and some were not.
            *self = Self::default();
        }
        made
    }

    fn follow(&mut self, request: &PlanRequest<'_>) -> Result<Arc<Plan>, PlanError> {
        let (inventory, observed) = (request.inventory, request.observed);
        let fleet = fleet_spec(inventory);
        let commit = match request.commit {
            None => PlannedCommit::None,
            commit if commit == observed.commit.as_deref() => PlannedCommit::InForce,
            Some(_) => PlannedCommit::Another,
        };
        let common = Common { ledger: observed.ledger.clone(), commit };
        if self.common.as_ref() != Some(&common) || !same(self.documents.fleet(), inventory.fleet.as_ref()) {
            self.servers.clear();
            self.common = Some(common);
        }
        let others_changed = self.documents.follow(inventory);
        let approvals_changed = self.approvals.follow(inventory, observed, request.now);
        let moves = removed::Moves::of(inventory, observed);
        let guards = guards::judge(inventory, &fleet, observed, &moves.gone, &self.approvals)?;
        let whole = holds_of_all(&guards, observed.paused);
        let busy = Busy::of(observed, &mut self.busy);

        let mut problems = inventory.problems.clone();
        let mut broken: BTreeSet<String> = problems.iter().filter_map(|p| p.server.clone()).collect();
        let last_good = inventory.broken_servers();
        let conflicts =
            if self.claims.follow(inventory) { conflicts::conflicts(inventory) } else { BTreeMap::new() };
        // Whoever is not judged now is forgotten: what changes meanwhile would not be held against what is
        // known of it, and a revert brings back the very same document.
        let mut known = Following::new(&mut self.servers);
        let mut statuses = Alongside::new(&observed.servers);
        let mut entries = Vec::with_capacity(self.last.as_ref().map_or(0, |last| last.entries.len() + 1));
        let mut unchanged = 0;
        for (name, server) in &inventory.servers {
            if let Some(conflict) = conflicts.get(name.as_str()) {
                if broken.insert(name.clone()) {
                    problems.push(conflict.problem(name, server));
                }
                continue;
            }
            // A problem stops its server, unless what is planned is the last good version.
            if broken.contains(name) && !last_good.contains(name.as_str()) {
                continue;
            }
            let (own, renamed) = (statuses.get(name), moves.renames.get(name));
            let case = Case { request, fleet: &fleet, commit, name, server, own, renamed };
            let mut new = None;
            let kept = match known.get(name) {
                Some(kept) => {
                    let holds = kept.holds(&case)
                        && (!others_changed || kept.references == References::of(inventory, &fleet, server))
                        && (!approvals_changed || kept.asked.same(&self.approvals));
                    if !holds {
                        *kept = case.judge(&self.approvals)?;
                    }
                    kept
                }
                None => new.insert(case.judge(&self.approvals)?),
            };
            match &kept.outcome {
                Outcome::AsWanted => unchanged += 1,
                Outcome::Unresolved(problem) => {
                    if broken.insert(name.clone()) {
                        problems.push(problem.clone());
                    }
                }
                Outcome::Entry(entry) => {
                    let elsewhere = busy.hold(name, &server.value.spec);
                    // A rename is held by that very job already.
                    let elsewhere = elsewhere
                        .filter(|_| !entry.holds.iter().any(|hold| hold.code == HoldCode::ActiveJob));
                    let own: Vec<Hold> = elsewhere.into_iter().chain(unreadable(inventory, entry)).collect();
                    let entry = if own.is_empty() {
                        show(entry, &whole, &mut kept.shown)?
                    } else {
                        let holds: Vec<Hold> = whole.iter().cloned().chain(own).collect();
                        show(entry, &holds, &mut kept.shown)?
                    };
                    entries.push(entry);
                }
            }
            if let Some(new) = new {
                known.add(name, new);
            }
        }
        known.end().apply(&mut self.servers);
        for name in &moves.gone {
            let entry = Arc::new(removed::entry(name, observed)?);
            entries.push(show(&entry, &whole, &mut None)?);
        }
        // Those that are there come in order, and few are gone.
        entries.sort_by(|(a, _), (b, _)| a.server.cmp(&b.server));
        problems.sort_by(|a, b| {
            (&a.place, &a.code, &a.message, &a.server).cmp(&(&b.place, &b.code, &b.message, &b.server))
        });
        let plan =
            put_together(request, self.last.as_ref(), entries, guards, problems, unchanged, broken.len())?;
        self.last = Some(Arc::clone(&plan));
        Ok(plan)
    }
}

/// What holds every entry alike.
fn holds_of_all(guards: &[Guard], paused: bool) -> Vec<Hold> {
    let mut whole = Vec::new();
    if !guards.is_empty() {
        let message = guards.iter().map(|guard| guard.message.as_str()).collect::<Vec<_>>().join("; ");
        let hint = guards.first().map(|guard| guard.hint.clone());
        whole.push(Hold { code: HoldCode::Guard, message, hint });
    }
    if paused {
        whole.push(Hold {
            code: HoldCode::Paused,
            message: "everything is paused".to_owned(),
            hint: Some("'shoal pause --off' lets it go on".to_owned()),
        });
    }
    whole
}

/// A typing error beside `suspend: true` must not start what it was meant to stop.
fn unreadable(inventory: &Inventory, entry: &Entry) -> Option<Hold> {
    let held = matches!(entry.class, Class::Disruptive | Class::Destructive)
        && inventory.last_good.contains(&entry.server);
    held.then(|| Hold {
        code: HoldCode::Unreadable,
        message: "its file cannot be read at this commit; this is what it said last".to_owned(),
        hint: Some("correct the file: 'shoal validate' names the place".to_owned()),
    })
}

/// The entry with what holds the fleet as a whole, and its seal: both as before, where they were made before.
fn show(
    entry: &Arc<Entry>,
    whole: &[Hold],
    shown: &mut Option<Shown>,
) -> Result<(Arc<Entry>, EntrySeal), PlanError> {
    let whole = if entry.class == Class::None { &[] } else { whole };
    if let Some(shown) = shown
        && shown.whole == whole
    {
        return Ok((Arc::clone(&shown.entry), shown.seal));
    }
    let entry = if whole.is_empty() {
        Arc::clone(entry)
    } else {
        let mut held = (**entry).clone();
        held.holds.extend(whole.iter().cloned());
        held.holds.sort_by_key(|hold| hold.code);
        Arc::new(held)
    };
    let seal = EntrySeal::of(&entry)
        .map_err(|source| PlanError::Digest { subject: format!("the entry of {}", entry.server), source })?;
    *shown = Some(Shown { whole: whole.to_vec(), entry: Arc::clone(&entry), seal });
    Ok((entry, seal))
}

/// One server, and all that it is judged by.
struct Case<'a> {
    request: &'a PlanRequest<'a>,
    fleet: &'a FleetSpec,
    commit: PlannedCommit,
    name: &'a str,
    server: &'a Arc<Located<Server>>,
    /// What is known of it under its own name.
    own: Option<&'a Arc<ServerStatus>>,
    renamed: Option<&'a String>,
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

    fn judge(&self, approvals: &Approvals) -> Result<Kept, PlanError> {
        let mut asked = Asked::default();
        let mut suspended = None;
        let outcome = match resolve(self.inventory(), self.fleet, self.name) {
            Err(error) => Outcome::Unresolved(unresolved(self.inventory(), self.name, &error)),
            Ok(desired) => {
                suspended = desired.suspended.as_ref().and_then(|suspended| suspended.until);
                let judgement = Judge {
                    desired: &desired,
                    observed: self.observed(),
                    renamed_from: self.renamed.map(String::as_str),
                    approvals,
                    asked: &mut asked,
                    commit: self.commit,
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
            references: References::of(self.inventory(), self.fleet, self.server),
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
    fn holds(&self, case: &Case<'_>) -> bool {
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

fn same<T>(a: Option<&Arc<T>>, b: Option<&Arc<T>>) -> bool {
    a.map(Arc::as_ptr) == b.map(Arc::as_ptr)
}
