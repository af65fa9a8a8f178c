// SPDX-License-Identifier: AGPL-3.0-or-later
//! Facts from the controller's HTTP API.

use super::{Check, Found, all};
use crate::demo::evidence::Evidence;

pub(super) const FACTS: &[Check] = &[
    Check { name: "there is one job for each install, and no other", source: "api", judge: jobs },
    Check { name: "jobs that were interrupted went on in the same attempt", source: "api", judge: resumed },
    Check { name: "nothing is left to do but for the machine that failed", source: "api", judge: pending },
];

fn jobs(evidence: &Evidence) -> Found {
    let mut wrong = Vec::new();
    for actor in &evidence.cast {
        let of: Vec<_> = evidence.api.jobs.iter().filter(|job| job.server == actor.name).collect();
        let expected = actor.installs().max(1);
        if of.len() != expected {
            wrong.push(format!("{} has {} jobs, not {expected}", actor.name, of.len()));
        }
        let outcome = if actor.fails_in.is_some() { "failed" } else { "succeeded" };
        for job in of {
            if job.status != "complete" || job.outcome.as_deref() != Some(outcome) {
                wrong.push(format!(
                    "a job of {} is {} {:?}, not complete {outcome}",
                    actor.name, job.status, job.outcome
                ));
            }
            let step =
                actor.fails_in.as_ref().map(|unit| format!("workflow.{}", unit.trim_end_matches(".service")));
            if job.failed_step != step {
                wrong.push(format!(
                    "a job of {} failed at {:?}, not at {step:?}",
                    actor.name, job.failed_step
                ));
            }
        }
    }
    let strangers: Vec<&str> = evidence
        .api
        .jobs
        .iter()
        .filter(|job| !evidence.cast.iter().any(|actor| actor.name == job.server))
        .map(|job| job.server.as_str())
        .collect();
    if !strangers.is_empty() {
        wrong.push(format!("jobs of {strangers:?}"));
    }
    all(wrong, || {
        let good = evidence.api.jobs.iter().filter(|job| job.outcome.as_deref() == Some("succeeded")).count();
        format!("{} jobs, {good} succeeded", evidence.api.jobs.len())
    })
}

fn resumed(evidence: &Evidence) -> Found {
    let mut wrong = Vec::new();
    for was in &evidence.crash.in_flight {
        let Some(job) = evidence.api.jobs.iter().find(|job| job.id == was.job) else {
            wrong.push(format!("the job of {} is gone", was.server));
            continue;
        };
        if !job.resumed {
            wrong.push(format!("the job of {} does not say that it was resumed", was.server));
        }
        let fails = evidence.cast.iter().any(|actor| actor.name == was.server && actor.fails_in.is_some());
        if !fails && job.attempt != was.attempt {
            wrong.push(format!("{} was in attempt {}, ended in {}", was.server, was.attempt, job.attempt));
        }
    }
    if evidence.crash.in_flight.is_empty() {
        wrong.push("no job was interrupted".to_owned());
    }
    all(wrong, || format!("{} jobs resumed, none began anew", evidence.crash.in_flight.len()))
}

fn pending(evidence: &Evidence) -> Found {
    let failing: Vec<&str> = evidence
        .cast
        .iter()
        .filter(|actor| actor.fails_in.is_some())
        .map(|actor| actor.name.as_str())
        .collect();
    let mut wrong = Vec::new();
    if !evidence.api.ready {
        wrong.push("the controller is not ready".to_owned());
    }
    if evidence.api.pending != failing {
        wrong.push(format!(
            "the plan has destructive entries of {:?}, not of {failing:?}",
            evidence.api.pending
        ));
    }
    all(wrong, || format!("the plan has {} alone", failing.join(", ")))
}
