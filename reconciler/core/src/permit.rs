// SPDX-License-Identifier: AGPL-3.0-or-later
//! May this machine write? Decided once per attempt, bound to one boot.
//!
//! Guarantees: a grant only to the current attempt of an active job of this database, to the machine
//! that Git names, for exactly one disk that fits, and never a second one to another boot.
//! Assumptions: the caller checked the job's token, fetched Git, and makes a grant durable before it
//! answers.

use shoal_schema::disk::DiskFacts;
use shoal_schema::step::Step;
use shoal_schema::wire::permit::{DiskState, PermitRequest};
use shoal_schema::wire::stamp::Stamp;
use shoal_schema::wire::task::IdentityVerdict;

use crate::job::event::Consequence;
use crate::job::step::waits_for_machine;
use crate::job::{Job, PermitRecord};

/// No grant while the last good fetch of Git is older: 15 minutes, in milliseconds.
pub const FETCH_AGE_LIMIT_MS: u64 = 15 * 60 * 1000;

/// What the controller knows at this moment.
#[derive(Clone, Copy, Debug)]
pub struct PermitContext<'a> {
    /// Milliseconds since Git was last fetched well.
    pub fetch_age_ms: u64,
    /// Everything is paused.
    pub paused: bool,
    /// Why the entry is no longer wanted, where the commit in force says so.
    pub superseded: Option<&'a str>,
    /// This controller may only observe.
    pub observe_only: bool,
    /// The controller's clock, for the record.
    pub now: jiff::Timestamp,
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PermitVerdict {
    /// New: record it, then answer.
    Grant(PermitRecord),
    /// The same boot asks again: the same answer.
    Repeat(PermitRecord),
    /// Not now.
    Wait {
        /// Why.
        reason: String,
    },
    /// The very entry is already on the disk.
    AlreadyInstalled(DiskFacts),
    /// No.
    Refuse(Refusal),
}

/// Why not, and what it means for the job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// A stable word.
    pub code: &'static str,
    /// One sentence.
    pub message: String,
    /// Where it counts.
    pub step: Step,
    /// What it means for the job.
    pub consequence: Consequence,
}

fn refuse(
    code: &'static str,
    step: Step,
    consequence: Consequence,
    message: impl Into<String>,
) -> PermitVerdict {
    PermitVerdict::Refuse(Refusal { code, message: message.into(), step, consequence })
}

/// Decides.
pub fn decide(job: &Job, request: &PermitRequest, context: &PermitContext<'_>) -> PermitVerdict {
    use Consequence::{Fail, Ignore, NextAttempt};
    let permit = Step::WorkflowPermit;
    if request.attempt != job.attempt || request.epoch != job.epoch {
        let message = format!(
            "the medium belongs to attempt {} (epoch {}); the job is at attempt {} (epoch {})",
            request.attempt, request.epoch, job.attempt, job.epoch
        );
        return refuse("stale_attempt", permit, Ignore, message);
    }
    if !waits_for_machine(job.phase) {
        return refuse("not_waiting", permit, Ignore, format!("the job is {}", job.phase.label()));
    }
    // Who asks comes before everything else: another machine learns nothing, not even a repeat.
    if let Some(refusal) = wrong_machine(job, request) {
        return refusal;
    }
    if let Some(known) = &job.permit {
        if known.boot_id == request.boot_id {
            return PermitVerdict::Repeat(known.clone());
        }
        let message = format!(
            "boot {} already has the permit of attempt {}; this is boot {}",
            known.boot_id, job.attempt, request.boot_id
        );
        return refuse("another_boot", permit, NextAttempt, message);
    }
    let disk = match chosen_disk(job, request) {
        Ok(disk) => disk,
        Err(refusal) => return PermitVerdict::Refuse(refusal),
    };
    if let Some(stamp) = &disk.stamp {
        if stamp.entry_digest == job.entry_digest && stamp.ledger == job.ledger {
            return PermitVerdict::AlreadyInstalled(disk.facts.clone());
        }
        if is_newer(stamp, job) {
            let message = format!(
                "the disk was installed by job {} with record {}, newer than this controller's {}",
                stamp.job_id, stamp.record, job.record
            );
            return refuse("stamp_newer", permit, Fail, message);
        }
    }
    if job.require_blank && !disk.blank {
        let found = if disk.contents.is_empty() { "data".to_owned() } else { disk.contents.join(", ") };
        let message = format!("firstInstall is blankOnly and {} holds {found}", disk.facts.describe());
        return refuse("not_blank", Step::WorkflowDisk, Fail, message);
    }
    if job.cancel_requested {
        return refuse("cancelled", permit, Fail, "the job was cancelled");
    }
    if let Some(why) = context.superseded {
        return refuse("superseded", permit, Fail, format!("Git no longer wants this: {why}"));
    }
    if context.observe_only {
        return PermitVerdict::Wait {
            reason: "this controller only observes until 'shoal takeover'".to_owned(),
        };
    }
    if context.paused {
        return PermitVerdict::Wait { reason: "everything is paused".to_owned() };
    }
    if context.fetch_age_ms > FETCH_AGE_LIMIT_MS {
        let minutes = context.fetch_age_ms / 60_000;
        return PermitVerdict::Wait { reason: format!("Git was last fetched {minutes} minutes ago") };
    }
    PermitVerdict::Grant(PermitRecord {
        attempt: job.attempt,
        boot_id: request.boot_id.clone(),
        disk: disk.facts.clone(),
        granted_at: context.now,
    })
}

fn wrong_machine(job: &Job, request: &PermitRequest) -> Option<PermitVerdict> {
    let step = Step::WorkflowIdentity;
    match job.identity.judge(&request.identity) {
        IdentityVerdict::Same => None,
        IdentityVerdict::Contradiction { what, wanted, seen } => {
            let message = format!("the machine that asks has {what} {seen}, Git says {wanted}");
            Some(refuse("wrong_machine", step, Consequence::Fail, message))
        }
        IdentityVerdict::Unproven => {
            let message = "the machine that asks proves neither serial nor UUID";
            Some(refuse("identity_unproven", step, Consequence::Fail, message))
        }
    }
}

fn chosen_disk<'a>(job: &Job, request: &'a PermitRequest) -> Result<&'a DiskState, Refusal> {
    let step = Step::WorkflowDisk;
    let selector = &job.install.disk;
    let fail = |code, message| Err(Refusal { code, message, step, consequence: Consequence::Fail });
    let Some(disk) = &request.disk else {
        let seen: Vec<String> = request.disks.iter().map(DiskFacts::describe).collect();
        let message =
            format!("{} disks fit ({selector}); the machine has {}", request.matching_disks, seen.join(", "));
        let code = if request.matching_disks == 0 { "disk_not_found" } else { "disk_ambiguous" };
        return fail(code, message);
    };
    if request.matching_disks != 1 {
        return fail("disk_ambiguous", format!("{} disks fit ({selector})", request.matching_disks));
    }
    if !selector.matches(&disk.facts) {
        return fail("disk_mismatch", format!("{} does not fit ({selector})", disk.facts.describe()));
    }
    if let Some(written) = &job.written
        && has_name(written)
        && !written.same_disk(&disk.facts)
    {
        let message = format!(
            "an earlier attempt wrote {}, this one would write {}",
            written.describe(),
            disk.facts.describe()
        );
        return fail("disk_changed", message);
    }
    if let Some(min) = job.install.min_disk
        && disk.facts.size_bytes < min.bytes()
    {
        return fail("disk_too_small", format!("{} is smaller than {min}", disk.facts.describe()));
    }
    Ok(disk)
}

fn has_name(disk: &DiskFacts) -> bool {
    disk.serial.is_some() || disk.wwn.is_some()
}

/// A stamp that this database wrote later than the job's own record.
fn is_newer(stamp: &Stamp, job: &Job) -> bool {
    stamp.ledger == job.ledger && stamp.record > job.record
}
