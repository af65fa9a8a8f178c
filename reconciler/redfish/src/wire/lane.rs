// SPDX-License-Identifier: AGPL-3.0-or-later
//! What all clients of one BMC share: one request at a time, and one circuit breaker.

use tokio::sync::Mutex;

use super::breaker::CircuitBreaker;

/// The way to one BMC. A caller that may hold two clients for a BMC (a sweep and a job) hands
/// the same lane to both.
#[derive(Debug, Default)]
pub struct Lane {
    /// Held during one HTTP exchange. BMCs answer wrongly, or not at all, when asked in parallel.
    pub(crate) gate: Mutex<()>,
    pub(crate) breaker: CircuitBreaker,
}

impl Lane {
    /// A lane with a breaker of its own settings.
    pub fn new(breaker: CircuitBreaker) -> Self {
        Self { gate: Mutex::default(), breaker }
    }
}
