// SPDX-License-Identifier: AGPL-3.0-or-later
//! The long-running service: watches Git, plans, runs jobs, serves media, answers machines and people,
//! publishes status.
//!
//! Guarantees: see [`startup`], [`controller`] and [`publish`]. SIGTERM (the caller cancels
//! [`Running::stop`]) lets effects that are under way finish and leaves every job where it can be
//! taken up again.
//! Assumptions: the caller hands in checked [`settings::Settings`] and has a Tokio runtime.

mod apply;
mod backlog;
mod bmc;
pub mod commit_source;
pub mod controller;
mod fence;
mod hex;
pub mod http;
mod janitor;
mod jobs;
pub mod keys;
mod known;
mod known_jobs;
mod left_alone;
mod media;
mod metrics;
mod notify;
pub mod outside;
mod progress;
pub mod publish;
mod rebuild;
mod reconcile;
mod registry;
pub mod restored;
pub mod rows;
mod secrets;
pub mod settings;
pub mod source;
pub mod startup;
mod tls;
mod trouble;
mod view;
mod world;

pub use jobs::task::{TaskError, task_medium};

use std::net::SocketAddr;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use controller::Controller;
use settings::{Settings, TlsMode};
use shoal_http::listen::{Serving, SharedTls, listen};
use shoal_registry::Registry;
use shoal_tls::config_from_files;
use startup::StartupError;
use tokio_util::sync::CancellationToken;

/// How long effects that are under way may take when the controller stops.
const STOP_PATIENCE: Duration = Duration::from_secs(90);

/// A controller that runs.
pub struct Running {
    controller: Arc<Controller>,
    certificates: Vec<(SharedTls, TlsMode)>,
    registry: Option<Registry>,
    /// Where it listens.
    pub addresses: Addresses,
}

/// Where a controller listens.
#[derive(Clone, Debug, Default)]
pub struct Addresses {
    /// The API.
    pub api: Option<SocketAddr>,
    /// The API over TLS, beside a plain one.
    pub api_tls: Option<SocketAddr>,
    /// Media.
    pub media: Option<SocketAddr>,
    /// Media over TLS.
    pub media_tls: Option<SocketAddr>,
}

/// Starts a controller. Returns once it listens.
pub async fn start(mut settings: Settings) -> Result<Running, StartupError> {
    let mut addresses = Addresses::default();
    let mut plain = Vec::new();
    // The kernel may choose ports, and addresses that nobody set are made from them.
    let (api, bound) = listen(settings.api.addr).await?;
    addresses.api = Some(bound);
    let api_mode = settings.api.tls.clone();
    plain.push((api, api_mode, true));
    if let Some(addr) = settings.api_tls {
        let (listener, bound) = listen(addr).await?;
        addresses.api_tls = Some(bound);
        plain.push((listener, TlsMode::Own, true));
    }
    if let Some(addr) = settings.media {
        let (listener, bound) = listen(addr).await?;
        addresses.media = Some(bound);
        plain.push((listener, TlsMode::Off, false));
    }
    if let Some(addr) = settings.media_tls {
        let (listener, bound) = listen(addr).await?;
        addresses.media_tls = Some(bound);
        plain.push((listener, TlsMode::Own, false));
    }
    fill_urls(&mut settings, &addresses);
    let controller =
        tokio::task::spawn_blocking(move || startup::open(settings)).await.map_err(|error| {
            StartupError::Directory { path: std::path::PathBuf::new(), source: std::io::Error::other(error) }
        })??;
    let registry = {
        let controller = Arc::clone(&controller);
        tokio::task::spawn_blocking(move || registry::open(&controller)).await.map_err(|error| {
            StartupError::Directory { path: std::path::PathBuf::new(), source: std::io::Error::other(error) }
        })??
    };
    let serving =
        Serving { shutdown: controller.shutdown.clone(), tasks: controller.tasks.tracker().clone() };
    let mut certificates = Vec::new();
    for (listener, mode, is_api) in plain {
        let config = match &mode {
            TlsMode::Off => None,
            TlsMode::Own => Some(controller.own_certificate.config()?),
            TlsMode::Files { cert, key } => Some(config_from_files(cert, key)?),
        };
        let config: Option<SharedTls> = config.map(|config| Arc::new(RwLock::new(config)));
        if let Some(config) = &config {
            certificates.push((Arc::clone(config), mode));
        }
        let router = if is_api {
            http::api_router(Arc::clone(&controller), registry.as_ref())
        } else {
            http::media_router(Arc::clone(&controller))
        };
        serving.tcp(listener, config, router);
    }
    if let Some(socket) = &controller.settings.socket {
        serving.unix(
            socket,
            http::socket_peer,
            http::api_router(Arc::clone(&controller), registry.as_ref()),
        )?;
    }
    if let Some(registry) = &registry {
        let (registry, until) = (registry.clone(), controller.shutdown.clone());
        controller.tasks.spawn(async move { registry.maintain(until).await });
    }
    spawn_loops(&controller);
    Ok(Running { controller, certificates, registry, addresses })
}

/// Starts a controller that listens nowhere, in a world that was handed in: who calls it uses
/// [`Running::api_router`] and [`Running::media_router`]. Blocks for as long as that world does.
pub fn start_in(settings: Settings, outside: outside::Outside) -> Result<Running, StartupError> {
    let controller = startup::open_in(settings, outside)?;
    spawn_loops(&controller);
    Ok(Running { controller, certificates: Vec::new(), registry: None, addresses: Addresses::default() })
}

/// Addresses that nobody set are those that are listened on.
fn fill_urls(settings: &mut Settings, addresses: &Addresses) {
    if settings.callback_url.is_none() {
        settings.callback_url = match (addresses.api_tls, addresses.api, &settings.api.tls) {
            (Some(addr), ..) => Some(format!("https://{addr}")),
            (None, Some(addr), TlsMode::Off) => Some(format!("http://{addr}")),
            (None, Some(addr), _) => Some(format!("https://{addr}")),
            (None, None, _) => None,
        };
    }
    if settings.media_urls.is_empty() {
        let plain = addresses.media.map(|addr| format!("http://{addr}"));
        let tls = addresses.media_tls.map(|addr| format!("https://{addr}"));
        settings.media_urls = plain.into_iter().chain(tls).collect();
    }
}

fn spawn_loops(controller: &Arc<Controller>) {
    let tasks = controller.tasks.clone();
    let begin = Arc::clone(controller);
    tasks.spawn(async move {
        startup::judge_ledger(&begin).await;
        if begin.shutdown.is_cancelled() {
            return;
        }
        let tasks = begin.tasks.clone();
        tasks.spawn(source::run(Arc::clone(&begin)));
        tasks.spawn(publish::run(Arc::clone(&begin)));
        // Jobs need the inventory's Secrets to reach their BMCs.
        while !begin.world().loaded {
            tokio::select! {
                biased;
                () = begin.shutdown.cancelled() => return,
                () = begin.wake.notified() => {}
                () = tokio::time::sleep(Duration::from_secs(1)) => {}
            }
        }
        let jobs = Arc::clone(&begin);
        tasks.spawn(async move {
            startup::claim(&jobs).await;
            jobs.resume_jobs();
        });
        tasks.spawn(left_alone::run(Arc::clone(&begin)));
        tasks.spawn(reconcile::run(Arc::clone(&begin)));
        tasks.spawn(bmc::sweep::run(Arc::clone(&begin)));
        if let Some(client) = begin.http.clone() {
            tasks.spawn(notify::run(Arc::clone(&begin), client));
        }
        tasks.spawn(janitor::run(Arc::clone(&begin)));
    });
}

impl Running {
    /// The API, as its listeners serve it.
    pub fn api_router(&self) -> axum::Router {
        http::api_router(Arc::clone(&self.controller), self.registry.as_ref())
    }

    /// Media, as their listeners serve them.
    pub fn media_router(&self) -> axum::Router {
        http::media_router(Arc::clone(&self.controller))
    }

    /// Cancelled from outside to stop, and by itself when it cannot go on.
    pub fn stopping(&self) -> CancellationToken {
        self.controller.shutdown.clone()
    }

    /// Reads certificates and the registry's accounts and policy again, as on SIGHUP. What cannot be read leaves the old ones in place.
    pub fn reload(&self) {
        for (shared, mode) in &self.certificates {
            if let TlsMode::Files { cert, key } = mode {
                match config_from_files(cert, key) {
                    Ok(config) => *shared.write().unwrap_or_else(PoisonError::into_inner) = config,
                    Err(error) => {
                        tracing::error!(error = %jobs::perform::chain(&error), "the old certificate stays");
                    }
                }
            }
        }
        if let (Some(registry), Some(settings)) = (&self.registry, &self.controller.settings.registry) {
            registry::reload(registry, settings);
        }
        self.controller.fetch.notify_one();
    }

    /// Stops: no new work, effects under way finish, status is published once more.
    pub async fn stop(self) {
        self.controller.shutdown.cancel();
        self.controller.tasks.tracker().close();
        if tokio::time::timeout(STOP_PATIENCE, self.controller.tasks.tracker().wait()).await.is_err() {
            tracing::warn!("something did not finish in time; it is looked at again at the next start");
        }
        if let Some(registry) = &self.registry {
            registry.settled().await;
        }
        let last = tokio::time::timeout(Duration::from_secs(20), self.controller.publish_now()).await;
        if let Ok(Err(why)) = last {
            tracing::warn!(why, "the last status was not published; the next start does");
        }
    }
}
