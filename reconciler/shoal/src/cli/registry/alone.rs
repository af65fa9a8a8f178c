// SPDX-License-Identifier: AGPL-3.0-or-later
//! A registry without a controller: served, or opened for one command.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

use axum::Router;
use axum::routing::get;
use http::{StatusCode, header};
use prometheus::{Encoder as _, TextEncoder};
use shoal_controller::settings::{RegistryRules, TlsMode};
use shoal_http::listen::{ListenError, Serving, SharedTls, listen};
use shoal_oci::Digest;
use shoal_registry::{Patience, Registry, RegistryAuth, RegistryConfig, RegistryMetrics, RootsSource};
use shoal_registry_storage::{Clock, Options, Storage, StorageError};
use shoal_tls::{OwnCertificate, TlsError, config_from_files};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::error::CliError;
use crate::settings::{StandAlone, registry_rules};

/// A registry that is served.
pub(super) struct Alone {
    /// Where it listens.
    pub(super) address: SocketAddr,
    /// The public key's pin, where there is TLS.
    pub(super) pin: Option<String>,
    registry: Registry,
    rules: Rules,
    tls: Option<(SharedTls, TlsMode)>,
    shutdown: CancellationToken,
    tasks: TaskTracker,
}

type Rules = Arc<dyn Fn() -> Result<RegistryRules, String> + Send + Sync>;

/// A registry that did not start.
#[derive(Debug, thiserror::Error)]
pub(super) enum AloneError {
    /// It cannot listen.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// Its directory cannot be opened.
    #[error("cannot open the registry's directory")]
    Storage(#[from] StorageError),
    /// Its certificate cannot be used.
    #[error("cannot set TLS up")]
    Tls(#[from] TlsError),
    /// Accounts or policy cannot be read.
    #[error("{0}")]
    Rules(String),
    /// A metric is there twice.
    #[error("cannot count")]
    Metrics(#[from] prometheus::Error),
    /// Opening did not end.
    #[error("opening the directory did not end")]
    Stopped,
}

/// A directory that is open in this process, for one command.
pub(crate) struct Opened {
    /// The administration's API.
    pub(crate) admin: Router,
}

#[derive(Debug)]
struct HostClock(fn() -> jiff::Timestamp);

impl Clock for HostClock {
    fn now(&self) -> jiff::Timestamp {
        (self.0)()
    }
}

/// Digests that are known once and for all.
struct Fixed(BTreeSet<Digest>);

impl RootsSource for Fixed {
    fn roots(&self) -> Option<BTreeSet<Digest>> {
        Some(self.0.clone())
    }
}

impl Alone {
    /// Opens the directory, listens, and looks after it from here on.
    pub(super) async fn start(
        settings: StandAlone,
        clock: fn() -> jiff::Timestamp,
    ) -> Result<Self, AloneError> {
        let StandAlone { listener, registry: wanted } = settings;
        let rules = (wanted.rules)().map_err(AloneError::Rules)?;
        let dir = wanted.storage.clone();
        let storage = tokio::task::spawn_blocking(move || Storage::open(&dir, options(clock)))
            .await
            .map_err(|_| AloneError::Stopped)??;
        let (tls, pin) = certificate(&listener.tls, &wanted.storage)?;
        let counts = prometheus::Registry::new();
        let registry = Registry::new(storage, config(rules, BTreeSet::new(), &counts, clock)?);
        let (socket, address) = listen(listener.addr).await?;
        let (shutdown, tasks) = (CancellationToken::new(), TaskTracker::new());
        let serving = Serving { shutdown: shutdown.clone(), tasks: tasks.clone() };
        let router = registry.router().merge(registry.guarded_admin_router()).merge(about(counts));
        serving.tcp(socket, tls.clone(), router);
        let upkeep = registry.clone();
        let until = shutdown.clone();
        tasks.spawn(async move { upkeep.maintain(until).await });
        let tls = tls.map(|tls| (tls, listener.tls));
        Ok(Self { address, pin, registry, rules: wanted.rules, tls, shutdown, tasks })
    }

    /// Reads accounts, policy and certificates again. What cannot be read leaves the old in place.
    pub(super) fn reload(&self) {
        match (self.rules)() {
            Ok(RegistryRules { users, policy }) => self.registry.replace(auth(users), policy),
            Err(error) => tracing::error!(error, "the old accounts and policy stay"),
        }
        if let Some((shared, TlsMode::Files { cert, key })) = &self.tls {
            match config_from_files(cert.as_path(), key.as_path()) {
                Ok(config) => *shared.write().unwrap_or_else(PoisonError::into_inner) = config,
                Err(error) => tracing::error!(%error, "the old certificate stays"),
            }
        }
    }

    /// Takes no more requests, and waits for what is under way.
    pub(super) async fn stop(self) {
        self.shutdown.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        self.registry.settled().await;
    }
}

/// Opens a directory for one command.
pub(crate) fn open(
    dir: &Path,
    policy: Option<&Path>,
    roots: BTreeSet<Digest>,
    clock: fn() -> jiff::Timestamp,
) -> Result<Opened, CliError> {
    let rules = registry_rules(None, policy)?;
    let storage = Storage::open(dir, options(clock)).map_err(|error| {
        CliError::user("image.storage", format!("cannot open {}", dir.display())).because(error)
    })?;
    let config = config(rules, roots, &prometheus::Registry::new(), clock)
        .map_err(|error| CliError::internal("image.metrics", "cannot count").because(error))?;
    Ok(Opened { admin: Registry::new(storage, config).admin_router() })
}

fn options(clock: fn() -> jiff::Timestamp) -> Options {
    Options::new(Arc::new(HostClock(clock)))
}

fn config(
    rules: RegistryRules,
    roots: BTreeSet<Digest>,
    counts: &prometheus::Registry,
    clock: fn() -> jiff::Timestamp,
) -> Result<RegistryConfig, prometheus::Error> {
    Ok(RegistryConfig {
        policy: rules.policy,
        auth: auth(rules.users),
        tokens: None,
        roots: Arc::new(Fixed(roots)),
        clock: Arc::new(HostClock(clock)),
        metrics: RegistryMetrics::register(counts)?,
        patience: Patience::default(),
    })
}

fn auth(users: Option<shoal_registry::Users>) -> RegistryAuth {
    users.map_or(RegistryAuth::None, RegistryAuth::Basic)
}

/// The certificate, and its pin.
fn certificate(mode: &TlsMode, dir: &Path) -> Result<(Option<SharedTls>, Option<String>), AloneError> {
    let shared = |config| Some(Arc::new(RwLock::new(config)));
    Ok(match mode {
        TlsMode::Off => (None, None),
        TlsMode::Own => {
            let own = OwnCertificate::kept_as(&dir.join("keys"), "registry")?;
            (shared(own.config()?), Some(own.pin().to_string()))
        }
        TlsMode::Files { cert, key } => {
            (shared(config_from_files(cert, key)?), Some(shoal_tls::pin_of_file(cert)?.to_string()))
        }
    })
}

/// Health and numbers.
fn about(counts: prometheus::Registry) -> Router {
    Router::new().route("/healthz", get(|| async { "ok\n" })).route(
        "/metrics",
        get(move || {
            let counts = counts.clone();
            async move {
                let mut out = Vec::new();
                match TextEncoder::new().encode(&counts.gather(), &mut out) {
                    Ok(()) => (StatusCode::OK, [(header::CONTENT_TYPE, "text/plain; version=0.0.4")], out),
                    Err(_) => (
                        StatusCode::INTERNAL_SERVER_ERROR,
                        [(header::CONTENT_TYPE, "text/plain")],
                        Vec::new(),
                    ),
                }
            }
        }),
    )
}
