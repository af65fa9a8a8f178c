// SPDX-License-Identifier: AGPL-3.0-or-later
//! What a caller hands in: everything that is shared, random or counted.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use tokio::sync::Semaphore;

use super::lane::Lane;
use crate::contract::observe::CallObserver;

/// See the module.
#[derive(Clone)]
pub struct Wiring {
    /// Jitter for pauses: numbers in `0.0..1.0`.
    pub jitter: Arc<dyn Fn() -> f64 + Send + Sync>,
    /// Counter for correlation ids, shared by all clients of a process.
    pub correlation: Arc<AtomicU64>,
    /// Hears of every exchange.
    pub observer: Arc<dyn CallObserver>,
    /// What all clients of this BMC share.
    pub lane: Arc<Lane>,
    /// Exchanges at once, all BMCs together.
    pub limit: Arc<Semaphore>,
}
