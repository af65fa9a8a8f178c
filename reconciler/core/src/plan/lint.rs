// SPDX-License-Identifier: AGPL-3.0-or-later
//! The plan linter: what must hold of every plan, checked before one is shown or carried out.

use std::collections::HashSet;
use std::sync::Arc;

use shoal_schema::plan::{Action, ApprovalState, Class, Entry, HoldCode, Plan, PlanSummary};

use super::{class_of, count};
use crate::counts::Counts;

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
    Linter::default().look(plan)
}

/// Lints plans made one after another: what the plan before has as well is not looked at again.
///
/// Guarantees: whatever was linted before, it finds what [`rules`] finds.
/// Assumptions: an entry behind the same [`Arc`] is the same.
#[derive(Default)]
pub struct Linter {
    /// The entries of the plan before, where nothing was wrong with it and they stood in order.
    before: Vec<Arc<Entry>>,
    /// Whose machine stays who it is.
    machines: Counts,
    counted: PlanSummary,
    /// The entries of the last plan stood in the order of their servers.
    sorted: bool,
}

impl Linter {
    /// Everything that is wrong with a plan but its id.
    pub fn rules(&mut self, plan: &Plan) -> Vec<Lint> {
        // A panic that somebody caught, a lint, or a list out of order: everything is looked at again then.
        let mut linter = std::mem::take(self);
        let lints = linter.look(plan);
        if lints.is_empty() && linter.sorted {
            linter.before.clone_from(&plan.entries);
            *self = linter;
        }
        lints
    }

    fn look(&mut self, plan: &Plan) -> Vec<Lint> {
        let mut lints = Vec::new();
        let mut sorted = true;
        let mut before = self.before.iter().peekable();
        let (machines, counted) = (&mut self.machines, &mut self.counted);
        let mut forget = |gone: &Entry| {
            count(counted, gone, |n| *n -= 1);
            if let Some(machine) = machine_of(gone) {
                machines.forget(&machine);
            }
        };
        let mut new = Vec::new();
        for (place, entry) in plan.entries.iter().enumerate() {
            // Most follow one another as before.
            if before.next_if(|known| Arc::ptr_eq(known, entry)).is_some() {
                continue;
            }
            while let Some(gone) = before.next_if(|known| known.server < entry.server) {
                forget(gone);
            }
            if before.next_if(|known| Arc::ptr_eq(known, entry)).is_some() {
                continue;
            }
            new.push(entry);
            let around = &plan.entries[place.saturating_sub(1)..plan.entries.len().min(place + 2)];
            sorted &= around.is_sorted_by(|a, b| a.server < b.server);
        }
        before.for_each(|gone| forget(gone));
        for entry in new {
            count(&mut self.counted, entry, |n| *n += 1);
            if let Some(machine) = machine_of(entry) {
                self.machines.add(&machine);
            }
            of_entry(entry, &mut lints);
        }
        self.sorted = sorted;
        if !sorted || self.machines.any_shared() {
            lints.extend(twice(plan));
        }
        if !plan.guards.is_empty() {
            let guarded = |entry: &Entry| entry.holds.iter().any(|hold| hold.code == HoldCode::Guard);
            let free = plan.entries.iter().filter(|entry| entry.class != Class::None && !guarded(entry));
            lints.extend(free.map(|entry| Lint::Unguarded { server: entry.server.clone() }));
        }
        let PlanSummary { servers, unchanged, broken, .. } = plan.summary;
        if (PlanSummary { servers, unchanged, broken, ..self.counted }) != plan.summary {
            lints.push(Lint::WrongSummary);
        }
        lints
    }
}

/// Servers and machines that stand in a plan more than once.
fn twice(plan: &Plan) -> Vec<Lint> {
    let mut servers = HashSet::new();
    let again = plan.entries.iter().filter(|entry| !servers.insert(&entry.server));
    let mut lints: Vec<Lint> = again.map(|entry| Lint::Twice { server: entry.server.clone() }).collect();
    let mut machines = HashSet::new();
    for entry in &plan.entries {
        if machine_of(entry).is_some_and(|machine| !machines.insert(machine)) {
            lints.push(Lint::SameMachine { machine: entry.machine.clone() });
        }
    }
    lints
}

/// The machine of an entry, unless it leaves: a machine may leave one name and stand behind another that has a record of
/// its own.
fn machine_of(entry: &Entry) -> Option<String> {
    let stays = !entry.machine.is_empty() && entry.action != Action::Release;
    stays.then(|| entry.machine.to_ascii_lowercase())
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
