// SPDX-License-Identifier: AGPL-3.0-or-later
//! What can happen to a job.

use shoal_schema::disk::DiskFacts;
use shoal_schema::status::LastError;
use shoal_schema::step::Step;
use shoal_schema::wire::task::Identity;

use super::{PermitRecord, Power, Route};

/// What can happen to a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// It has a place: go.
    Started,
    /// The controller came back: the job goes on where it was, looking before it acts.
    Resumed,
    /// Its effect is in force. Only for the phase and attempt that asked for it: a cancel may come in
    /// between, and the answer to an insert must not pass for that of the power-off after it.
    Performed(Report),
    /// Its effect could not be brought about. As above.
    NotPerformed(Failure),
    /// So much time passed. Adds to what elapsed; may end a budget.
    Elapsed {
        /// Milliseconds since this was last said.
        ms: u64,
    },
    /// The BMC read a medium of an attempt.
    MediumRead {
        /// The attempt whose capability was used.
        attempt: u32,
    },
    /// A permit was granted; the grant is already durable.
    Granted(PermitRecord),
    /// A machine asked and was refused.
    Refused {
        /// The attempt that it named.
        attempt: u32,
        /// A stable word.
        code: String,
        /// Why.
        message: String,
        /// The step that it counts against.
        step: Step,
        /// What it means for the job.
        consequence: Consequence,
    },
    /// The very entry is already on the disk.
    AlreadyInstalled {
        /// The attempt.
        attempt: u32,
        /// The disk.
        disk: DiskFacts,
    },
    /// The machine reported.
    Reported {
        /// The attempt that it named; the current one where it named none.
        attempt: u32,
        /// Why it failed, or nothing where it succeeded.
        failure: Option<Failure>,
    },
    /// The machine was off whenever its BMC was looked at, for as long as a budget allows.
    FoundOff,
    /// Somebody wants it to end.
    CancelRequested {
        /// Who or why, for the events.
        by: String,
    },
}

/// What a refusal means for the job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Consequence {
    /// Nothing: the asker has no part in it (stale medium, foreign boot).
    Ignore,
    /// This attempt is over; the next one may go better.
    NextAttempt,
    /// Nothing can go better: the job fails.
    Fail,
}

/// What an effect brought to light.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Report {
    /// In force, nothing to add.
    InForce,
    /// The BMC was read.
    Discovered {
        /// The way in; nothing where there is none.
        route: Option<Box<Route>>,
        /// Settled power.
        power: Power,
        /// Who the machine is, as its BMC says.
        identity: Identity,
        /// What should be known.
        warnings: Vec<String>,
    },
}

/// Why an effect or a machine failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Where it counts; the phase's own step where nothing is said.
    pub step: Option<Step>,
    /// The failing unit's own name.
    pub unit: Option<String>,
    /// A stable word.
    pub code: String,
    /// One sentence.
    pub message: String,
    /// What to do; the code's own or the step's hint where nothing is said.
    pub hint: Option<String>,
    /// The end of the failing step's log.
    pub log_tail: Option<String>,
    /// The same may work in a while.
    pub passing: bool,
}

impl Failure {
    /// As it is kept and shown.
    pub fn to_error(&self, fallback: Step, job: &shoal_schema::JobId) -> LastError {
        let step = self.step.unwrap_or(fallback);
        LastError {
            step,
            unit: self.unit.clone(),
            code: self.code.clone(),
            message: self.message.clone(),
            hint: self.hint.clone().unwrap_or_else(|| hint(&self.code, step).to_owned()),
            log_tail: self.log_tail.clone(),
            job: Some(job.clone()),
        }
    }
}

/// What to do about a code at a step.
fn hint(code: &str, step: Step) -> &'static str {
    match code {
        "not_blank" => {
            "nothing was written; to lose what is on the disk, agree to it in Git: 'shoal approve SERVER'"
        }
        "disk_too_small" => "make the layout smaller, or select a larger disk",
        _ => step.hint(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machines_hint_goes_before_the_codes_and_that_before_the_steps() {
        let failure = |code: &str, hint: Option<&str>| Failure {
            step: Some(Step::WorkflowDisk),
            unit: None,
            code: code.to_owned(),
            message: "m".to_owned(),
            hint: hint.map(str::to_owned),
            log_tail: None,
            passing: false,
        };
        let job = shoal_schema::JobId::from_bytes([1; 16]);
        let hint = |failure: Failure| failure.to_error(Step::WebhookWait, &job).hint;
        assert_eq!(hint(failure("disk_too_small", Some("its own"))), "its own");
        assert!(hint(failure("disk_too_small", None)).contains("larger disk"));
        assert_eq!(hint(failure("disk_not_found", None)), Step::WorkflowDisk.hint());
    }
}
