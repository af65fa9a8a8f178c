// SPDX-License-Identifier: AGPL-3.0-or-later
//! The plan before, with those that changed in it: where nothing else did, and they are few.

use std::collections::BTreeSet;
use std::sync::Arc;

use shoal_schema::plan::Plan;

use super::super::{PlanError, PlanRequest, Rest, count};
use super::kept::{Case, Outcome, note_time};
use super::shown::show;
use super::{Around, Planner};

/// So many servers that changed, or whose judgement hangs on the time, are put into the plan before one by one; more cost
/// less by going through all.
const FEW: usize = 256;

impl Planner {
    /// The plan before with those that changed, where nothing else did and they are few.
    pub(super) fn by_changes(
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
}
