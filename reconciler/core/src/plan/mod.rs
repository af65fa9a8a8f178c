// SPDX-License-Identifier: AGPL-3.0-or-later
//! The plan: what would be done to which machine, why, how bad, and what holds it back.
//!
//! Guarantees: a pure function of its arguments; the same arguments give the same bytes and id.
//! `now` only decides whether an approval or a suspension has run out.
//! Assumptions: `observed` is what the status branch publishes, so that CI and controller agree.
//! It does not decide what starts: see [`crate::decide`].

mod approvals;
mod busy;
mod claims;
mod conflicts;
mod followed;
mod guards;
mod holds;
mod judge;
pub mod lint;
mod losses;
pub mod markdown;
mod plain;
mod planner;
mod power;
mod preflight;
mod removed;
pub mod text;
mod verdict;

use std::collections::BTreeMap;
use std::sync::Arc;

use shoal_schema::digest::CanonicalError;
use shoal_schema::plan::{
    Action, ApprovalState, Change, Class, Entry, EntryKey, EntrySeal, Guard, HoldCode, PLAN_FORMAT, Plan,
    PlanInputs, PlanSource, PlanSummary, Problem,
};
use shoal_schema::{LedgerId, Sha256};

use crate::desired::DesiredError;
use crate::inventory::Inventory;
use crate::observed::Observed;
pub use planner::Planner;
pub use power::tidies;
pub use preflight::line as way_of_media;

/// What a plan is made from.
pub struct PlanRequest<'a> {
    /// What Git says.
    pub inventory: &'a Inventory,
    /// What is known.
    pub observed: &'a Observed,
    /// The commit; nothing where a plain directory was read.
    pub commit: Option<&'a str>,
    /// Version of Shoal.
    pub tool: &'a str,
    /// Only to judge what has run out.
    pub now: jiff::Timestamp,
}

/// Why no plan could be made.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// A value has no canonical form.
    #[error("cannot compute the digest of {subject}")]
    Digest {
        /// What.
        subject: String,
        /// Why.
        #[source]
        source: CanonicalError,
    },
}

/// Makes the plan.
pub fn make(request: &PlanRequest<'_>) -> Result<Plan, PlanError> {
    let plan = Planner::default().make(request)?;
    Ok(Arc::unwrap_or_clone(plan))
}

/// What a plan says beside its entries.
struct Rest {
    guards: Vec<Guard>,
    problems: Vec<Problem>,
    /// Servers that cannot be planned.
    broken: usize,
    as_wanted: u32,
}

/// The plan out of its parts: the one before, where nothing changed. `summary` counts the entries.
fn put_together(
    request: &PlanRequest<'_>,
    last: Option<&Arc<Plan>>,
    entries: Vec<Arc<Entry>>,
    seals: &[EntrySeal],
    summary: PlanSummary,
    rest: Rest,
) -> Result<Arc<Plan>, PlanError> {
    let inventory = request.inventory;
    let Rest { guards, problems, broken, as_wanted } = rest;
    let noted = entries.len() as u32 - summary.safe - summary.disruptive - summary.destructive;
    let summary = PlanSummary {
        servers: inventory.servers.len() as u32,
        broken: broken as u32,
        unchanged: as_wanted + noted,
        ..summary
    };
    let mut plan = Plan {
        format_version: PLAN_FORMAT.to_owned(),
        id: last.map_or_else(|| Sha256::of(b""), |last| last.id.clone()),
        created_at: None,
        source: PlanSource {
            commit: request.commit.map(str::to_owned),
            base: None,
            inventory: inventory.digest.clone().unwrap_or_else(|| Sha256::of(b"")),
        },
        inputs: PlanInputs {
            tool: request.tool.to_owned(),
            ledger: request.observed.ledger.clone(),
            counter: request.observed.counter,
        },
        entries,
        policy: Vec::new(),
        guards,
        complete: broken == 0 && !inventory.unreadable,
        errored: !problems.is_empty(),
        problems,
        summary,
    };
    // Entries that are shared are equal without a look: it costs next to nothing where nothing changed.
    if let Some(last) = last
        && **last == plan
    {
        return Ok(Arc::clone(last));
    }
    plan.id = plan.id_by(seals).map_err(no_id)?;
    Ok(Arc::new(plan))
}

/// Only what a branch changes: entries that do not stand in `base` with the same deed, agreement,
/// holds and notes. A line that only moved within its file is no change.
pub fn against_base(plan: &Plan, base: &Plan) -> Result<Plan, PlanError> {
    let mut narrowed = plan.clone();
    narrowed.source.base.clone_from(&base.source.commit);
    let before: BTreeMap<&str, &Entry> =
        base.entries.iter().map(|entry| (entry.server.as_str(), &**entry)).collect();
    narrowed.entries.retain(|entry| !before.get(entry.server.as_str()).is_some_and(|b| same_deed(entry, b)));
    let actions = |entries: &[Arc<Entry>]| entries.iter().filter(|e| e.action != Action::None).count() as u32;
    let left_out = actions(&plan.entries) - actions(&narrowed.entries);
    narrowed.summary = PlanSummary {
        unchanged: plan.summary.unchanged + left_out,
        ..counted(&narrowed.entries, plan.summary)
    };
    narrowed.problems.retain(|problem| !base.problems.contains(problem));
    narrowed.id = narrowed.compute_id().map_err(no_id)?;
    Ok(narrowed)
}

/// The digest that an approval with `action: adopt` names, to record the entry's machine as it is
/// instead of installing it.
pub fn adoption_digest(entry: &Entry, ledger: Option<&LedgerId>) -> Result<Sha256, PlanError> {
    entry_digest(&EntryKey {
        server: &entry.server,
        machine: &entry.machine,
        action: Action::Adopt,
        desired: entry.desired_digest.as_ref(),
        observed: &entry.observed_digest,
        record: entry.record,
        ledger,
    })
}

/// What a plan's outcome means to scripts: exit codes of the plan rules, §2.
pub fn exit_code(plan: &Plan) -> u8 {
    let destructive_held = plan.entries.iter().any(|entry| unapproved(entry)) || !plan.guards.is_empty();
    if plan.errored || !plan.complete {
        7
    } else if destructive_held {
        3
    } else if plan.entries.iter().any(|entry| entry.action != Action::None) {
        2
    } else {
        0
    }
}

fn same_deed(a: &Entry, b: &Entry) -> bool {
    let without_place = |change: &Change| Change { from: None, ..change.clone() };
    (&a.digest, a.class, a.reason, &a.approval, &a.holds)
        == (&b.digest, b.class, b.reason, &b.approval, &b.holds)
        && (&a.notes, &a.loses) == (&b.notes, &b.loses)
        && a.changes.iter().map(without_place).eq(b.changes.iter().map(without_place))
}

fn no_id(source: CanonicalError) -> PlanError {
    PlanError::Digest { subject: "the plan".to_owned(), source }
}

/// Waits for agreement. While a job is active, nothing is to be agreed to: what it leaves behind
/// decides what is planned next.
fn unapproved(entry: &Entry) -> bool {
    matches!(entry.approval, ApprovalState::Needed | ApprovalState::Expired { .. })
        && !entry.holds.iter().any(|hold| hold.code == HoldCode::ActiveJob)
}

fn unresolved(inventory: &Inventory, name: &str, error: &DesiredError) -> Problem {
    Problem {
        place: inventory.servers.get(name).map(|s| s.place("/spec")).unwrap_or_default(),
        code: "unresolved".to_owned(),
        message: error.to_string(),
        server: Some(name.to_owned()),
    }
}

/// A summary with what can be counted among the entries.
fn counted(entries: &[Arc<Entry>], summary: PlanSummary) -> PlanSummary {
    let mut counted =
        PlanSummary { safe: 0, disruptive: 0, destructive: 0, unapproved: 0, held: 0, ..summary };
    for entry in entries {
        count(&mut counted, entry, |n| *n += 1);
    }
    counted
}

/// Counts an entry in, or out again.
fn count(summary: &mut PlanSummary, entry: &Entry, by: impl Fn(&mut u32)) {
    match entry.class {
        Class::None => {}
        Class::Safe => by(&mut summary.safe),
        Class::Disruptive => by(&mut summary.disruptive),
        Class::Destructive => by(&mut summary.destructive),
    }
    if unapproved(entry) {
        by(&mut summary.unapproved);
    }
    if !entry.holds.is_empty() {
        by(&mut summary.held);
    }
}

/// How bad an action is.
fn class_of(action: Action) -> Class {
    match action {
        Action::None => Class::None,
        Action::Adopt | Action::Rename | Action::Release | Action::Tidy | Action::PowerOn => Class::Safe,
        Action::PowerOff => Class::Disruptive,
        Action::Install | Action::Reinstall => Class::Destructive,
    }
}

fn entry_digest(key: &EntryKey<'_>) -> Result<Sha256, PlanError> {
    Sha256::of_value(key)
        .map_err(|source| PlanError::Digest { subject: format!("the entry of {}", key.server), source })
}
