// SPDX-License-Identifier: AGPL-3.0-or-later
//! The plan linter: what must hold of every plan, checked before one is shown or carried out.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use shoal_schema::plan::{Action, ApprovalState, Class, Entry, HoldCode, Plan};

use super::{class_of, counted};

/// Something that must never be in a plan; each is a defect of Shoal's.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Lint {
    /// Two entries for one server.
    #[error("{server} stands in the plan twice")]
    Twice {
        /// The server.
        server: String,
    },
    /// One machine under two names.
    #[error("the machine {machine} stands in the plan twice")]
    SameMachine {
        /// Serial or UUID.
        machine: String,
    },
    /// Something destructive, or an adoption, that nothing holds and nobody agreed to.
    #[error("{server} would be installed or adopted without agreement")]
    Unagreed {
        /// The server.
        server: String,
    },
    /// A class that is not the action's.
    #[error("{server} has the wrong class for its action")]
    WrongClass {
        /// The server.
        server: String,
    },
    /// A boot override without an eject and a clear behind it.
    #[error("{server} would boot from media that nothing ejects")]
    NoEject {
        /// The server.
        server: String,
    },
    /// An install that does not say what it loses.
    #[error("{server} would be installed without a word about what is lost")]
    NoLoss {
        /// The server.
        server: String,
    },
    /// A guard that does not hold every entry that would do something.
    #[error("{server} is not held although a guard holds the fleet")]
    Unguarded {
        /// The server.
        server: String,
    },
    /// The summary does not say what the entries say.
    #[error("the plan's summary does not count its entries")]
    WrongSummary,
    /// The id is not the digest of the content.
    #[error("the plan's id is not the digest of its content")]
    WrongId,
}

/// Everything that is wrong with a plan.
pub fn check(plan: &Plan) -> Vec<Lint> {
    let mut lints = rules(plan);
    if plan.compute_id().ok().as_ref() != Some(&plan.id) {
        lints.push(Lint::WrongId);
    }
    lints
}

/// Everything that is wrong with a plan but its id, for whoever just made it.
pub fn rules(plan: &Plan) -> Vec<Lint> {
    rules_after(plan, None)
}

/// The same, where nothing was wrong with the plan before: entries that it has as well are not looked at again.
pub fn rules_after(plan: &Plan, before: Option<&Plan>) -> Vec<Lint> {
    let mut lints = twice(plan);
    let mut known = before.map_or(&[][..], |before| before.entries.as_slice()).iter().peekable();
    for entry in &plan.entries {
        let guarded = || entry.holds.iter().any(|hold| hold.code == HoldCode::Guard);
        if !plan.guards.is_empty() && entry.class != Class::None && !guarded() {
            lints.push(Lint::Unguarded { server: entry.server.clone() });
        }
        // Most follow one another as before.
        let mut is_known = known.next_if(|known| Arc::ptr_eq(known, entry)).is_some();
        if !is_known {
            while known.next_if(|known| known.server < entry.server).is_some() {}
            is_known = known.next_if(|known| Arc::ptr_eq(known, entry)).is_some();
        }
        if !is_known {
            of_entry(entry, &mut lints);
        }
    }
    if counted(&plan.entries, plan.summary) != plan.summary {
        lints.push(Lint::WrongSummary);
    }
    lints
}

/// Servers and machines that stand in a plan more than once.
fn twice(plan: &Plan) -> Vec<Lint> {
    let mut lints = Vec::new();
    if !plan.entries.is_sorted_by(|a, b| a.server < b.server) {
        let mut servers = HashSet::new();
        let again = plan.entries.iter().filter(|entry| !servers.insert(&entry.server));
        lints.extend(again.map(|entry| Lint::Twice { server: entry.server.clone() }));
    }
    let mut machines: HashMap<Cow<'_, str>, Action> = HashMap::with_capacity(plan.entries.len());
    for entry in plan.entries.iter().filter(|entry| !entry.machine.is_empty()) {
        let upper = entry.machine.bytes().any(|byte| byte.is_ascii_uppercase());
        let machine = if upper {
            Cow::Owned(entry.machine.to_ascii_lowercase())
        } else {
            Cow::Borrowed(&*entry.machine)
        };
        let other = machines.insert(machine, entry.action);
        // A machine may leave one name and stand behind another that has a record of its own.
        let leaves = |action| action == Action::Release;
        if other.is_some_and(|other| !leaves(other) && !leaves(entry.action)) {
            lints.push(Lint::SameMachine { machine: entry.machine.clone() });
        }
    }
    lints
}

/// What is wrong with an entry by itself.
fn of_entry(entry: &Entry, lints: &mut Vec<Lint>) {
    let server = || entry.server.clone();
    if class_of(entry.action) != entry.class {
        lints.push(Lint::WrongClass { server: server() });
    }
    if !is_agreed(entry) {
        lints.push(Lint::Unagreed { server: server() });
    }
    if installs(entry) || entry.class == Class::Destructive {
        let position = |word: &str| entry.steps.iter().rposition(|step| step.contains(word));
        if position("boot from it once") >= position("eject, clear the boot override") {
            lints.push(Lint::NoEject { server: server() });
        }
        if entry.loses.is_empty() {
            lints.push(Lint::NoLoss { server: server() });
        }
    }
}

fn installs(entry: &Entry) -> bool {
    matches!(entry.action, Action::Install | Action::Reinstall)
}

/// What may lose data is approved, or held for want of it; a machine that must find its disk blank is
/// one without a record. An adoption is approved, for without that it would not be one.
fn is_agreed(entry: &Entry) -> bool {
    let held = |code| entry.holds.iter().any(|hold| hold.code == code);
    let waits = held(HoldCode::ApprovalNeeded) || held(HoldCode::ApprovalExpired);
    let destructive = installs(entry) || entry.class == Class::Destructive;
    match &entry.approval {
        ApprovalState::Approved { .. } => !waits,
        ApprovalState::BlankOnly => !waits && entry.action == Action::Install,
        ApprovalState::Needed => held(HoldCode::ApprovalNeeded),
        ApprovalState::Expired { .. } => held(HoldCode::ApprovalExpired),
        ApprovalState::NotNeeded => !destructive && entry.action != Action::Adopt,
    }
}
