// SPDX-License-Identifier: AGPL-3.0-or-later
//! How slowly a client may send a body: who receives has one of a few turns, and a byte a minute would
//! keep it for ever.
//!
//! Guarantee: while a client is waited for, at least [`LEAST`] bytes, or the rest of the body, come in each
//! `idle`. What the registry itself takes to write counts for nobody.

use std::time::Duration;

use tokio::time::{Instant, timeout_at};

/// So many bytes come in each period, where the body has so many.
pub(crate) const LEAST: usize = 64 << 10;

/// How much of the present period is left.
#[derive(Debug)]
pub(crate) struct Pace {
    idle: Duration,
    /// Time of waiting in this period that is left.
    left: Duration,
    /// Bytes that this period lacks.
    lacks: usize,
    /// Since when something is waited for.
    since: Option<Instant>,
}

/// Too little came for too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooSlow;

// === impl Pace ===

impl Pace {
    /// The first period begins with the first wait.
    pub(crate) fn new(idle: Duration) -> Self {
        Self { idle, left: idle, lacks: LEAST, since: None }
    }

    /// Waits for what the client sends next. May be dropped and called again: it is one wait.
    pub(crate) async fn wait<T>(&mut self, next: impl Future<Output = T>) -> Result<T, TooSlow> {
        let since = *self.since.get_or_insert_with(Instant::now);
        // What is there already is taken whatever the time.
        let came = timeout_at(since + self.left, next).await;
        self.since = None;
        self.left = self.left.saturating_sub(since.elapsed());
        came.map_err(|_| TooSlow)
    }

    /// Bytes came.
    pub(crate) fn came(&mut self, bytes: usize) {
        self.lacks = self.lacks.saturating_sub(bytes);
        if self.lacks == 0 {
            *self = Self::new(self.idle);
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::sleep;

    use super::*;

    const IDLE: Duration = Duration::from_secs(60);

    /// Sends so many bytes every so many seconds. How often, until it was too slow; at most 100 times.
    async fn sends(bytes: usize, every: u64) -> u32 {
        let mut pace = Pace::new(IDLE);
        for times in 0..100 {
            if pace.wait(sleep(Duration::from_secs(every))).await.is_err() {
                return times;
            }
            pace.came(bytes);
        }
        100
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_sends_a_little_now_and_then_is_too_slow() {
        assert_eq!(sends(1, 25).await, 2);
        assert_eq!(sends(LEAST / 3, 25).await, 2);
        assert_eq!(sends(LEAST, 61).await, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_client_that_sends_enough_in_every_period_goes_on_for_ever() {
        assert_eq!(sends(LEAST, 59).await, 100);
        assert_eq!(sends(LEAST / 4, 14).await, 100);
        assert_eq!(sends(1 << 20, 59).await, 100);
    }

    #[tokio::test(start_paused = true)]
    async fn time_in_which_nobody_waits_for_the_client_does_not_count() {
        let mut pace = Pace::new(IDLE);
        for _ in 0..10 {
            pace.wait(sleep(Duration::from_secs(1))).await.unwrap();
            pace.came(1);
            sleep(IDLE).await;
        }
        assert_eq!(pace.left + Duration::from_secs(10), IDLE);
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_that_is_dropped_and_begun_again_is_one_wait() {
        let mut pace = Pace::new(IDLE);
        let began = Instant::now();
        loop {
            let second = sleep(Duration::from_secs(1));
            tokio::select! {
                slow = pace.wait(std::future::pending::<()>()) => break assert_eq!(slow, Err(TooSlow)),
                () = second => {}
            }
        }
        assert_eq!(began.elapsed().as_secs(), 60);
    }
}
