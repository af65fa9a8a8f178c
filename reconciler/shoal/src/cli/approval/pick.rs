// SPDX-License-Identifier: AGPL-3.0-or-later
//! Which entries of a plan somebody agrees to.

use std::collections::BTreeMap;
use std::sync::Arc;

use shoal_core::plan::text::verb;
use shoal_schema::Sha256;
use shoal_schema::kinds::{ApprovedAction, ApprovedEntry};
use shoal_schema::plan::{Action, ApprovalState, Entry, EntryKey, Hold, HoldCode, Plan};

use crate::error::CliError;
use crate::host::Context;
use crate::repo::Fleet;

/// Entries that somebody agrees to, and why the plan has them.
#[derive(Default)]
pub(in crate::cli) struct Picked {
    pub(super) entries: Vec<ApprovedEntry>,
    /// By reason: how many.
    reasons: BTreeMap<String, usize>,
}

impl Picked {
    fn add(&mut self, entry: ApprovedEntry, reason: String) {
        self.entries.push(entry);
        *self.reasons.entry(reason).or_default() += 1;
    }

    /// Puts two picks together.
    pub(in crate::cli) fn and(mut self, other: Self) -> Self {
        self.entries.extend(other.entries);
        for (reason, count) in other.reasons {
            *self.reasons.entry(reason).or_default() += count;
        }
        self
    }

    /// What the plan says, for an agreement that says nothing of its own.
    pub(super) fn reason(&self) -> String {
        let one = self.entries.len() == 1;
        let parts: Vec<String> = self
            .reasons
            .iter()
            .map(|(reason, count)| if one { reason.clone() } else { format!("{count} × {reason}") })
            .collect();
        // The schema's limit.
        parts.join("; ").chars().take(2000).collect()
    }
}

/// The named servers' destructive entries.
pub(in crate::cli) fn installs(
    context: &Context,
    fleet: &Fleet,
    plan: &Plan,
    servers: &[String],
) -> Result<Picked, CliError> {
    let mut picked = Picked::default();
    let mut wrong = Wrong::default();
    for name in distinct(servers) {
        match find(fleet, plan, name) {
            Err(line) => wrong.add(line),
            Ok(entry) if active_job(entry).is_some() => wrong.add(void(entry)),
            Ok(entry) => match &entry.approval {
                ApprovalState::Approved { by } => context.say(&format!("{name}: agreed to already in {by}")),
                ApprovalState::NotNeeded => {
                    wrong.add(format!("{name}: '{}' needs no approval", verb(entry.action)));
                }
                ApprovalState::Needed | ApprovalState::Expired { .. } | ApprovalState::BlankOnly => {
                    pick_install(context, &mut picked, entry);
                }
            },
        }
    }
    wrong.check()?;
    Ok(picked)
}

/// Everything that waits for somebody to agree.
pub(in crate::cli) fn all_unapproved(context: &Context, plan: &Plan) -> Picked {
    let mut picked = Picked::default();
    let waiting =
        |entry: &&Arc<Entry>| matches!(entry.approval, ApprovalState::Needed | ApprovalState::Expired { .. });
    for entry in plan.entries.iter().filter(waiting) {
        if active_job(entry).is_some() {
            context.warn(&void(entry));
        } else {
            pick_install(context, &mut picked, entry);
        }
    }
    picked
}

/// Recording the named servers as they are. `plan` knows of no approvals.
pub(in crate::cli) fn adoptions(fleet: &Fleet, plan: &Plan, servers: &[String]) -> Result<Picked, CliError> {
    let mut picked = Picked::default();
    let mut wrong = Wrong::default();
    for name in distinct(servers) {
        match find(fleet, plan, name) {
            Err(line) => wrong.add(line),
            Ok(entry) if !is_install(entry) => {
                wrong
                    .add(format!("{name}: nothing would be installed, so there is nothing to adopt instead"));
            }
            Ok(entry) if active_job(entry).is_some() => wrong.add(void(entry)),
            Ok(entry) => {
                let agreed = ApprovedEntry {
                    server: entry.server.clone(),
                    action: ApprovedAction::Adopt,
                    entry: adoption_digest(fleet, entry)?,
                    loses: None,
                };
                picked.add(agreed, "recorded as it is, unverified".to_owned());
            }
        }
    }
    wrong.check()?;
    Ok(picked)
}

/// Letting servers leave Git although there are so many. `plan` knows of no approvals.
pub(in crate::cli) fn removals(plan: &Plan) -> Result<Picked, CliError> {
    let Some((guard, digest)) =
        plan.guards.iter().find_map(|guard| guard.digest.as_ref().map(|digest| (guard, digest)))
    else {
        return Err(CliError::user("approval.nothing", "nothing holds back the servers that left Git"));
    };
    let mut picked = Picked::default();
    for entry in plan.entries.iter().filter(|entry| entry.action == Action::Release) {
        let agreed = ApprovedEntry {
            server: entry.server.clone(),
            action: ApprovedAction::Release,
            entry: digest.clone(),
            loses: None,
        };
        picked.add(agreed, guard.message.clone());
    }
    Ok(picked)
}

/// The digest by which an adoption in place of an install is known.
pub(super) fn adoption_digest(fleet: &Fleet, entry: &Entry) -> Result<Sha256, CliError> {
    Sha256::of_value(&EntryKey {
        server: &entry.server,
        machine: &entry.machine,
        action: Action::Adopt,
        desired: entry.desired_digest.as_ref(),
        observed: &entry.observed_digest,
        record: entry.record,
        ledger: fleet.observed.ledger.as_ref(),
    })
    .map_err(|error| CliError::internal("approval.digest", "an entry has no digest").because(error))
}

pub(super) fn is_install(entry: &Entry) -> bool {
    matches!(entry.action, Action::Install | Action::Reinstall)
}

/// The job that moves the record, and with it every digest.
fn active_job(entry: &Entry) -> Option<&Hold> {
    entry.holds.iter().find(|hold| hold.code == HoldCode::ActiveJob)
}

fn void(entry: &Entry) -> String {
    let job = active_job(entry).map(|hold| hold.message.as_str()).unwrap_or_default();
    format!("{}: {job}; what is agreed to before it is over would be void", entry.server)
}

fn pick_install(context: &Context, picked: &mut Picked, entry: &Entry) {
    for hold in entry.holds.iter().filter(|hold| {
        !matches!(hold.code, HoldCode::ApprovalNeeded | HoldCode::ApprovalExpired | HoldCode::NoLedger)
    }) {
        context.warn(&format!("{}: stays held all the same: {}", entry.server, hold.message));
    }
    for warning in entry.preflight.iter().flat_map(|preflight| &preflight.warnings) {
        context.warn(&format!("{}: {warning}", entry.server));
    }
    let agreed = ApprovedEntry {
        server: entry.server.clone(),
        action: ApprovedAction::Install,
        entry: entry.digest.clone(),
        loses: (!entry.loses.is_empty()).then(|| entry.loses.join("; ")),
    };
    let first = entry.changes.first();
    let change = first.and_then(|change| {
        let after = change.after.as_deref()?;
        Some(format!(" ({}: {} -> {after})", change.field, change.before.as_deref().unwrap_or("unknown")))
    });
    picked.add(agreed, format!("{}{}", verb(entry.action), change.unwrap_or_default()));
}

/// Each name once, in order.
fn distinct(names: &[String]) -> std::collections::BTreeSet<&str> {
    names.iter().map(String::as_str).collect()
}

fn find<'a>(fleet: &Fleet, plan: &'a Plan, name: &str) -> Result<&'a Entry, String> {
    if let Some(entry) = plan.entries.iter().find(|entry| entry.server == name) {
        return Ok(entry);
    }
    if fleet.inventory.servers.contains_key(name) {
        let broken = plan.problems.iter().find(|problem| problem.server.as_deref() == Some(name));
        return Err(match broken {
            Some(problem) => format!("{name}: {}: {}", problem.place, problem.message),
            None => format!("{name}: is as wanted; there is nothing to agree to"),
        });
    }
    let near = fleet
        .inventory
        .servers
        .keys()
        .map(|known| (strsim::damerau_levenshtein(known, name), known))
        .filter(|(distance, _)| *distance <= 2)
        .min();
    Err(match near {
        Some((_, near)) => format!("{name}: there is no such server; did you mean {near}?"),
        None => format!("{name}: there is no such server"),
    })
}

/// Names that cannot be agreed to: all of them are said at once, and then nothing is written.
#[derive(Default)]
struct Wrong(Vec<String>);

impl Wrong {
    fn add(&mut self, line: String) {
        self.0.push(line);
    }

    fn check(self) -> Result<(), CliError> {
        if self.0.is_empty() {
            return Ok(());
        }
        let failed = CliError::user("approval.nothing", "not everything that you named can be agreed to");
        Err(self.0.into_iter().fold(failed, CliError::detail).hint("'shoal plan' shows what waits"))
    }
}
