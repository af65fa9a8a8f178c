// SPDX-License-Identifier: AGPL-3.0-or-later
//! Whoever keeps Shoal's images: the registry of a running controller or of `shoal registry serve`, or a
//! directory that nobody has open. Both answer the same requests in the same way: a directory is opened
//! here and asked through the same router.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use axum::body::Body;
use http::{Method, Request};
use http_body_util::BodyExt as _;
use serde::de::DeserializeOwned;
use shoal_oci::Digest;
use shoal_registry::api::{Task, TaskState, Tasks};
use tower::ServiceExt as _;

use crate::cli::registry::alone;
use crate::client::{Client, ConnectArgs, refusal};
use crate::error::CliError;
use crate::host::Context;

/// Between two looks at a task.
const LOOK: Duration = Duration::from_millis(200);

/// Whose images.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct KeeperArgs {
    /// A registry's directory that nothing has open, instead of a running registry
    #[arg(long, value_name = "DIR", conflicts_with_all = ["url", "socket"])]
    storage: Option<PathBuf>,
    #[command(flatten)]
    connect: ConnectArgs,
}

/// Whoever keeps the images.
pub(super) enum Keeper {
    Running(Box<Client>),
    Directory(Box<alone::Opened>),
}

impl KeeperArgs {
    /// Whether it is a directory.
    pub(super) fn is_directory(&self) -> bool {
        self.storage.is_some()
    }

    /// Finds the keeper. `roots` are images that must stay, where a directory is collected.
    pub(super) fn keeper(
        &self,
        context: &Context,
        policy: Option<&Path>,
        roots: BTreeSet<Digest>,
    ) -> Result<Keeper, CliError> {
        match &self.storage {
            None => Ok(Keeper::Running(Box::new(self.connect.client(context)?))),
            Some(dir) => {
                if !dir.join("oci-layout").is_file() {
                    return Err(CliError::user(
                        "image.storage",
                        format!("{} is no registry's directory: there is no oci-layout in it", dir.display()),
                    ));
                }
                let opened = context.wait(async { alone::open(dir, policy, roots, context.clock()) })?;
                Ok(Keeper::Directory(Box::new(opened)))
            }
        }
    }
}

impl Keeper {
    /// Asks for something.
    pub(super) fn get<T: DeserializeOwned>(&self, context: &Context, path: &str) -> Result<T, CliError> {
        match self {
            Self::Running(client) => client.get(context, path),
            Self::Directory(opened) => ask(context, opened, Method::GET, path),
        }
    }

    /// Asks for something to be done.
    pub(super) fn post<T: DeserializeOwned>(&self, context: &Context, path: &str) -> Result<T, CliError> {
        match self {
            Self::Running(client) => client.post(context, path, &serde_json::json!({})),
            Self::Directory(opened) => ask(context, opened, Method::POST, path),
        }
    }

    /// Begins a task and waits until it is over. Ctrl-C leaves it running where it runs elsewhere.
    pub(super) fn task(&self, context: &Context, path: &str, what: &str) -> Result<Task, CliError> {
        let begun: Task = self.post(context, path)?;
        let progress = context.progress(what.to_owned());
        let task = loop {
            let tasks: Tasks = match self {
                Self::Running(client) => client.get(context, "/api/v1/registry/tasks")?,
                Self::Directory(opened) => ask(context, opened, Method::GET, "/api/v1/registry/tasks")?,
            };
            if let Some(ended) = tasks.ended.into_iter().find(|task| task.id == begun.id) {
                break ended;
            }
            if tasks.running.iter().all(|running| running.id != begun.id) {
                return Err(CliError::hardware(
                    "registry.task",
                    "the registry no longer knows of the task: it was started again meanwhile",
                ));
            }
            context.wait(async { tokio::time::sleep(LOOK).await });
        };
        drop(progress);
        match task.state {
            TaskState::Done => Ok(task),
            TaskState::Running | TaskState::Stopped => {
                Err(CliError::hardware("registry.task", "the registry stopped before the task was done"))
            }
            TaskState::Failed => {
                let why = task.error.unwrap_or_else(|| "its log says why".to_owned());
                Err(CliError::hardware("registry.task", why))
            }
        }
    }
}

fn ask<T: DeserializeOwned>(
    context: &Context,
    opened: &alone::Opened,
    method: Method,
    path: &str,
) -> Result<T, CliError> {
    let broken = |error: Box<dyn std::error::Error + Send + Sync>| {
        CliError::internal("registry.ask", "the registry's answer cannot be read").because(error)
    };
    let request =
        Request::builder().method(method).uri(path).body(Body::empty()).map_err(|e| broken(Box::new(e)))?;
    context.wait(async {
        let response = opened.admin.clone().oneshot(request).await.map_err(|e| broken(Box::new(e)))?;
        let status = response.status();
        let body = response.into_body().collect().await.map_err(|e| broken(Box::new(e)))?.to_bytes();
        if !status.is_success() {
            return Err(refusal(status, body));
        }
        serde_json::from_slice(&body).map_err(|e| broken(Box::new(e)))
    })
}
