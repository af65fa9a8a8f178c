// SPDX-License-Identifier: AGPL-3.0-or-later
//! Bodies of the HTTP API: contracts §5.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::plan::{Entry, Guard, Plan, PlanSummary, Problem};
use crate::status::{LastError, RefusedCommit, ServerStatus};
use crate::step::Step;
use crate::{JobId, LedgerId, Sha256};

/// `POST /api/v1/jobs`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct JobRequest {
    /// The server's serial.
    pub server_serial: String,
    /// Must equal the recipe that Git renders for the server.
    pub recipe: serde_json::Value,
}

/// `202` of `POST /api/v1/jobs`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct JobAccepted {
    /// The job.
    pub job_id: JobId,
    /// `queued`
    pub status: String,
    /// The server's serial.
    pub server_serial: String,
    /// When it was made.
    pub created_at: jiff::Timestamp,
}

/// `GET /api/v1/jobs/{id}`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct JobView {
    /// The job.
    pub job_id: JobId,
    /// The server's serial.
    pub server_serial: String,
    /// The server's name.
    pub server: String,
    /// `queued`, `provisioning`, `succeeded`, `failed`, `complete`.
    pub status: String,
    /// `succeeded` or `failed`, once known.
    pub outcome: Option<String>,
    /// The attempt.
    pub attempt: u32,
    /// Where it is now.
    pub phase: String,
    /// Where it failed.
    pub failed_step: Option<Step>,
    /// Why it failed.
    pub error: Option<LastError>,
    /// How far its machine is, while it is at work.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<JobProgress>,
    /// When it was made.
    pub created_at: jiff::Timestamp,
    /// When it last changed.
    pub last_update: jiff::Timestamp,
    /// What happened, oldest first.
    pub events: Vec<JobEvent>,
}

/// How far a job's machine is, as it said last. Kept in memory alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct JobProgress {
    /// The step that runs, such as `image-linux`.
    pub step: String,
    /// Compressed bytes that came so far.
    pub bytes: u64,
    /// Compressed bytes in all; 0 where nobody said.
    pub total: u64,
    /// Bytes that were written so far.
    pub written: u64,
    /// Compressed bytes a second, of late.
    pub rate: u64,
    /// The step is done.
    pub done: bool,
    /// When the controller heard of it.
    pub at: jiff::Timestamp,
}

/// Something that happened to a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct JobEvent {
    /// When.
    pub time: jiff::Timestamp,
    /// `info`, `warning`, `error`.
    pub level: Level,
    /// What.
    pub message: String,
    /// Where.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<Step>,
}

/// How much an event matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// As expected.
    Info,
    /// Worth a look.
    Warning,
    /// Something failed.
    Error,
}

/// Every error answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ErrorBody {
    /// A stable word: `validation_error`, `invalid_json`, `unauthorized`, `not_found`, …
    pub error: String,
    /// What is wrong.
    pub message: String,
    /// What to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// Every violation, where a body broke its schema.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub details: Vec<Violation>,
}

/// One place where a value breaks its schema. Never carries the value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Violation {
    /// JSON pointer.
    pub path: String,
    /// The schema keyword that failed, such as `pattern`.
    pub code: String,
    /// What is expected.
    pub message: String,
}

/// `GET /api/v1/servers/{name}`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ServerView {
    /// As it is published.
    pub status: Arc<ServerStatus>,
    /// The file in Git.
    pub file: String,
    /// It stands in Git now.
    pub in_git: bool,
    /// What the plan says of it; nothing where all is as wanted.
    pub entry: Option<Arc<Entry>>,
    /// What it waits for beyond the plan's holds.
    pub waits: Option<String>,
    /// The active job, or the last one.
    pub job: Option<JobView>,
}

/// `GET /api/v1/status`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StatusView {
    /// Version of the controller.
    pub version: String,
    /// The database.
    pub ledger: LedgerId,
    /// Grows with every change of its records.
    pub counter: u64,
    /// The commit in force.
    pub commit: Option<String>,
    /// A newer commit that was not taken.
    pub refused: Option<RefusedCommit>,
    /// Why the inventory cannot be read now.
    pub source_error: Option<String>,
    /// Since it was last read well.
    pub source_age_seconds: Option<u64>,
    /// No new job and no new permit.
    pub paused: bool,
    /// Only looking, because the status branch is another database's.
    pub observe_only: bool,
    /// Jobs that are active.
    pub active_jobs: u32,
    /// The plan now.
    pub plan: Option<Sha256>,
    /// How many of what.
    pub summary: Option<PlanSummary>,
    /// What holds the fleet as a whole.
    pub guards: Vec<Guard>,
    /// What is wrong with the inventory.
    pub problems: Vec<Problem>,
}

/// `POST /api/v1/pause`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PauseRequest {
    /// Pause, or go on.
    pub paused: bool,
}

/// `POST /api/v1/accept`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AcceptRequest {
    /// The refused commit's own id, at least seven digits.
    pub revision: String,
}

/// `POST /api/v1/apply`: a plan, or the id of the plan now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ApplyRequest {
    /// A plan that somebody holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<Box<Plan>>,
    /// Or its id, at least the first digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Go on with what is still true.
    #[serde(default)]
    pub partial: bool,
}

/// What came of a plan, per server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ApplyOutcome {
    /// The plan, which works once.
    pub plan: Sha256,
    /// Something of it was stale or is held.
    pub partial: bool,
    /// Per server.
    pub entries: Vec<AppliedEntry>,
}

/// What came of one entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AppliedEntry {
    /// The server.
    pub server: String,
    /// `started`, `held`, `stale`.
    pub state: String,
    /// Why.
    pub message: String,
}

/// It was done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Done {
    /// Always true.
    pub ok: bool,
    /// What follows.
    pub message: String,
}
