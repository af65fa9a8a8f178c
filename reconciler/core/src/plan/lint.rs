// SPDX-License-Identifier: AGPL-3.0-or-later
//! The plan linter: what must hold of every plan, checked before one is shown or carried out.

use std::collections::BTreeSet;

use shoal_schema::plan::{Action, ApprovalState, Class, HoldCode, Plan};

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
    /// Something destructive that nothing holds and nobody agreed to.
    #[error("{server} would be installed without agreement")]
    Unagreed {
        /// The server.
        server: String,
    },
    /// An install whose class is not destructive, or the other way round.
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
    /// A guard that does not hold every entry.
    #[error("{server} is not held although a guard holds the fleet")]
    Unguarded {
        /// The server.
        server: String,
    },
    /// The id is not the digest of the content.
    #[error("the plan's id is not the digest of its content")]
    WrongId,
}

/// Everything that is wrong with a plan.
pub fn check(plan: &Plan) -> Vec<Lint> {
    let mut lints = Vec::new();
    let mut servers = BTreeSet::new();
    let mut machines = BTreeSet::new();
    for entry in &plan.entries {
        let server = || entry.server.clone();
        if !servers.insert(&entry.server) {
            lints.push(Lint::Twice { server: server() });
        }
        if !entry.machine.is_empty() && !machines.insert(entry.machine.to_ascii_lowercase()) {
            lints.push(Lint::SameMachine { machine: entry.machine.clone() });
        }
        let installs = matches!(entry.action, Action::Install | Action::Reinstall);
        if installs != (entry.class == Class::Destructive) {
            lints.push(Lint::WrongClass { server: server() });
        }
        if installs {
            let agreed = matches!(entry.approval, ApprovalState::Approved { .. } | ApprovalState::BlankOnly);
            let held = entry
                .holds
                .iter()
                .any(|h| matches!(h.code, HoldCode::ApprovalNeeded | HoldCode::ApprovalExpired));
            if agreed == held {
                lints.push(Lint::Unagreed { server: server() });
            }
            let position = |word: &str| entry.steps.iter().rposition(|step| step.contains(word));
            if position("boot from it once") >= position("eject, clear the boot override") {
                lints.push(Lint::NoEject { server: server() });
            }
        }
        if !plan.guards.is_empty() && !entry.holds.iter().any(|h| h.code == HoldCode::Guard) {
            lints.push(Lint::Unguarded { server: server() });
        }
    }
    if plan.compute_id().ok().as_ref() != Some(&plan.id) {
        lints.push(Lint::WrongId);
    }
    lints
}
