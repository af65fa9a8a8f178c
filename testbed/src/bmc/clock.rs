// SPDX-License-Identifier: AGPL-3.0-or-later
//! Time, handed in.
//!
//! Everything that takes time in an emulated BMC (power transitions, POST, session expiry, latency) asks a [`Clock`].
//! [`TokioClock`] follows the runtime; [`ManualClock`] moves when a test says so. Sockets and their time-outs live in
//! real time either way.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;
use tokio::time::Instant;

/// A sleep that can be kept in a struct.
pub type Sleep = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A source of time.
pub trait Clock: Send + Sync + 'static {
    /// Monotonic time since the clock was made.
    fn elapsed(&self) -> Duration;
    /// Wall time.
    fn now(&self) -> Timestamp;
    /// Resolves once `duration` has passed on this clock.
    fn sleep(&self, duration: Duration) -> Sleep;
}

/// The runtime's time, anchored at a wall time given by the caller.
#[derive(Debug)]
pub struct TokioClock {
    started: Instant,
    epoch: Timestamp,
}

impl TokioClock {
    /// A clock that shows `epoch` now. Needs a tokio runtime with time.
    pub fn starting_at(epoch: Timestamp) -> Self {
        Self { started: Instant::now(), epoch }
    }
}

impl Clock for TokioClock {
    fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    fn now(&self) -> Timestamp {
        after(self.epoch, self.elapsed())
    }

    fn sleep(&self, duration: Duration) -> Sleep {
        Box::pin(tokio::time::sleep(duration))
    }
}

/// A clock that stands still until it is advanced.
#[derive(Debug)]
pub struct ManualClock {
    epoch: Timestamp,
    elapsed: watch::Sender<Duration>,
}

impl ManualClock {
    /// A clock that shows `epoch`.
    pub fn starting_at(epoch: Timestamp) -> Self {
        Self { epoch, elapsed: watch::Sender::new(Duration::ZERO) }
    }

    /// Moves on, and wakes every sleeper whose time has come.
    pub fn advance(&self, by: Duration) {
        self.elapsed.send_modify(|elapsed| *elapsed += by);
    }
}

impl Clock for ManualClock {
    fn elapsed(&self) -> Duration {
        *self.elapsed.borrow()
    }

    fn now(&self) -> Timestamp {
        after(self.epoch, self.elapsed())
    }

    fn sleep(&self, duration: Duration) -> Sleep {
        let mut elapsed = self.elapsed.subscribe();
        let until = self.elapsed() + duration;
        Box::pin(async move {
            if elapsed.wait_for(|now| *now >= until).await.is_err() {
                // The clock is gone: time has ended, so nothing ever becomes due.
                std::future::pending::<()>().await;
            }
        })
    }
}

fn after(epoch: Timestamp, elapsed: Duration) -> Timestamp {
    SignedDuration::try_from(elapsed)
        .ok()
        .and_then(|elapsed| epoch.checked_add(elapsed).ok())
        .unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[tokio::test]
    async fn a_manual_clock_wakes_sleepers_when_their_time_has_come() {
        let clock = Arc::new(ManualClock::starting_at(Timestamp::UNIX_EPOCH));
        let sleeper = tokio::spawn(clock.sleep(Duration::from_secs(10)));
        clock.advance(Duration::from_secs(9));
        assert!(!sleeper.is_finished());
        clock.advance(Duration::from_secs(1));
        sleeper.await.expect("the sleeper woke");
        assert_eq!(clock.now(), Timestamp::from_second(10).expect("ten seconds after the epoch"));
    }
}
