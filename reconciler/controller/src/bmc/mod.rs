// SPDX-License-Identifier: AGPL-3.0-or-later
//! BMCs: one lane each, one counter of calls for all, connections that are made when needed.

mod accounts;
pub(crate) mod deeds;
mod observer;
pub(crate) mod schedule;
mod seen;
pub(crate) mod sweep;

use std::collections::HashMap;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use shoal_core::desired::{BmcTarget, Desired};
use shoal_redfish::{
    Bmc, BmcEndpoint, Budgets, Correlation, Fingerprint, IdentityHint, Lane, RetryPolicy, Timeouts, TlsTrust,
    Wiring,
};
use shoal_schema::wire::task::Identity;
use shoal_store::{Batch, Table};
use tokio::sync::Semaphore;
use tokio::time::Instant;
use url::Url;

use crate::controller::Controller;
use crate::jobs::perform::chain;
use crate::metrics::Metrics;
use crate::outside::{BmcDoor, Random};
use crate::rows;
use crate::secrets::CredentialsError;
use crate::settings::Settings;

/// What was discovered is read anew after so long: licences, firmware and settings change.
const KNOWN_FOR: Duration = Duration::from_secs(6 * 3600);
/// The same where something would stop an install: somebody may just be mending it.
const STOPPED_AGAIN: Duration = Duration::from_secs(10 * 60);

/// What all BMC clients of the controller share.
pub struct Bmcs {
    accounts: accounts::Accounts,
    lanes: Mutex<HashMap<String, Arc<Lane>>>,
    door: Arc<dyn BmcDoor>,
    random: Arc<dyn Random>,
    /// When a look reads everything anew, by server.
    stale_at: Mutex<HashMap<String, Instant>>,
    /// Certificates that were trusted on first use, by server; kept in the table of that name.
    pins: Mutex<HashMap<String, String>>,
    wiring: SharedWiring,
    timeouts: Timeouts,
    retry: RetryPolicy,
    budgets: Budgets,
    time_divisor: u32,
}

struct SharedWiring {
    correlation: Arc<AtomicU64>,
    limit: Arc<Semaphore>,
    observer: Arc<observer::MetricsObserver>,
}

/// Why there is no connection to a BMC.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The account cannot be had.
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
    /// What Git says about the BMC cannot be used.
    #[error("{what} of the BMC at {address} cannot be used")]
    Target {
        /// What.
        what: &'static str,
        /// Which BMC.
        address: String,
    },
    /// The BMC failed.
    #[error(transparent)]
    Redfish(#[from] shoal_redfish::Error),
}

impl ConnectError {
    /// The error with its causes on one line, and the call by which the log tells more.
    pub(crate) fn told(&self) -> String {
        let text = chain(self);
        match self {
            Self::Redfish(error) => with_call(text, error),
            Self::Credentials(_) | Self::Target { .. } => text,
        }
    }

    /// A stable word.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::Credentials(_) => "credentials",
            Self::Target { .. } => "bmc_target",
            Self::Redfish(error) => error.kind().label(),
        }
    }
}

/// With the number of the last call, which log lines carry as `correlation_id`.
pub(crate) fn with_call(text: String, error: &shoal_redfish::Error) -> String {
    match error.call() {
        Some(call) => format!("{text} [call {call}]"),
        None => text,
    }
}

impl Bmcs {
    /// `incarnation` tells the correlation ids of this process from those of the ones before.
    pub(crate) fn new(
        settings: &Settings,
        metrics: Metrics,
        door: Arc<dyn BmcDoor>,
        random: Arc<dyn Random>,
        pins: HashMap<String, String>,
        incarnation: u64,
    ) -> Self {
        let by = u32::try_from(settings.time_divisor.max(1)).unwrap_or(u32::MAX);
        let budgets = Budgets::default();
        let retry = RetryPolicy::default();
        Self {
            accounts: accounts::Accounts::default(),
            lanes: Mutex::default(),
            door,
            random,
            stale_at: Mutex::default(),
            pins: Mutex::new(pins),
            wiring: SharedWiring {
                correlation: Arc::new(AtomicU64::new(Correlation::first_of(incarnation))),
                limit: Arc::new(Semaphore::new(settings.bmc_concurrency.max(1))),
                observer: Arc::new(observer::MetricsObserver::new(metrics)),
            },
            timeouts: Timeouts { request: settings.redfish_timeout, ..Timeouts::default() },
            retry: RetryPolicy {
                tries: settings.redfish_retries.max(1),
                first_pause: retry.first_pause / by,
                longest_pause: retry.longest_pause / by,
                ..retry
            },
            budgets: Budgets {
                insert: budgets.insert / by,
                eject: budgets.eject / by,
                boot: budgets.boot / by,
                force_off: budgets.force_off / by,
                power_on: budgets.power_on / by,
                poll: budgets.poll / by,
                rewrite: budgets.rewrite / by,
                ..budgets
            },
            time_divisor: by,
        }
    }

    fn wiring(&self, address: &str) -> Wiring {
        let mut lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        let lane = Arc::clone(lanes.entry(address.to_owned()).or_default());
        let random = Arc::clone(&self.random);
        Wiring {
            jitter: Arc::new(move || jitter(&*random)),
            correlation: Arc::clone(&self.wiring.correlation),
            observer: Arc::clone(&self.wiring.observer) as Arc<dyn shoal_redfish::CallObserver>,
            lane,
            limit: Arc::clone(&self.wiring.limit),
        }
    }

    fn endpoint(
        &self,
        controller: &Controller,
        server: &str,
        target: &BmcTarget,
        identity: &Identity,
    ) -> Result<BmcEndpoint, ConnectError> {
        let wrong = |what| ConnectError::Target { what, address: target.address.clone() };
        let url = Url::parse(&target.address).map_err(|_| wrong("the address"))?;
        let known = self.pins.lock().unwrap_or_else(PoisonError::into_inner).get(server).cloned();
        let tls = match &target.tls {
            None => TlsTrust::SystemRoots,
            Some(tls) if tls.insecure => TlsTrust::Insecure,
            Some(tls) if tls.trust_on_first_use => TlsTrust::FirstUse {
                known: known
                    .map(|text| text.parse::<Fingerprint>())
                    .transpose()
                    .map_err(|_| wrong("the kept pin"))?,
            },
            Some(tls) => match (&tls.sha256, &tls.ca) {
                (Some(pin), _) => TlsTrust::Pinned(pin.parse().map_err(|_| wrong("the fingerprint"))?),
                (None, Some(ca)) => TlsTrust::CaPem(ca.clone()),
                (None, None) => TlsTrust::SystemRoots,
            },
        };
        let credentials = self.accounts.of(controller, target)?;
        let mut endpoint = BmcEndpoint::new(url, tls, credentials);
        endpoint.timeouts = self.timeouts;
        endpoint.retry = self.retry;
        endpoint.budgets = self.budgets;
        endpoint.system.clone_from(&target.system);
        // Who the machine is decides the job itself, with words of its own; here it only helps to
        // choose among several systems.
        endpoint.identity = IdentityHint { serial: identity.serial.clone(), uuid: identity.uuid.clone() };
        Ok(endpoint)
    }

    /// Logs in and reads everything anew.
    pub async fn discover(
        &self,
        controller: &Controller,
        server: &str,
        target: &BmcTarget,
        identity: &Identity,
    ) -> Result<Box<dyn Bmc>, ConnectError> {
        let endpoint = self.endpoint(controller, server, target, identity)?;
        let bmc = self.door.discover(server, &endpoint, self.wiring(&target.address)).await?;
        self.met(controller, server, &endpoint, &*bmc).await;
        Ok(bmc)
    }

    /// For a look: takes up what is known, and reads everything anew from time to time, sooner where
    /// something would stop an install: it may have been mended. What was learnt of refusals stays.
    pub(crate) async fn look_again(
        &self,
        controller: &Controller,
        desired: &Desired,
    ) -> Result<Box<dyn Bmc>, ConnectError> {
        let (name, target, identity) = (&desired.name, &desired.bmc, &desired.identity);
        let stale = {
            let stale_at = self.stale_at.lock().unwrap_or_else(PoisonError::into_inner);
            stale_at.get(name).is_some_and(|at| *at <= Instant::now())
        };
        if !stale {
            return self.connect(controller, name, target, identity).await;
        }
        let endpoint = self.endpoint(controller, name, target, identity)?;
        let bmc = self.door.refresh(name, &endpoint, self.wiring(&target.address)).await?;
        self.met(controller, name, &endpoint, &*bmc).await;
        Ok(bmc)
    }

    /// A time as the demonstration has it, which runs faster.
    pub(crate) fn scaled(&self, time: Duration) -> Duration {
        time / self.time_divisor
    }

    /// Everything was read anew: how long that holds, and whom to believe from here on.
    async fn met(&self, controller: &Controller, server: &str, endpoint: &BmcEndpoint, bmc: &dyn Bmc) {
        let stopped = !bmc.discovered().obstacles().is_empty();
        let pause = if stopped { STOPPED_AGAIN } else { KNOWN_FOR };
        let at = Instant::now() + self.scaled(pause).mul_f64(0.8 + 0.4 * jitter(&*self.random));
        self.stale_at.lock().unwrap_or_else(PoisonError::into_inner).insert(server.to_owned(), at);
        if let TlsTrust::FirstUse { known: None } = &endpoint.tls
            && let Some(fingerprint) = bmc.certificate()
        {
            self.keep_pin(controller, server, fingerprint.to_string()).await;
        }
    }

    /// From here on only this certificate is believed, after a restart too.
    async fn keep_pin(&self, controller: &Controller, server: &str, fingerprint: String) {
        let mut batch = Batch::new();
        rows::put(&mut batch, Table::BmcPins, server, &fingerprint);
        match controller.commit(&format!("the certificate of {server}"), batch).await {
            Ok(()) => {
                tracing::info!(server, fingerprint, "certificate trusted on first use");
                self.pins
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .insert(server.to_owned(), fingerprint);
            }
            Err(error) => {
                let error = chain(&error);
                tracing::error!(server, error, "a certificate trusted on first use was not kept");
            }
        }
    }

    /// Takes up what is known of the BMC, or reads everything where nothing is.
    pub async fn connect(
        &self,
        controller: &Controller,
        server: &str,
        target: &BmcTarget,
        identity: &Identity,
    ) -> Result<Box<dyn Bmc>, ConnectError> {
        let endpoint = self.endpoint(controller, server, target, identity)?;
        match self.door.resume(server, &endpoint, self.wiring(&target.address))? {
            None => self.discover(controller, server, target, identity).await,
            Some(bmc) => Ok(bmc),
        }
    }

    /// The next look reads everything anew.
    pub(crate) fn doubt(&self, server: &str) {
        let mut stale_at = self.stale_at.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = stale_at.get_mut(server) {
            *at = Instant::now();
        }
    }

    /// The next connection reads everything anew.
    pub fn forget(&self, server: &str) {
        self.door.forget(server);
        self.stale_at.lock().unwrap_or_else(PoisonError::into_inner).remove(server);
    }
}

/// Ends a session; one that cannot be ended runs out by itself.
pub(crate) async fn end(bmc: &dyn Bmc) {
    if let Err(error) = bmc.close().await {
        tracing::debug!(error = %chain(&error), "session not closed");
    }
}

/// A number in `0.0..1.0`.
pub(crate) fn jitter(random: &dyn Random) -> f64 {
    let mut bytes = [0_u8; 4];
    // Without randomness every pause has its middle length.
    if random.fill(&mut bytes).is_err() {
        return 0.5;
    }
    f64::from(u32::from_be_bytes(bytes)) / (f64::from(u32::MAX) + 1.0)
}
