// SPDX-License-Identifier: AGPL-3.0-or-later
//! The task medium of an attempt: recipe, its schema, and who, where and what.

use shoal_core::job::Job;
use shoal_schema::wire::recipe::recipe_schema;
use shoal_schema::wire::task::{Callback, TASK_FORMAT, Task};
use shoal_taskiso::{BuildError, DEFAULT_LIMIT, Iso, TaskFiles, TaskFilesError, TaskMedium, build};

use crate::controller::Controller;
use crate::keys::Keys;

/// The task medium cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum TaskError {
    /// Nobody said where hosts find the controller.
    #[error("no callbackUrl is known for server {server}")]
    NoCallback {
        /// The server.
        server: String,
    },
    /// A part does not serialise.
    #[error("cannot write {part} of the task medium of job {job}")]
    Part {
        /// Which file.
        part: &'static str,
        /// The job.
        job: String,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// A file does not fit.
    #[error("cannot put a file on the task medium of job {job}")]
    Files {
        /// The job.
        job: String,
        /// Why.
        #[source]
        source: TaskFilesError,
    },
    /// The medium cannot be made.
    #[error("cannot build the task medium of job {job}")]
    Build {
        /// The job.
        job: String,
        /// Why.
        #[source]
        source: BuildError,
    },
}

/// Builds the task medium.
pub(crate) fn build_task(controller: &Controller, job: &Job) -> Result<Iso, TaskError> {
    let url = controller
        .callback_url(&job.server)
        .ok_or_else(|| TaskError::NoCallback { server: job.server.clone() })?;
    let pins = if url.starts_with("https:") { controller.pins() } else { Vec::new() };
    task_medium(job, Callback { url, pins }, &controller.keys)
}

/// The task medium of a job. The same job and attempt give the same bytes.
pub fn task_medium(job: &Job, callback: Callback, keys: &Keys) -> Result<Iso, TaskError> {
    let task = Task {
        format: TASK_FORMAT,
        job_id: job.id.clone(),
        attempt: job.attempt,
        epoch: job.epoch,
        ledger: job.ledger.clone(),
        server: job.server.clone(),
        entry_digest: job.entry_digest.clone(),
        identity: job.identity.clone(),
        disk: Some(job.install.disk.clone()),
        require_blank: job.disk_must_be_blank(),
        image_format: Some(job.install.format),
        callback,
        token: keys.token(job),
        network: job.install.network.clone(),
        on_failure: job.on_failure,
    };
    let part = |part| move |source| TaskError::Part { part, job: job.id.to_string(), source };
    let files = |source| TaskError::Files { job: job.id.to_string(), source };
    let mut contents = TaskFiles::new();
    let recipe = serde_json::to_vec_pretty(&job.install.wire_recipe()).map_err(part("recipe.json"))?;
    contents.insert("recipe.json", recipe).map_err(files)?;
    let schema = serde_json::to_vec(&recipe_schema()).map_err(part("recipe.schema.json"))?;
    contents.insert("recipe.schema.json", schema).map_err(files)?;
    let task = serde_json::to_vec_pretty(&task).map_err(part("task.json"))?;
    contents.insert("task.json", task).map_err(files)?;
    build(&TaskMedium {
        job_id: job.id.to_string(),
        files: contents,
        epoch: u64::try_from(job.created_at.as_second()).unwrap_or_default(),
        pad: 0,
        limit: DEFAULT_LIMIT,
    })
    .map_err(|source| TaskError::Build { job: job.id.to_string(), source })
}
