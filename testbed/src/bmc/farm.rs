// SPDX-License-Identifier: AGPL-3.0-or-later
//! Many BMCs in one process.
//!
//! Each BMC has a port of its own; connections are served by hyper over plain TCP or TLS. [`Farm::shutdown`] ends
//! every listener, connection, timer and insertion, and waits for them; dropping a farm ends them without waiting.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls_pki_types::CertificateDer;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::clock::Clock;
use super::config::{BmcConfig, Identity};
use super::control;
use super::instance::{Bmc, Shared};
use super::log::{LogFile, LogFileError, Record};
use super::profiles::Profile;
use super::state::{Counters, Snapshot, State};
use super::witness::Witness;
use crate::faults::{FaultError, FaultPlan, Injector};
use crate::tls::{self, ServerIdentity, TlsError};

/// How long a client may take for its request's head, and for a TLS handshake.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);

/// What a farm is to be.
pub struct FarmConfig {
    /// Address of the first BMC. With port 0 the kernel chooses a port for each; else each BMC has the next port.
    pub listen: SocketAddr,
    /// HTTPS with a certificate of its own for each BMC, instead of HTTP.
    pub tls: bool,
    /// The BMCs.
    pub bmcs: Vec<BmcConfig>,
    /// Faults from the start.
    pub faults: FaultPlan,
    /// Seed of tokens and faults.
    pub seed: u64,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Multiplier for the times of the profiles: 1 is as slow as the real ones, 0 is at once.
    pub time_scale: f64,
    /// Address of the control endpoint, if there is to be one. It has no authentication: loopback only.
    pub control: Option<SocketAddr>,
    /// A JSON Lines file that every log record is appended to.
    pub log_file: Option<PathBuf>,
}

/// Why a farm could not start.
#[derive(Debug, thiserror::Error)]
pub enum FarmError {
    /// An address could not be bound.
    #[error("listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// There are not enough ports after the first.
    #[error("no {count} ports from {first} on")]
    Ports {
        /// First port.
        first: u16,
        /// How many BMCs.
        count: usize,
    },
    /// The time scale is not a length of time.
    #[error("time scale {0} is negative or not a number")]
    TimeScale(f64),
    /// A fault rule makes no sense.
    #[error("read the fault plan")]
    Faults(#[source] FaultError),
    /// No certificate.
    #[error("make a TLS identity for BMC {index}")]
    Tls {
        /// Index of the BMC.
        index: usize,
        /// What went wrong.
        #[source]
        source: TlsError,
    },
    /// The client for images could not be made.
    #[error("make the client that fetches images")]
    Client(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The log file.
    #[error("open the request log")]
    Log(#[source] LogFileError),
}

/// A running farm.
pub struct Farm {
    bmcs: Vec<BmcHandle>,
    control: Option<SocketAddr>,
    cancel: CancellationToken,
    tasks: TaskTracker,
}

/// One BMC of a running farm.
#[derive(Clone)]
pub struct BmcHandle {
    bmc: Arc<Bmc>,
    address: SocketAddr,
    tls: Option<(String, CertificateDer<'static>)>,
}

impl Farm {
    /// Binds every address and starts to serve. When it returns, requests are answered.
    pub async fn start(config: FarmConfig) -> Result<Self, FarmError> {
        let FarmConfig { listen, tls, bmcs, faults, seed, clock, time_scale, control, log_file } = config;
        faults.validate().map_err(FarmError::Faults)?;
        if !time_scale.is_finite() || time_scale < 0.0 {
            return Err(FarmError::TimeScale(time_scale));
        }
        let listeners = bind_all(listen, bmcs.len()).await?;
        let control = match control {
            Some(address) => Some(bind(address).await?),
            None => None,
        };
        let cancel = CancellationToken::new();
        let tasks = TaskTracker::new();
        let shared = Arc::new(Shared {
            clock,
            time_scale,
            seed,
            client: image_client()?,
            log_file: log_file.map(|path| LogFile::open(&path)).transpose().map_err(FarmError::Log)?,
            cancel: cancel.clone(),
            tasks: tasks.clone(),
            witness: OnceLock::new(),
        });

        let faults = Arc::new(faults);
        let mut handles = Vec::with_capacity(bmcs.len());
        let mut serving = Vec::with_capacity(bmcs.len());
        for (index, (config, (listener, address))) in bmcs.into_iter().zip(listeners).enumerate() {
            let identity = tls.then(|| identity(&config.identity, address)).transpose();
            let identity = identity.map_err(|source| FarmError::Tls { index, source })?;
            let own = FaultPlan::parse(config.profile.faults).map_err(FarmError::Faults)?;
            let plan = if own.rules.is_empty() {
                faults.clone()
            } else {
                Arc::new(FaultPlan { rules: own.rules.into_iter().chain(faults.rules.clone()).collect() })
            };
            let injector = Injector::new(plan, seed.wrapping_add(index as u64));
            let state = State::new(config.profile, config.powered_on, config.log_capacity, injector);
            let bmc = Arc::new(Bmc::new(index, config, shared.clone(), state));
            let scheme = if tls { "https" } else { "http" };
            bmc.url.get_or_init(|| format!("{scheme}://{address}"));
            let acceptor = identity.as_ref().map(|identity| TlsAcceptor::from(identity.config.clone()));
            let tls =
                identity.map(|ServerIdentity { fingerprint, certificate, .. }| (fingerprint, certificate));
            serving.push((bmc.clone(), listener, acceptor));
            handles.push(BmcHandle { bmc, address, tls });
        }
        for (bmc, listener, acceptor) in serving {
            tasks.spawn(listen_for(bmc, listener, acceptor));
        }
        let control = control.map(|(listener, address)| {
            tasks.spawn(control::serve(listener, handles.clone(), cancel.clone()));
            address
        });
        Ok(Self { bmcs: handles, control, cancel, tasks })
    }

    /// The BMCs, in the order of the configuration.
    pub fn bmcs(&self) -> &[BmcHandle] {
        &self.bmcs
    }

    /// Where the control endpoint listens.
    pub fn control(&self) -> Option<SocketAddr> {
        self.control
    }

    /// Somebody is shown every request that changes something from now on: the first who comes.
    pub fn show_to(&self, witness: Arc<dyn Witness>) {
        if let Some(shown) = self.bmcs.first().map(|handle| &handle.bmc.shared.witness) {
            let _ = shown.set(witness);
        }
    }

    /// Ends everything and waits for it.
    pub async fn shutdown(self) {
        self.cancel.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

impl Drop for Farm {
    fn drop(&mut self) {
        self.cancel.cancel();
    }
}

impl BmcHandle {
    /// Index in the farm.
    pub fn index(&self) -> usize {
        self.bmc.index
    }

    /// Base URL, without a slash at the end.
    pub fn url(&self) -> String {
        self.bmc.url.get().cloned().unwrap_or_default()
    }

    /// Address that it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// SHA-256 of the certificate, lower-case hex; `None` without TLS.
    pub fn fingerprint(&self) -> Option<&str> {
        self.tls.as_ref().map(|(fingerprint, _)| fingerprint.as_str())
    }

    /// The certificate, DER; `None` without TLS.
    pub fn certificate(&self) -> Option<&CertificateDer<'static>> {
        self.tls.as_ref().map(|(_, certificate)| certificate)
    }

    /// The model.
    pub fn profile(&self) -> &'static Profile {
        self.bmc.config.profile
    }

    /// The machine behind it.
    pub fn identity(&self) -> &Identity {
        &self.bmc.config.identity
    }

    /// What is really the case.
    pub fn state(&self) -> Snapshot {
        self.bmc.snapshot()
    }

    /// What was counted since the start.
    pub fn counters(&self) -> Counters {
        self.bmc.lock().state.counters
    }

    /// Log records with a higher number than `after`.
    pub fn log(&self, after: u64) -> Vec<Record> {
        self.bmc.log_since(after)
    }

    /// The fault plan in force.
    pub fn faults(&self) -> FaultPlan {
        self.bmc.lock().state.injector.plan().clone()
    }

    /// Another fault plan from now on, with fresh counters; what the model itself brings is gone too.
    pub fn set_faults(&self, plan: FaultPlan) -> Result<(), FaultError> {
        plan.validate()?;
        self.bmc.lock().state.injector.replace(Arc::new(plan));
        Ok(())
    }
}

async fn bind_all(first: SocketAddr, count: usize) -> Result<Vec<(TcpListener, SocketAddr)>, FarmError> {
    let mut bound = Vec::with_capacity(count);
    for index in 0..count {
        let mut address = first;
        if first.port() != 0 {
            let port = u16::try_from(index).ok().and_then(|offset| first.port().checked_add(offset));
            address.set_port(port.ok_or(FarmError::Ports { first: first.port(), count })?);
        }
        bound.push(bind(address).await?);
    }
    Ok(bound)
}

async fn bind(address: SocketAddr) -> Result<(TcpListener, SocketAddr), FarmError> {
    let failed = |source| FarmError::Listen { address, source };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    Ok((listener, address))
}

fn identity(machine: &Identity, address: SocketAddr) -> Result<ServerIdentity, TlsError> {
    let name = format!("bmc-{}", machine.serial.to_lowercase());
    let names = vec![name.clone(), "localhost".to_owned(), address.ip().to_string()];
    tls::self_signed(&name, names)
}

fn image_client() -> Result<reqwest::Client, FarmError> {
    let tls = tls::unverified_client_config().map_err(|error| FarmError::Client(error.into()))?;
    // Never a proxy: BMCs have none, and a proxy's refusal would look like the image server's.
    let client = reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .no_proxy()
        .connect_timeout(Duration::from_secs(5))
        .read_timeout(Duration::from_secs(20));
    client.build().map_err(|error| FarmError::Client(error.into()))
}

async fn listen_for(bmc: Arc<Bmc>, listener: TcpListener, acceptor: Option<TlsAcceptor>) {
    let cancel = bmc.shared.cancel.clone();
    loop {
        let accepted = tokio::select! {
            () = cancel.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                let connection = connection(bmc.clone(), stream, acceptor.clone());
                bmc.spawn(connection);
            }
            Err(error) => {
                // Out of files, most likely: wait for some to be closed instead of spinning.
                tracing::warn!(bmc = bmc.index, %error, "connection not accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

async fn connection(bmc: Arc<Bmc>, stream: TcpStream, acceptor: Option<TlsAcceptor>) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(bmc = bmc.index, %error, "no delay not set");
    }
    match acceptor {
        None => http(bmc, stream, "http").await,
        Some(acceptor) => match tokio::time::timeout(HEAD_TIMEOUT, acceptor.accept(stream)).await {
            Ok(Ok(stream)) => http(bmc, stream, "https").await,
            Ok(Err(error)) => tracing::debug!(bmc = bmc.index, %error, "TLS handshake failed"),
            Err(_) => tracing::debug!(bmc = bmc.index, "TLS handshake timed out"),
        },
    }
}

async fn http(bmc: Arc<Bmc>, stream: impl AsyncRead + AsyncWrite + Unpin, scheme: &'static str) {
    let index = bmc.index;
    let doomed = Arc::new(AtomicBool::new(false));
    let service = service_fn(move |request| bmc.clone().serve(request, scheme, doomed.clone()));
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(error) = served {
        tracing::trace!(bmc = index, %error, "connection ended");
    }
}
