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
use shoal_schema::plan::{Class, Entry, EntrySeal, Guard, Hold, HoldCode, Plan, PlanSummary, Problem};
use shoal_schema::status::ServerStatus;

use super::approvals::{Approvals, Asked};
use super::conflicts::Conflict;
use super::followed::Followed;
use super::judge::{Judge, PlannedCommit};
use super::removed::Moves;
use super::{
    PlanError, PlanRequest, Rest, conflicts, count, counted, guards, put_together, removed, unresolved,
};
use crate::alongside::Following;
use crate::desired::{fleet_spec, resolve};
use crate::inventory::{Inventory, Located};
use crate::observed::Observed;
use crate::references::{Documents, References};

/// So many servers that changed are put into the plan before one by one; more cost less by going through all.
const FEW: usize = 256;

/// Makes plans one after another.
#[derive(Default)]
pub struct Planner {
    servers: BTreeMap<String, Kept>,
    /// Whose judgement hangs on the time.
    timed: BTreeSet<String>,
    common: Option<Common>,
    approvals: Approvals,
    documents: Documents,
    followed: Followed,
    last: Option<Last>,
}

/// The plan before.
struct Last {
    plan: Arc<Plan>,
    seals: Vec<EntrySeal>,
    as_wanted: u32,
    /// What held every entry alike, where nothing but each server by itself made the plan what it is.
    plain: Option<Vec<Hold>>,
}

/// What every server is judged by.
#[derive(PartialEq)]
struct Common {
    ledger: Option<LedgerId>,
    commit: PlannedCommit,
}

/// What is to be known of the fleet as a whole before servers are looked at.
struct Around<'a> {
    fleet: FleetSpec,
    commit: PlannedCommit,
    others_changed: bool,
    approvals_changed: bool,
    moves: Moves,
    guards: Vec<Guard>,
    conflicts: BTreeMap<&'a str, Conflict>,
    /// What holds every entry alike.
    whole: Vec<Hold>,
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

    /// [`super::renames`] of what the next plan is made from.
    pub fn renames(&mut self, inventory: &Inventory, observed: &Observed) -> BTreeMap<String, String> {
        self.followed.see(inventory, observed);
        Moves::of(inventory, observed, &self.followed.left).renames
    }

    fn follow(&mut self, request: &PlanRequest<'_>) -> Result<Arc<Plan>, PlanError> {
        let (inventory, observed) = (request.inventory, request.observed);
        let commit = match request.commit {
            None => PlannedCommit::None,
            commit if commit == observed.commit.as_deref() => PlannedCommit::InForce,
            Some(_) => PlannedCommit::Another,
        };
        let common = Common { ledger: observed.ledger.clone(), commit };
        if self.common.as_ref() != Some(&common) || !same(self.documents.fleet(), inventory.fleet.as_ref()) {
            self.servers.clear();
            self.common = Some(common);
            self.last = self.last.take().map(|last| Last { plain: None, ..last });
        }
        let fleet = fleet_spec(inventory);
        let others_changed = self.documents.follow(inventory);
        let approvals_changed = self.approvals.follow(inventory, observed, request.now);
        self.followed.see(inventory, observed);
        let moves = Moves::of(inventory, observed, &self.followed.left);
        let guards = guards::judge(inventory, &fleet, observed, &moves.gone, &self.approvals)?;
        let whole = holds_of_all(&guards, observed.paused);
        let shared = self.followed.claims.any_shared();
        let conflicts = if shared { conflicts::conflicts(inventory) } else { BTreeMap::new() };
        let around =
            Around { fleet, commit, others_changed, approvals_changed, moves, guards, conflicts, whole };
        let plain = around.is_plain(inventory) && !self.followed.any_strays();
        let changed = self.followed.take_changed();
        if plain && let Some(plan) = self.by_changes(request, &around, changed)? {
            return Ok(plan);
        }
        self.by_all(request, around, plain)
    }

    /// The plan before with those that changed, where nothing else did and they are few.
    fn by_changes(
        &mut self,
        request: &PlanRequest<'_>,
        around: &Around<'_>,
        changed: BTreeSet<String>,
    ) -> Result<Option<Arc<Plan>>, PlanError> {
        let Self { servers, timed, approvals, last: Some(last), .. } = self else { return Ok(None) };
        let few = changed.len() + timed.len() <= FEW;
        let alike = last.plain.as_ref() == Some(&around.whole);
        if !few || !alike || around.others_changed || around.approvals_changed {
            return Ok(None);
        }
        let (mut entries, mut seals) = (last.plan.entries.clone(), last.seals.clone());
        let mut summary = last.plan.summary;
        let mut as_wanted = last.as_wanted;
        for name in changed.union(&timed.clone()) {
            let was_wanted = servers.get(name).is_some_and(|kept| matches!(kept.outcome, Outcome::AsWanted));
            as_wanted -= u32::from(was_wanted);
            let mut shown = None;
            match request.inventory.servers.get(name) {
                None => {
                    servers.remove(name);
                    timed.remove(name);
                }
                Some(server) => {
                    let own = request.observed.servers.get(name);
                    let case = Case { request, around, name, server, own, renamed: None };
                    let kept = match servers.get_mut(name) {
                        Some(kept) => kept,
                        None => servers.entry(name.clone()).or_insert(case.judge(approvals)?),
                    };
                    if !kept.holds(&case) {
                        *kept = case.judge(approvals)?;
                    }
                    note_time(timed, name, kept);
                    match &kept.outcome {
                        Outcome::AsWanted => as_wanted += 1,
                        // It is broken, and the plan not plain.
                        Outcome::Unresolved(_) => return Ok(None),
                        Outcome::Entry(entry) => shown = Some(show(entry, &around.whole, &mut kept.shown)?),
                    }
                }
            }
            let place = entries.binary_search_by(|entry| entry.server.as_str().cmp(name));
            if let Ok(place) = place {
                count(&mut summary, &entries[place], |n| *n -= 1);
            }
            if let Some((entry, _)) = &shown {
                count(&mut summary, entry, |n| *n += 1);
            }
            match (place, shown) {
                (Ok(place), Some(shown)) => (entries[place], seals[place]) = shown,
                (Ok(place), None) => {
                    entries.remove(place);
                    seals.remove(place);
                }
                (Err(place), Some((entry, seal))) => {
                    entries.insert(place, entry);
                    seals.insert(place, seal);
                }
                (Err(_), None) => {}
            }
        }
        let rest = Rest { guards: Vec::new(), problems: Vec::new(), broken: 0, as_wanted };
        let plain = last.plain.take();
        self.finish(request, entries, seals, summary, rest, plain).map(Some)
    }

    /// The plan by a look at every server.
    fn by_all(
        &mut self,
        request: &PlanRequest<'_>,
        around: Around<'_>,
        plain: bool,
    ) -> Result<Arc<Plan>, PlanError> {
        let (inventory, observed) = (request.inventory, request.observed);
        let busy = &self.followed.busy;
        let mut problems = inventory.problems.clone();
        let mut broken: BTreeSet<String> = problems.iter().filter_map(|p| p.server.clone()).collect();
        let last_good = inventory.broken_servers();
        // Whoever is not judged now is forgotten: what changes meanwhile would not be held against what is
        // known of it, and a revert brings back the very same document.
        let mut known = Following::new(&mut self.servers);
        let mut statuses = observed.servers.iter().peekable();
        let mut entries =
            Vec::with_capacity(self.last.as_ref().map_or(0, |last| last.plan.entries.len() + 1));
        let mut as_wanted = 0;
        self.timed.clear();
        for (name, server) in &inventory.servers {
            if let Some(conflict) = around.conflicts.get(name.as_str()) {
                if broken.insert(name.clone()) {
                    problems.push(conflict.problem(name, server));
                }
                continue;
            }
            // A problem stops its server, unless what is planned is the last good version.
            if broken.contains(name) && !last_good.contains(name.as_str()) {
                continue;
            }
            while statuses.next_if(|(known, _)| *known < name).is_some() {}
            let own = statuses.next_if(|(known, _)| *known == name).map(|(_, status)| status);
            let renamed = around.moves.renames.get(name);
            let case = Case { request, around: &around, name, server, own, renamed };
            let mut new = None;
            let kept = match known.get(name) {
                Some(kept) => {
                    let others = || References::of(inventory, &around.fleet, server);
                    let holds = kept.holds(&case)
                        && (!around.others_changed || kept.references == others())
                        && (!around.approvals_changed || kept.asked.same(&self.approvals));
                    if !holds {
                        *kept = case.judge(&self.approvals)?;
                    }
                    kept
                }
                None => new.insert(case.judge(&self.approvals)?),
            };
            note_time(&mut self.timed, name, kept);
            match &kept.outcome {
                Outcome::AsWanted => as_wanted += 1,
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
                        show(entry, &around.whole, &mut kept.shown)?
                    } else {
                        let holds: Vec<Hold> = around.whole.iter().cloned().chain(own).collect();
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
        for name in &around.moves.gone {
            let entry = Arc::new(removed::entry(name, observed)?);
            entries.push(show(&entry, &around.whole, &mut None)?);
        }
        // Those that are there come in order, and few are gone.
        entries.sort_by(|(a, _), (b, _)| a.server.cmp(&b.server));
        problems.sort_by(|a, b| {
            (&a.place, &a.code, &a.message, &a.server).cmp(&(&b.place, &b.code, &b.message, &b.server))
        });
        let (entries, seals): (Vec<_>, Vec<_>) = entries.into_iter().unzip();
        let summary = counted(&entries, PlanSummary::default());
        let plain = (plain && broken.is_empty()).then_some(around.whole);
        let rest = Rest { guards: around.guards, problems, broken: broken.len(), as_wanted };
        self.finish(request, entries, seals, summary, rest, plain)
    }

    fn finish(
        &mut self,
        request: &PlanRequest<'_>,
        entries: Vec<Arc<Entry>>,
        seals: Vec<EntrySeal>,
        summary: PlanSummary,
        rest: Rest,
        plain: Option<Vec<Hold>>,
    ) -> Result<Arc<Plan>, PlanError> {
        let as_wanted = rest.as_wanted;
        let before = self.last.as_ref().map(|last| &last.plan);
        let plan = put_together(request, before, entries, &seals, summary, rest)?;
        self.last = Some(Last { plan: Arc::clone(&plan), seals, as_wanted, plain });
        Ok(plan)
    }
}

impl Around<'_> {
    /// Whether each server is planned by itself: nobody is broken, moved, gone, or in another one's way.
    fn is_plain(&self, inventory: &Inventory) -> bool {
        let Inventory { problems, broken, last_good, unreadable, .. } = inventory;
        let readable = problems.is_empty() && broken.is_empty() && last_good.is_empty() && !unreadable;
        readable && self.guards.is_empty() && self.moves.is_none() && self.conflicts.is_empty()
    }
}

/// Whoever is suspended until some time is judged again by the clock.
fn note_time(timed: &mut BTreeSet<String>, name: &str, kept: &Kept) {
    if kept.suspended.is_some() {
        timed.insert(name.to_owned());
    } else {
        timed.remove(name);
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
    around: &'a Around<'a>,
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
        let outcome = match resolve(self.inventory(), &self.around.fleet, self.name) {
            Err(error) => Outcome::Unresolved(unresolved(self.inventory(), self.name, &error)),
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
