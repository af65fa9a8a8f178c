// SPDX-License-Identifier: AGPL-3.0-or-later
//! The plan: what would be done to which machine, why, how bad, and what holds it back.
//!
//! Guarantees: a pure function of its arguments; the same arguments give the same bytes and id.
//! `now` only decides whether an approval or a suspension has run out.
//! Assumptions: `observed` is what the status branch publishes, so that CI and controller agree.
//! It does not decide what starts: see [`crate::decide`].

mod approvals;
mod guards;
mod judge;
pub mod lint;
pub mod markdown;
mod power;
mod removed;
pub mod text;

use std::collections::BTreeSet;

use shoal_schema::Sha256;
use shoal_schema::digest::CanonicalError;
use shoal_schema::plan::{
    Action, ApprovalState, Class, Entry, EntryKey, Hold, HoldCode, PLAN_FORMAT, Plan, PlanInputs, PlanSource,
    PlanSummary, Problem,
};

use crate::desired::{DesiredError, fleet_spec, resolve};
use crate::inventory::Inventory;
use crate::observed::Observed;
use approvals::Approvals;

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
    let inventory = request.inventory;
    let fleet = fleet_spec(inventory);
    let approvals = Approvals::of(inventory, request.now);
    let renames = removed::renames(inventory, request.observed);
    let gone = removed::gone(inventory, request.observed, &renames);
    let guards = guards::judge(inventory, &fleet, request.observed, &gone, &approvals)?;
    let mut problems = inventory.problems.clone();
    let mut entries = Vec::new();
    let mut unchanged = 0;
    let mut broken: BTreeSet<String> = problems.iter().filter_map(|p| p.server.clone()).collect();
    for name in inventory.servers.keys() {
        let desired = match resolve(inventory, &fleet, name) {
            Ok(desired) => desired,
            Err(error) => {
                if broken.insert(name.clone()) {
                    problems.push(problem(inventory, name, &error));
                }
                continue;
            }
        };
        let judgement = judge::Judge {
            desired: &desired,
            observed: request.observed,
            renamed_from: renames.get(name).map(String::as_str),
            approvals: &approvals,
            same_commit: request.commit.is_some() && request.commit == request.observed.commit.as_deref(),
            now: request.now,
        };
        match judgement.entry()? {
            Some(entry) => entries.push(entry),
            None => unchanged += 1,
        }
    }
    for name in &gone {
        entries.push(removed::entry(name, request.observed)?);
    }
    for entry in &mut entries {
        if !guards.is_empty() {
            let message = guards.iter().map(|guard| guard.message.as_str()).collect::<Vec<_>>().join("; ");
            let hint = guards.first().map(|guard| guard.hint.clone());
            entry.holds.push(Hold { code: HoldCode::Guard, message, hint });
        }
        if request.observed.paused && entry.class != Class::None {
            entry.holds.push(Hold {
                code: HoldCode::Paused,
                message: "everything is paused".to_owned(),
                hint: Some("'shoal pause --off' lets it go on".to_owned()),
            });
        }
        entry.holds.sort_by_key(|hold| hold.code);
    }
    entries.sort_by(|a, b| a.server.cmp(&b.server));
    problems.sort_by(|a, b| (&a.place, &a.code, &a.message).cmp(&(&b.place, &b.code, &b.message)));
    let summary = summarise(inventory, &entries, unchanged, broken.len());
    let mut plan = Plan {
        format_version: PLAN_FORMAT.to_owned(),
        id: Sha256::of(b""),
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
        complete: broken.is_empty() && !inventory.unreadable,
        errored: !problems.is_empty(),
        problems,
        summary,
    };
    seal(&mut plan)?;
    Ok(plan)
}

/// Only what a branch changes: entries that stand in `plan` and not, with the same digest and
/// holds, in `base`.
pub fn against_base(plan: &Plan, base: &Plan) -> Result<Plan, PlanError> {
    let mut narrowed = plan.clone();
    narrowed.source.base.clone_from(&base.source.commit);
    narrowed.entries.retain(|entry| !base.entries.contains(entry));
    let left_out = (plan.entries.len() - narrowed.entries.len()) as u32;
    let count = |class| narrowed.entries.iter().filter(|e| e.class == class).count() as u32;
    narrowed.summary = PlanSummary {
        unchanged: plan.summary.unchanged + left_out,
        safe: count(Class::Safe),
        disruptive: count(Class::Disruptive),
        destructive: count(Class::Destructive),
        unapproved: narrowed.entries.iter().filter(|e| unapproved(e)).count() as u32,
        held: narrowed.entries.iter().filter(|e| !e.holds.is_empty()).count() as u32,
        ..plan.summary
    };
    narrowed.problems.retain(|problem| !base.problems.contains(problem));
    seal(&mut narrowed)?;
    Ok(narrowed)
}

/// What a plan's outcome means to scripts: exit codes of the plan rules, §2.
pub fn exit_code(plan: &Plan) -> u8 {
    let destructive_held = plan.entries.iter().any(unapproved) || !plan.guards.is_empty();
    if plan.errored {
        7
    } else if destructive_held {
        3
    } else if plan.entries.iter().any(|entry| entry.action != Action::None) {
        2
    } else {
        0
    }
}

fn seal(plan: &mut Plan) -> Result<(), PlanError> {
    plan.id =
        plan.compute_id().map_err(|source| PlanError::Digest { subject: "the plan".to_owned(), source })?;
    Ok(())
}

fn unapproved(entry: &Entry) -> bool {
    matches!(entry.approval, ApprovalState::Needed | ApprovalState::Expired { .. })
}

fn problem(inventory: &Inventory, name: &str, error: &DesiredError) -> Problem {
    Problem {
        place: inventory.servers.get(name).map(|s| s.place("/spec")).unwrap_or_default(),
        code: "unresolved".to_owned(),
        message: error.to_string(),
        server: Some(name.to_owned()),
    }
}

fn summarise(inventory: &Inventory, entries: &[Entry], unchanged: u32, broken: usize) -> PlanSummary {
    let count =
        |class| entries.iter().filter(|e| e.class == class && e.action != Action::None).count() as u32;
    PlanSummary {
        servers: inventory.servers.len() as u32,
        unchanged: unchanged + entries.iter().filter(|e| e.action == Action::None).count() as u32,
        safe: count(Class::Safe),
        disruptive: count(Class::Disruptive),
        destructive: count(Class::Destructive),
        unapproved: entries.iter().filter(|e| unapproved(e)).count() as u32,
        held: entries.iter().filter(|e| !e.holds.is_empty()).count() as u32,
        broken: broken as u32,
    }
}

fn entry_digest(key: &EntryKey<'_>) -> Result<Sha256, PlanError> {
    Sha256::of_value(key)
        .map_err(|source| PlanError::Digest { subject: format!("the entry of {}", key.server), source })
}
