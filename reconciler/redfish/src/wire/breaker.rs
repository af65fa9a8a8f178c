// SPDX-License-Identifier: AGPL-3.0-or-later
//! Circuit breaker of one BMC: after several failures to reach it in a row, further requests
//! fail at once until a pause is over, so that a dead BMC is not hammered and does not hold
//! up its neighbours.
//!
//! Only failures to get an answer count. Any HTTP answer, also a refusal, closes it again.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// See the module.
#[derive(Debug)]
pub struct CircuitBreaker {
    threshold: u32,
    first_pause: Duration,
    longest_pause: Duration,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Failures since the last answer.
    failures: u32,
    /// Nothing is let through before.
    closed_until: Option<Instant>,
    /// How it failed last.
    last: &'static str,
}

/// A request that may not go out now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Open {
    /// How long to wait.
    pub retry_in: Duration,
    /// How the last request failed, in one word.
    pub last: &'static str,
}

impl Default for CircuitBreaker {
    /// Opens after ten failures, which is two operations' worth of tries; first for 15 s,
    /// doubling up to 10 min.
    fn default() -> Self {
        Self::new(10, Duration::from_secs(15), Duration::from_secs(600))
    }
}

impl CircuitBreaker {
    /// Opens after `threshold` failures in a row (at least one), first for `first_pause`,
    /// doubling up to `longest_pause`.
    pub fn new(threshold: u32, first_pause: Duration, longest_pause: Duration) -> Self {
        Self { threshold: threshold.max(1), first_pause, longest_pause, state: Mutex::default() }
    }

    /// Whether a request may go out now; if not, how long to wait, and why. Once the pause is over,
    /// a single failure opens it again.
    pub fn admit(&self) -> Result<(), Open> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match state.closed_until {
            Some(until) => match until.checked_duration_since(Instant::now()) {
                Some(retry_in) if !retry_in.is_zero() => Err(Open { retry_in, last: state.last }),
                _ => Ok(()),
            },
            None => Ok(()),
        }
    }

    /// The BMC answered.
    pub fn answered(&self) {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = State::default();
    }

    /// The BMC could not be reached; `how`, in one word.
    pub fn failed(&self, how: &'static str) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.last = how;
        state.failures = state.failures.saturating_add(1);
        if let Some(beyond) = state.failures.checked_sub(self.threshold) {
            let pause = self
                .first_pause
                .saturating_mul(1_u32.checked_shl(beyond).unwrap_or(u32::MAX))
                .min(self.longest_pause);
            state.closed_until = Some(Instant::now() + pause);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(seconds: u64) -> Open {
        Open { retry_in: Duration::from_secs(seconds), last: "timeout" }
    }

    #[tokio::test(start_paused = true)]
    async fn it_opens_after_the_threshold_and_lets_one_through_after_the_pause() {
        let breaker = CircuitBreaker::new(2, Duration::from_secs(10), Duration::from_secs(60));
        breaker.failed("timeout");
        assert_eq!(breaker.admit(), Ok(()));
        breaker.failed("timeout");
        assert_eq!(breaker.admit(), Err(open(10)));
        tokio::time::advance(Duration::from_secs(10)).await;
        assert_eq!(breaker.admit(), Ok(()));
        breaker.failed("timeout");
        assert_eq!(breaker.admit(), Err(open(20)));
        tokio::time::advance(Duration::from_secs(20)).await;
        breaker.answered();
        breaker.failed("timeout");
        assert_eq!(breaker.admit(), Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn its_pause_never_grows_beyond_the_longest() {
        let breaker = CircuitBreaker::new(1, Duration::from_secs(10), Duration::from_secs(60));
        for _ in 0..100 {
            breaker.failed("timeout");
        }
        assert_eq!(breaker.admit(), Err(open(60)));
    }
}
