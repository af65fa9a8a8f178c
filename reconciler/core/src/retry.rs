// SPDX-License-Identifier: AGPL-3.0-or-later
//! May a new job go on with the approval that a failed one used up?
//!
//! An approval is consumed when its job starts and covers every attempt of that job. Where the job
//! failed before any permit was granted, nothing was written that people did not agree to lose, and
//! asking them for the same thing again would teach them to agree without reading.
//!
//! Guarantees: never after a permit, whatever came of it; never for another machine, another
//! content, another record, another database.
//! Assumptions: the caller holds the server's lock, `previous` is the server's last job, and every
//! hold of the entry but the missing approval is respected as always.

use shoal_schema::Sha256;
use shoal_schema::digest::CanonicalError;
use shoal_schema::plan::{Action, Entry, EntryKey};

use crate::job::{Job, Outcome};

/// Why a new job needs an approval of its own.
#[derive(Debug, thiserror::Error)]
pub enum Why {
    /// It runs.
    #[error("job {job} is not over yet")]
    Active {
        /// The job.
        job: String,
    },
    /// It did what was agreed to.
    #[error("job {job} succeeded: what was agreed to is done")]
    Succeeded {
        /// The job.
        job: String,
    },
    /// The disk may hold anything since.
    #[error("job {job} had a permit to write: what it left is not what people agreed to lose")]
    Written {
        /// The job.
        job: String,
    },
    /// It ran without anybody's approval.
    #[error("job {job} had no approval to go on with")]
    NoApproval {
        /// The job.
        job: String,
    },
    /// The plan wants something else of this server than an install.
    #[error("the plan does not want to install {server}")]
    NotAnInstall {
        /// The server.
        server: String,
    },
    /// Another name: approvals name the server.
    #[error("job {job} was for {previous}, not for {server}")]
    OtherServer {
        /// The job.
        job: String,
        /// Its server.
        previous: String,
        /// The entry's.
        server: String,
    },
    /// Another machine behind the name.
    #[error("{server} was machine {previous} and is {machine} now")]
    OtherMachine {
        /// The server.
        server: String,
        /// The job's machine.
        previous: String,
        /// The entry's.
        machine: String,
    },
    /// Another image, layout, disk or counter.
    #[error("what Git wants on {server} has changed since job {job}")]
    OtherContent {
        /// The server.
        server: String,
        /// The job.
        job: String,
    },
    /// Adopted, released, restored, or its disks changed; or another job came in between.
    #[error("the record of {server} has moved on from number {previous} to {now} since the job")]
    RecordMoved {
        /// The server.
        server: String,
        /// The record number after the job's start.
        previous: u64,
        /// The entry's.
        now: u64,
    },
    /// The entry was judged by another database.
    #[error("the job belongs to another ledger than the plan's entry of {server}")]
    OtherLedger {
        /// The server.
        server: String,
    },
    /// A value has no canonical form.
    #[error("cannot compute the digest of the entry of {server}")]
    Digest {
        /// The server.
        server: String,
        /// Why.
        #[source]
        source: CanonicalError,
    },
}

/// Whether a new job for `entry` may go on with the approval of `previous`.
pub fn may_inherit(previous: &Job, entry: &Entry) -> Result<(), Why> {
    let job = || previous.id.short().to_owned();
    let server = || entry.server.clone();
    if previous.is_active() {
        return Err(Why::Active { job: job() });
    }
    if previous.written.is_some() || previous.permit.is_some() {
        return Err(Why::Written { job: job() });
    }
    if previous.outcome != Some(Outcome::Failed) {
        return Err(Why::Succeeded { job: job() });
    }
    if previous.approved_by.is_none() {
        return Err(Why::NoApproval { job: job() });
    }
    if !matches!(entry.action, Action::Install | Action::Reinstall) {
        return Err(Why::NotAnInstall { server: server() });
    }
    if previous.server != entry.server {
        return Err(Why::OtherServer { job: job(), previous: previous.server.clone(), server: server() });
    }
    if previous.machine != entry.machine {
        return Err(Why::OtherMachine {
            server: server(),
            previous: previous.machine.clone(),
            machine: entry.machine.clone(),
        });
    }
    if entry.desired_digest.as_ref() != Some(&previous.install.digest) {
        return Err(Why::OtherContent { server: server(), job: job() });
    }
    // The number moves with everything that an approval does not outlive.
    if entry.record != previous.record {
        return Err(Why::RecordMoved { server: server(), previous: previous.record, now: entry.record });
    }
    // An entry does not name its ledger, but its digest does.
    let same_ledger = Sha256::of_value(&EntryKey {
        server: &entry.server,
        machine: &entry.machine,
        action: entry.action,
        desired: entry.desired_digest.as_ref(),
        observed: &entry.observed_digest,
        record: entry.record,
        ledger: Some(&previous.ledger),
    })
    .map_err(|source| Why::Digest { server: server(), source })?;
    if same_ledger != entry.digest {
        return Err(Why::OtherLedger { server: server() });
    }
    Ok(())
}
