// SPDX-License-Identifier: AGPL-3.0-or-later
//! What a job's end means for its server: installed, or held for a person, or tried again later.

use jiff::SignedDuration;
use shoal_core::job::{Job, Outcome};
use shoal_schema::status::{REFUSED_ACCOUNT, Unreachable};
use shoal_schema::step::Step;

use crate::rows::ServerRow;

/// The first pause before an install that needs no new approval is tried again; doubles.
const FIRST_PAUSE: SignedDuration = SignedDuration::from_mins(5);
/// The longest such pause.
const LONGEST_PAUSE: SignedDuration = SignedDuration::from_hours(6);

/// Settles a server's row when its job is complete.
pub(crate) fn settle(row: &mut ServerRow, job: &Job, now: jiff::Timestamp) {
    row.status_mut().attempted_entry = Some(job.entry_digest.clone());
    row.retry = false;
    row.left_behind = job.cleanup_left == Some(Step::CleanupUnmount);
    if job.outcome == Some(Outcome::Succeeded) {
        row.status_mut().applied_entry = Some(job.entry_digest.clone());
        row.status_mut().last_error = None;
        row.status_mut().next_try = None;
        row.failures = 0;
        row.not_before = None;
        row.stalled = job
            .cancel_requested
            .then(|| "installed, then held: a cancel came while it was writing".to_owned());
        return;
    }
    row.failures += 1;
    if refused_account(job) {
        row.refused_credentials.clone_from(&job.bmc.credentials_digest);
        // What a look would say; none follows before the Secret changes.
        let facts = row.status_mut().bmc.get_or_insert_default();
        facts.reachable = false;
        let message = job.failure.as_ref().map(|failure| failure.message.clone()).unwrap_or_default();
        facts.unreachable = Some(Unreachable { since: now, code: REFUSED_ACCOUNT.to_owned(), message });
    }
    // What needs an approval waits for one anyway. What needs none would start again at once: only a
    // fault before any write may pass by itself, after a pause, and a refused account with the Secret;
    // anything else waits for a person.
    let unhurt = job.require_blank && job.written.is_none();
    if unhurt && row.refused_credentials.is_some() && refused_account(job) {
        row.stalled = None;
        row.status_mut().next_try = None;
    } else if unhurt && passes_by_itself(job) {
        let shift = row.failures.saturating_sub(1).min(10);
        let pause = FIRST_PAUSE.saturating_mul(1 << shift).min(LONGEST_PAUSE);
        let next = now.checked_add(pause).unwrap_or(now);
        row.not_before = Some(next);
        row.status_mut().next_try = Some(next);
        row.stalled = None;
    } else {
        row.stalled = Some(job.why_failed());
        row.status_mut().next_try = None;
    }
}

fn refused_account(job: &Job) -> bool {
    job.failure.as_ref().is_some_and(|failure| failure.code == REFUSED_ACCOUNT)
}

fn passes_by_itself(job: &Job) -> bool {
    job.failure.as_ref().is_some_and(|failure| {
        matches!(
            failure.code.as_str(),
            "unreachable" | "timeout" | "circuit-open" | "no_boot" | "server-fault" | "busy"
        )
    })
}
