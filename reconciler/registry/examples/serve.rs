// SPDX-License-Identifier: AGPL-3.0-or-later
//! Serves a registry from a directory on a port of this machine, for conformance suites.
//!
//! Usage: `serve DIRECTORY PORT [POLICY-AS-JSON]`

use std::error::Error;
use std::path::Path;
use std::sync::Arc;

use shoal_http::listen::{Serving, listen};
use shoal_registry::access::RegistryAuth;
use shoal_registry::maintain::NoRoots;
use shoal_registry::metrics::RegistryMetrics;
use shoal_registry::policy::Policy;
use shoal_registry::{Patience, Registry, RegistryConfig};
use shoal_registry_storage::{Clock, Options, Storage};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The time of this machine.
#[derive(Debug)]
struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> jiff::Timestamp {
        jiff::Timestamp::now()
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let directory = args.next().ok_or("usage: serve DIRECTORY PORT [POLICY]")?;
    let port: u16 = args.next().ok_or("usage: serve DIRECTORY PORT [POLICY]")?.parse()?;
    let policy = match args.next() {
        Some(text) => serde_json::from_str(&text)?,
        None => serde_json::json!({"minFree": "0%"}),
    };
    let options = Options::new(Arc::new(SystemClock));
    let config = RegistryConfig {
        policy: Policy::from_value(policy)?,
        auth: RegistryAuth::None,
        tokens: None,
        clock: Arc::clone(&options.clock),
        roots: Arc::new(NoRoots),
        metrics: RegistryMetrics::register(&prometheus::Registry::new())?,
        patience: Patience::default(),
    };
    let registry = Registry::new(Storage::open(Path::new(&directory), options)?, config);
    let serving = Serving { shutdown: CancellationToken::new(), tasks: TaskTracker::new() };
    let (listener, _) = listen(([127, 0, 0, 1], port).into()).await?;
    serving.tcp(listener, None, registry.router());
    registry.maintain(serving.shutdown.clone()).await;
    Ok(())
}
