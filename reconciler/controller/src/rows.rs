// SPDX-License-Identifier: AGPL-3.0-or-later
//! What the controller keeps, row by row, and how a row is read and written.
//!
//! `records`: server name → [`ServerRow`]. `jobs`: job id → [`Job`]. `journal`: job id, number →
//! [`JournalRow`]. `control`, `inventory`: single values by name.

use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use shoal_core::desired::BmcTarget;
use shoal_core::job::{Effect, Job};
use shoal_core::mistake::Mistake;
use shoal_core::observed::unknown_record;
use shoal_schema::kinds::ApiVersion;
use shoal_schema::status::{LastError, ServerStatus};
use shoal_schema::{JobId, Sha256};
use shoal_store::{Batch, Reader, Scan, Table};

/// All that is kept of one server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerRow {
    /// As it is published. Shared with plans while it stays as it is.
    pub status: Arc<ServerStatus>,
    /// Labels and file when it was last in Git, for its place on the status branch.
    #[serde(default)]
    pub file: String,
    /// Failed jobs in a row, for the pause before an install that needs no new approval.
    #[serde(default)]
    pub failures: u32,
    /// Not before this time, unless somebody says retry.
    #[serde(default)]
    pub not_before: Option<jiff::Timestamp>,
    /// A job of another controller, or of a database that is gone, may be writing for so many milliseconds more:
    /// nothing is done to the machine before (`left_alone`).
    #[serde(default)]
    pub left_alone_ms: Option<u64>,
    /// Why it needs a person; a retry or another entry takes it away.
    #[serde(default)]
    pub stalled: Option<String>,
    /// The Secret's digest with which the BMC refused the account: held until it changes.
    #[serde(default)]
    pub refused_credentials: Option<Sha256>,
    /// Failed looks at the BMC in a row, and since when.
    #[serde(default)]
    pub missed: u32,
    /// When the first of them failed.
    #[serde(default)]
    pub missed_since: Option<jiff::Timestamp>,
    /// When the power was last changed by somebody else.
    #[serde(default)]
    pub power_changed_at: Option<jiff::Timestamp>,
    /// How its BMC is reached; remembered so that a server that left Git can be left in order.
    #[serde(default)]
    pub target: Option<BmcTarget>,
    /// A job of ours ended without leaving its BMC in order: a one-time boot from a disc that is found there is
    /// ours, with or without media of ours beside it. Until a look finds none.
    #[serde(default)]
    pub left_behind: bool,
    /// It left Git and media of ours may still be in.
    #[serde(default)]
    pub releasing: bool,
    /// An operator said retry: the next job may inherit the approval of the failed one.
    #[serde(default)]
    pub retry: bool,
}

impl ServerRow {
    /// A server that nobody has met.
    pub fn new(name: &str) -> Self {
        Self {
            status: Arc::new(ServerStatus {
                api_version: ApiVersion::V1,
                name: name.to_owned(),
                record: unknown_record(),
                bmc: None,
                conditions: Vec::new(),
                job: None,
                attempted_entry: None,
                applied_entry: None,
                last_error: None,
                next_try: None,
                drift: Vec::new(),
            }),
            file: String::new(),
            failures: 0,
            not_before: None,
            left_alone_ms: None,
            stalled: None,
            refused_credentials: None,
            missed: 0,
            missed_since: None,
            power_changed_at: None,
            target: None,
            left_behind: false,
            releasing: false,
            retry: false,
        }
    }

    /// Nothing is done to the machine now: somebody else may have it write.
    pub fn is_left_alone(&self) -> bool {
        self.left_alone_ms.is_some() && !Mistake::FormerJobIsNotWaitedFor.is_made()
    }

    /// To change what is published.
    pub fn status_mut(&mut self) -> &mut ServerStatus {
        Arc::make_mut(&mut self.status)
    }
}

/// One effect of a job: what was about to be done, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JournalRow {
    /// The attempt.
    pub attempt: u32,
    /// What was about to be done.
    pub effect: Effect,
    /// When it began.
    pub begun: jiff::Timestamp,
    /// The incarnation that began it.
    pub epoch: u64,
    /// What came of it; nothing where the controller went away in between.
    pub outcome: Option<JournalOutcome>,
}

/// What came of an effect.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JournalOutcome {
    /// When.
    pub ended: jiff::Timestamp,
    /// Why not, where it did not work.
    pub error: Option<LastError>,
}

/// The commit in force.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AcceptedRow {
    /// The commit.
    pub commit: Option<String>,
    /// The last one without any error.
    #[serde(default)]
    pub last_good: Option<String>,
    /// A rewritten tip that an operator accepts.
    #[serde(default)]
    pub allow_rewrite_to: Option<String>,
}

/// Switches that operators set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ControlRow {
    /// No new job and no new permit.
    #[serde(default)]
    pub paused: bool,
    /// Only look: the status branch is another database's.
    #[serde(default)]
    pub observe_only: bool,
    /// Failed jobs since the last success or retry.
    #[serde(default)]
    pub failures: u32,
    /// It came out of a backup and was not compared with the status branch since.
    #[serde(default)]
    pub restored: bool,
}

/// The key of a journal row: job, then number.
pub fn journal_key(job: &JobId, number: u32) -> Vec<u8> {
    format!("{job}/{number:08}").into_bytes()
}

/// A row cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum RowError {
    /// The store failed.
    #[error("cannot read {table} from the database")]
    Read {
        /// The table.
        table: Table,
        /// Why.
        #[source]
        source: shoal_store::ReadError,
    },
    /// The row is no row of this version.
    #[error("the row {key} of {table} is not what this version writes")]
    Decode {
        /// The table.
        table: Table,
        /// The key.
        key: String,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
}

/// Reads one row.
pub fn get<T: DeserializeOwned, R: Reader + ?Sized>(
    reader: &R,
    table: Table,
    key: &str,
) -> Result<Option<T>, RowError> {
    match reader.get(table, key.as_bytes()).map_err(|source| RowError::Read { table, source })? {
        None => Ok(None),
        Some(bytes) => decode(table, key.as_bytes(), &bytes).map(Some),
    }
}

/// Reads all rows of a table.
pub fn all<T: DeserializeOwned, R: Reader + ?Sized>(
    reader: &R,
    table: Table,
) -> Result<Vec<(String, T)>, RowError> {
    reader
        .scan(table, &Scan::ALL)
        .map_err(|source| RowError::Read { table, source })?
        .into_iter()
        .map(|(key, value)| {
            let row = decode(table, &key, &value)?;
            Ok((String::from_utf8_lossy(&key).into_owned(), row))
        })
        .collect()
}

fn decode<T: DeserializeOwned>(table: Table, key: &[u8], bytes: &[u8]) -> Result<T, RowError> {
    serde_json::from_slice(bytes).map_err(|source| RowError::Decode {
        table,
        key: String::from_utf8_lossy(key).into_owned(),
        source,
    })
}

/// Adds one row to a batch.
pub fn put<T: Serialize>(batch: &mut Batch, table: Table, key: impl Into<Vec<u8>>, row: &T) {
    let bytes = serde_json::to_vec(row).expect("rows have string keys and no foreign maps");
    batch.put(table, key, bytes);
}

/// Adds a job to a batch.
pub fn put_job(batch: &mut Batch, job: &Job) {
    put(batch, Table::Jobs, job.id.as_str(), job);
}

/// Adds a server to a batch.
pub fn put_server(batch: &mut Batch, row: &ServerRow) {
    put(batch, Table::Records, row.status.name.as_str(), row);
}
