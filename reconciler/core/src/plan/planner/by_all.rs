// SPDX-License-Identifier: AGPL-3.0-or-later
//! The plan by a look at every server: whoever is judged by the same as before keeps the judgement.

use std::collections::BTreeSet;
use std::sync::Arc;

use shoal_schema::plan::{Hold, HoldCode, Plan, PlanSummary};

use super::super::{PlanError, PlanRequest, Rest, counted, removed};
use super::kept::{Case, Outcome, note_time};
use super::shown::{show, unreadable};
use super::{Around, Planner};
use crate::alongside::{Alongside, Following};
use crate::references::References;

impl Planner {
    /// The plan by a look at every server.
    pub(super) fn by_all(
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
        let mut statuses = Alongside::new(&observed.servers);
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
            let own = statuses.get(name);
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
                        problems.push((**problem).clone());
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
}
