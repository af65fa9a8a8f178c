// SPDX-License-Identifier: AGPL-3.0-or-later
//! May this machine write? Decided once per attempt, bound to one boot.
//!
//! Guarantees: a grant only to the current attempt of an active job of this database, to the machine
//! that Git names, for exactly one disk that fits and that the plan did not name otherwise, and never a
//! second one to another boot. While a permit runs, nobody but another boot of the very machine can end
//! its attempt by asking.
//! Assumptions: the caller checked the job's token, fetched Git, and makes a grant durable before it
//! answers.

use shoal_schema::disk::{DiskFacts, required_bytes};
use shoal_schema::size::ByteSize;
use shoal_schema::step::Step;
use shoal_schema::wire::permit::{DiskState, PermitRequest};
use shoal_schema::wire::stamp::Stamp;
use shoal_schema::wire::task::IdentityVerdict;

use crate::job::event::Consequence;
use crate::job::step::waits_for_machine;
use crate::job::{Job, PermitRecord};
use crate::known_disk::has_name;
use crate::mistake::Mistake;

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
    /// The server's file cannot be read at the commit in force.
    pub unreadable: bool,
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
    let stale = request.attempt != job.attempt || request.epoch != job.epoch;
    if stale && !Mistake::StaleAttemptIsTaken.is_made() {
        let message = format!(
            "the medium belongs to attempt {} (epoch {}); the job is at attempt {} (epoch {})",
            request.attempt, request.epoch, job.attempt, job.epoch
        );
        return refuse("stale_attempt", permit, Ignore, message);
    }
    if !waits_for_machine(job.phase) {
        return refuse("not_waiting", permit, Ignore, format!("the job is {}", job.phase.label()));
    }
    if context.observe_only {
        return PermitVerdict::Wait {
            reason: "this controller only observes until 'shoal takeover'".to_owned(),
        };
    }
    // Who asks comes before everything else: another machine learns nothing, not even a repeat.
    if let Some(refusal) = wrong_machine(job, request) {
        return refusal;
    }
    if let Some(known) = &job.permit {
        if known.boot_id == request.boot_id || Mistake::PermitIsGivenAgain.is_made() {
            return repeat(known, request);
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
                "the disk was installed by job {} as {} with record {}, not older than this controller's {}",
                stamp.job_id, stamp.server, stamp.record, job.record
            );
            return refuse("stamp_newer", permit, Fail, message);
        }
    }
    if job.disk_must_be_blank() && !disk.blank && !Mistake::BlankIsNotChecked.is_made() {
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
    if context.paused {
        return PermitVerdict::Wait { reason: "everything is paused".to_owned() };
    }
    if context.unreadable {
        let reason = "the server's file in Git cannot be read: nobody knows whether this is still wanted";
        return PermitVerdict::Wait { reason: reason.to_owned() };
    }
    if context.fetch_age_ms > FETCH_AGE_LIMIT_MS && !Mistake::OldGitIsTrusted.is_made() {
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

/// The same answer again, for the same disk: names within a boot move too, where a controller resets.
fn repeat(known: &PermitRecord, request: &PermitRequest) -> PermitVerdict {
    let same = request.disk.as_ref().is_some_and(|disk| is_same(&known.disk, &disk.facts));
    if same {
        return PermitVerdict::Repeat(known.clone());
    }
    let seen = request.disk.as_ref().map_or_else(|| "none".to_owned(), |disk| disk.facts.describe());
    let message = format!("the permit is for {}, this request for {seen}", known.disk.describe());
    refuse("disk_changed", Step::WorkflowDisk, Consequence::Ignore, message)
}

fn wrong_machine(job: &Job, request: &PermitRequest) -> Option<PermitVerdict> {
    if Mistake::MachineIsNotCompared.is_made() {
        return None;
    }
    let step = Step::WorkflowIdentity;
    // Whoever came by the token of a machine that writes cannot stop it.
    let consequence = if job.permit.is_some() { Consequence::Ignore } else { Consequence::Fail };
    match job.identity.judge(&request.identity) {
        IdentityVerdict::Same => None,
        IdentityVerdict::Contradiction { what, wanted, seen } => {
            let message = format!("the machine that asks has {what} {seen}, Git says {wanted}");
            Some(refuse("wrong_machine", step, consequence, message))
        }
        IdentityVerdict::Unproven => {
            let message = "the machine that asks proves neither serial nor UUID";
            Some(refuse("identity_unproven", step, consequence, message))
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
    // The machine's own count, and ours where it names its disks.
    let counted = request.disks.iter().filter(|disk| selector.matches(disk)).count();
    if request.matching_disks != 1 || counted > 1 {
        let fitting = counted.max(request.matching_disks as usize);
        return fail("disk_ambiguous", format!("{fitting} disks fit ({selector})"));
    }
    if !selector.matches(&disk.facts) {
        return fail("disk_mismatch", format!("{} does not fit ({selector})", disk.facts.describe()));
    }
    let seen = disk.facts.describe();
    if let Some(expected) = &job.expected_disk
        && !is_same(expected, &disk.facts)
    {
        let message = format!("the plan names {}, this machine would write {seen}", expected.describe());
        return fail("disk_changed", message);
    }
    if let Some(written) = &job.written
        && !is_same(written, &disk.facts)
    {
        let message = format!("an earlier attempt wrote {}, this one would write {seen}", written.describe());
        return fail("disk_changed", message);
    }
    if let Some(min) = job.install.min_disk
        && disk.facts.size_bytes < min.bytes()
    {
        return fail("disk_too_small", format!("{} is smaller than {min}", disk.facts.describe()));
    }
    // The machine would refuse it as well, but with its permit used up: the disk would count as written.
    let needed = required_bytes(&job.install.layout);
    if disk.facts.size_bytes < needed {
        let needed = ByteSize::from_bytes(needed);
        return fail("disk_too_small", format!("the layout needs {needed}, more than {seen} has"));
    }
    Ok(disk)
}

/// Whether both are the same disk. One without serial and WWN, as cheap virtual disks are, can only be
/// known by its size.
fn is_same(known: &DiskFacts, seen: &DiskFacts) -> bool {
    if has_name(known) {
        known.same_disk(seen)
    } else {
        !has_name(seen) && known.size_bytes == seen.size_bytes
    }
}

/// A stamp that this database, or a copy of it, wrote later than the job's own record: a number is
/// given to one job only.
fn is_newer(stamp: &Stamp, job: &Job) -> bool {
    stamp.ledger == job.ledger
        && (stamp.record > job.record || (stamp.record == job.record && stamp.job_id != job.id))
}
