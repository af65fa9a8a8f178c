// SPDX-License-Identifier: AGPL-3.0-or-later
//! Bodies of the HTTP API: contracts §5.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::JobId;
use crate::status::LastError;
use crate::step::Step;

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
    /// When it was made.
    pub created_at: jiff::Timestamp,
    /// When it last changed.
    pub last_update: jiff::Timestamp,
    /// What happened, oldest first.
    pub events: Vec<JobEvent>,
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
