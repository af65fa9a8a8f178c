// SPDX-License-Identifier: AGPL-3.0-or-later
//! `shoal apply`: is a plan that somebody holds still what would happen? Pins and triggers; approves
//! nothing.

use std::collections::BTreeMap;

use shoal_schema::api::{AppliedEntry, ApplyOutcome};
use shoal_schema::plan::{Action, Entry, PLAN_FORMAT, Plan};

/// Why a plan is not applied.
pub(crate) struct Refusal {
    pub(crate) code: &'static str,
    pub(crate) message: String,
    pub(crate) hint: String,
}

/// Judges every server by itself: the entry must be the same, by digest. One that changed stops the
/// whole, unless the rest is asked for with `partial`.
pub(crate) fn judge(pinned: &Plan, now: &Plan, partial: bool) -> Result<ApplyOutcome, Refusal> {
    if !Plan::is_format_known(&pinned.format_version) {
        return Err(Refusal {
            code: "format",
            message: format!(
                "the plan has the format {}; this controller knows {PLAN_FORMAT}",
                pinned.format_version
            ),
            hint: "make the plan again with a shoal of the controller's version".to_owned(),
        });
    }
    if pinned.compute_id().ok().as_ref() != Some(&pinned.id) {
        return Err(Refusal {
            code: "damaged",
            message: "the plan's content is not what its id says".to_owned(),
            hint: "make the plan again; a plan file is not to be edited".to_owned(),
        });
    }
    if pinned.inputs.ledger != now.inputs.ledger {
        return Err(Refusal {
            code: "stale",
            message: "the plan was made beside another database".to_owned(),
            hint: "make the plan again, from a clone with the present status branch".to_owned(),
        });
    }
    let current: BTreeMap<&str, &Entry> = now.entries.iter().map(|e| (e.server.as_str(), &**e)).collect();
    let mut entries = Vec::new();
    for entry in pinned.entries.iter().filter(|entry| entry.action != Action::None) {
        let (state, message) = match current.get(entry.server.as_str()) {
            Some(same) if same.digest == entry.digest && same.action == entry.action => {
                match same.holds.first() {
                    None => ("started", "goes on within the limits".to_owned()),
                    Some(hold) => ("held", hold.message.clone()),
                }
            }
            Some(_) => ("stale", "the machine or Git changed since the plan was made".to_owned()),
            None => ("stale", "there is nothing to do here any more".to_owned()),
        };
        entries.push(AppliedEntry { server: entry.server.clone(), state: state.to_owned(), message });
    }
    let stale: Vec<&str> = entries.iter().filter(|e| e.state == "stale").map(|e| e.server.as_str()).collect();
    if !stale.is_empty() && !partial {
        return Err(Refusal {
            code: "stale",
            message: format!("no longer as planned: {}", stale.join(", ")),
            hint: "make the plan again, or apply what is still true with --partial".to_owned(),
        });
    }
    let partial = !stale.is_empty() || entries.iter().any(|entry| entry.state == "held");
    Ok(ApplyOutcome { plan: pinned.id.clone(), partial, entries })
}
