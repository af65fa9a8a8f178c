// SPDX-License-Identifier: AGPL-3.0-or-later
//! The webhook that the maintenance OS posts: contracts §5.
//!
//! `POST /api/v1/status-webhook/{serial}` with the job's token in `X-Webhook-Secret`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::JobId;

/// The longest `failed_step` that is taken, in bytes.
const STEP_LIMIT: usize = 256;

/// The longest `delivery_id` that is taken, in bytes.
const DELIVERY_LIMIT: usize = 128;

/// The longest `boot_id` that is taken, in bytes.
const BOOT_LIMIT: usize = 64;

/// The largest `error.log_tail` that is kept, in bytes.
pub const LOG_TAIL_LIMIT: usize = 8 * 1024;

/// The longest `error.code` that is kept, in bytes.
pub const CODE_LIMIT: usize = 64;

/// The longest `error.message` that is kept, in bytes.
pub const MESSAGE_LIMIT: usize = 1024;

/// The longest `error.hint` that is kept, in bytes.
pub const HINT_LIMIT: usize = 512;

/// What came of a task. Unknown fields are accepted: newer machines meet older controllers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WebhookBody {
    /// How it ended.
    pub status: WebhookStatus,
    /// The failing unit's own name, such as `bootloader-linux.service`. Required on failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub failed_step: Option<String>,
    /// The same for every try of one delivery.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub delivery_id: Option<String>,
    /// The job, as the task medium names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job_id: Option<JobId>,
    /// The attempt, as the task medium names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u32>,
    /// The kernel's random id of the boot that reports.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub boot_id: Option<String>,
    /// The target that ran.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task_target: Option<String>,
    /// The dispatcher's version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dispatcher_version: Option<String>,
    /// The recipe schema's `$id`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema_id: Option<String>,
    /// When it began, by the machine's clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<jiff::Timestamp>,
    /// When it ended, by the machine's clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<jiff::Timestamp>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<WebhookError>,
}

impl WebhookBody {
    /// What is wrong with it, if anything. What is too long in `error` is cut where it is kept, not
    /// refused: a long log is no reason to lose a report.
    pub fn problem(&self) -> Option<&'static str> {
        let long = |text: &Option<String>, limit: usize| text.as_ref().is_some_and(|text| text.len() > limit);
        if self.status == WebhookStatus::Failed && self.failed_step.as_deref().is_none_or(str::is_empty) {
            Some("failed_step is required where status is failed")
        } else if long(&self.failed_step, STEP_LIMIT) {
            Some("failed_step has at most 256 bytes")
        } else if long(&self.delivery_id, DELIVERY_LIMIT) {
            Some("delivery_id has at most 128 bytes")
        } else if long(&self.boot_id, BOOT_LIMIT) {
            Some("boot_id has at most 64 bytes")
        } else {
            None
        }
    }
}

/// How a task ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum WebhookStatus {
    /// The disk is ready.
    Success,
    /// It is not.
    Failed,
}

/// Why a task failed; redacted on the machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WebhookError {
    /// A stable word, such as `disk_too_small`.
    #[schemars(length(max = 64))]
    pub code: String,
    /// One sentence.
    #[schemars(length(max = 1024))]
    pub message: String,
    /// What to do next, where the failing step knows it better than its name tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub hint: Option<String>,
    /// The end of the failing step's log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 8192))]
    pub log_tail: Option<String>,
}

/// The controller's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WebhookAnswer {
    /// Always true.
    pub ok: bool,
    /// Nothing changed: known delivery, or the job had ended.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub idempotent: bool,
}
