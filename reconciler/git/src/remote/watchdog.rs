// SPDX-License-Identifier: AGPL-3.0-or-later
//! Bounds how long a blocking network call is waited for.
//!
//! libgit2's own time limits are process-wide settings behind unsafe calls, and a blocked read
//! cannot be interrupted. So the call runs on a thread of its own that reports signs of life; when
//! they stop, the caller gets its error and the thread is left to end with its connection.
//!
//! Guarantees: the caller waits at most twice the limit after the last sign of life; no more than
//! [`MAX_RUNNING`] threads of one remote ever exist; a thread that wakes late changes no reference
//! (see the guarantees of [`super::GitRemote`]).
//! Assumptions: the work stops where it can once [`Pulse::beat`] answers false.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use super::Timeouts;

/// Calls to one remote that may exist at a time, hanging ones included: a fetch and a push, and
/// room for some that nobody waits for any more.
pub(super) const MAX_RUNNING: usize = 6;

/// Signs of life of one call.
#[derive(Default)]
pub(super) struct Pulse {
    beats: AtomicU64,
    connected: AtomicBool,
    abandoned: AtomicBool,
}

impl Pulse {
    /// Something came from the remote. False: nobody waits any more, stop.
    pub(super) fn beat(&self) -> bool {
        self.beats.fetch_add(1, Ordering::Relaxed);
        !self.abandoned.load(Ordering::Relaxed)
    }

    /// The remote has listed its branches.
    pub(super) fn connected(&self) {
        self.connected.store(true, Ordering::Relaxed);
        self.beats.fetch_add(1, Ordering::Relaxed);
    }
}

/// Why no result came.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Expired {
    /// No sign of life for so long.
    Silent {
        /// What was going on.
        stage: &'static str,
        /// The limit that was passed.
        after: Duration,
    },
    /// Too many earlier calls hang.
    Stuck {
        /// How many.
        count: usize,
    },
    /// The thread could not be started, or died.
    Broken,
}

/// Counts the calls of one remote that are still running.
#[derive(Default)]
pub(super) struct Watchdog {
    running: Arc<AtomicUsize>,
}

/// Gives the place back however the thread ends.
struct Place(Arc<AtomicUsize>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Watchdog {
    /// Runs the work, and gives up on it when it falls silent.
    pub(super) fn run<T, W>(&self, limits: Timeouts, work: W) -> Result<T, Expired>
    where
        T: Send + 'static,
        W: FnOnce(&Pulse) -> T + Send + 'static,
    {
        let count = self.running.fetch_add(1, Ordering::AcqRel);
        let place = Place(Arc::clone(&self.running));
        if count >= MAX_RUNNING {
            return Err(Expired::Stuck { count });
        }
        let pulse = Arc::new(Pulse::default());
        let (sender, receiver) = mpsc::sync_channel(1);
        let theirs = Arc::clone(&pulse);
        let thread = thread::Builder::new().name("git-remote".to_owned()).spawn(move || {
            let result = work(&theirs);
            // Before the result, so that whoever has it finds the place free.
            drop(place);
            // Nobody listens when the caller has given up.
            let _ = sender.send(result);
        });
        if thread.is_err() {
            return Err(Expired::Broken);
        }
        let mut seen = 0;
        loop {
            let (stage, after) = if pulse.connected.load(Ordering::Relaxed) {
                ("transferring", limits.stall)
            } else {
                ("connecting", limits.connect)
            };
            match receiver.recv_timeout(after) {
                Ok(result) => return Ok(result),
                Err(RecvTimeoutError::Disconnected) => return Err(Expired::Broken),
                Err(RecvTimeoutError::Timeout) => {
                    let beats = pulse.beats.load(Ordering::Relaxed);
                    if beats == seen {
                        pulse.abandoned.store(true, Ordering::Relaxed);
                        return Err(Expired::Silent { stage, after });
                    }
                    seen = beats;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: Timeouts = Timeouts { connect: Duration::from_millis(20), stall: Duration::from_millis(20) };

    #[test]
    fn a_result_comes_through() {
        assert_eq!(Watchdog::default().run(Timeouts::default(), |_| 7), Ok(7));
    }

    #[test]
    fn silence_ends_the_wait_and_tells_the_work_to_stop() {
        let (told, heard) = mpsc::channel();
        let result = Watchdog::default().run(SHORT, move |pulse| {
            pulse.connected();
            // Not a sign of life: only looks.
            while !pulse.abandoned.load(Ordering::Relaxed) {
                thread::yield_now();
            }
            let _ = told.send(pulse.beat());
        });
        assert_eq!(result, Err(Expired::Silent { stage: "transferring", after: SHORT.stall }));
        assert_eq!(heard.recv(), Ok(false));
    }

    #[test]
    fn a_work_that_dies_is_no_silence() {
        let result: Result<(), _> = Watchdog::default().run(Timeouts::default(), |_| panic!("planted"));
        assert_eq!(result, Err(Expired::Broken));
    }

    #[test]
    fn hanging_calls_do_not_pile_up() {
        let dog = Watchdog::default();
        let mut release = Vec::new();
        for _ in 0..MAX_RUNNING {
            let (go, wait) = mpsc::channel::<()>();
            release.push(go);
            let result = dog.run(SHORT, move |_| {
                let _ = wait.recv();
            });
            assert!(matches!(result, Err(Expired::Silent { .. })));
        }
        assert_eq!(dog.run(SHORT, |_| ()), Err(Expired::Stuck { count: MAX_RUNNING }));
        drop(release);
        while dog.running.load(Ordering::Acquire) > 0 {
            thread::yield_now();
        }
        assert_eq!(dog.run(Timeouts::default(), |_| 1), Ok(1));
    }
}
