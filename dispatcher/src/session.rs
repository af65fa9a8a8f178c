// SPDX-License-Identifier: AGPL-3.0-or-later
//! Who speaks to the controller, about which attempt, in which boot: kept in a file so that the units behind the
//! target can report too.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use shoal_schema::secret_value::on_the_wire;
use shoal_schema::wire::task::{Callback, Task};
use shoal_schema::{JobId, SecretString};

/// What a report needs to know. The file that holds it is secret: the token is in it.
#[derive(Clone, Serialize, Deserialize)]
pub struct Session {
    /// Where the controller is.
    pub callback: Callback,
    /// The job's token.
    #[serde(serialize_with = "on_the_wire::required")]
    pub token: SecretString,
    /// The job.
    pub job_id: JobId,
    /// Its attempt.
    pub attempt: u32,
    /// The kernel's random id of this boot, where it could be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boot_id: Option<String>,
    /// What the webhook's route calls the machine.
    pub machine: String,
    /// The target, once the recipe was read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task_target: Option<String>,
    /// The `$id` of the recipe's schema, once it was read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema_id: Option<String>,
    /// When the dispatcher began, by the machine's clock.
    pub started_at: Timestamp,
    /// The dispatcher's version.
    pub dispatcher_version: String,
}

impl Session {
    /// The session of a task that was just read.
    pub fn new(task: &Task, boot_id: Option<String>, started_at: Timestamp) -> Self {
        Self {
            callback: task.callback.clone(),
            token: task.token.clone(),
            job_id: task.job_id.clone(),
            attempt: task.attempt,
            boot_id,
            machine: machine_name(task),
            task_target: None,
            schema_id: None,
            started_at,
            dispatcher_version: crate::VERSION.to_owned(),
        }
    }
}

/// The machine that the task is for, not the one that it runs on: a report from the wrong machine must reach the job
/// that went astray. By serial as in the original, else by UUID, else by name.
fn machine_name(task: &Task) -> String {
    let identity = &task.identity;
    identity.serial.as_ref().or(identity.uuid.as_ref()).unwrap_or(&task.server).clone()
}
