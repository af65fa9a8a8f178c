// SPDX-License-Identifier: AGPL-3.0-or-later
//! Bounds how long a blocking network call is waited for.
//!
//! libgit2's own time limits are process-wide settings behind unsafe calls, and a blocked read
//! cannot be interrupted. So the call runs on a thread of its own that reports signs of life; when
//! they stop, the caller gets its error and the thread is left to end with its connection.
//!
//! Guarantees: the caller waits little more than the limit after the last sign of life; while nothing
//! gets through, threads are left behind ever more slowly; a thread that wakes late changes no
//! reference (see the guarantees of [`super::GitRemote`]).
//! Assumptions: the work stops where it can once [`Pulse::beat`] answers false.
//! Caveats: a peer that vanished without a word after it took our request keeps its thread and
//! socket until the process ends; an outage costs one or two of these.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, TryRecvError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use super::Timeouts;

/// Calls that hang before further ones are refused.
pub(super) const MAX_HUNG: usize = 4;

/// So many calls are refused before one is let through to see whether the remote is back.
const REFUSALS: u32 = 10;

/// How often within a limit the signs of life are looked at.
const SLICES: u32 = 8;

/// The longest time between two looks.
const LONGEST_SLICE: Duration = Duration::from_secs(1);

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

/// Knows which calls to one remote hang.
#[derive(Default)]
pub(super) struct Watchdog {
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    next: u64,
    /// Calls that were given up since one last got through, and have not ended yet.
    hung: BTreeSet<u64>,
    refused: u32,
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    // Nothing between lock and release can panic half-way.
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes the call off the list however its thread ends.
struct Call {
    number: u64,
    state: Arc<Mutex<State>>,
}

impl Drop for Call {
    fn drop(&mut self) {
        lock(&self.state).hung.remove(&self.number);
    }
}

impl Watchdog {
    fn begin(&self) -> Result<Call, Expired> {
        let mut state = lock(&self.state);
        let count = state.hung.len();
        if count >= MAX_HUNG {
            state.refused += 1;
            if state.refused < REFUSALS {
                return Err(Expired::Stuck { count });
            }
        }
        state.refused = 0;
        state.next += 1;
        Ok(Call { number: state.next, state: Arc::clone(&self.state) })
    }

    /// Runs the work, and gives up on it when it falls silent.
    pub(super) fn run<T, E, W>(&self, limits: Timeouts, work: W) -> Result<Result<T, E>, Expired>
    where
        T: Send + 'static,
        E: Send + 'static,
        W: FnOnce(&Pulse) -> Result<T, E> + Send + 'static,
    {
        let call = self.begin()?;
        let number = call.number;
        let pulse = Arc::new(Pulse::default());
        let (sender, receiver) = mpsc::sync_channel(1);
        let theirs = Arc::clone(&pulse);
        let thread = thread::Builder::new().name("git-remote".to_owned()).spawn(move || {
            // Dropped after the result was sent, see the end of the wait below.
            let _call = call;
            // Nobody listens when the caller has given up.
            let _ = sender.send(work(&theirs));
        });
        if thread.is_err() {
            return Err(Expired::Broken);
        }
        let (mut seen, mut silent) = (0, Duration::ZERO);
        loop {
            let (stage, after) = if pulse.connected.load(Ordering::Relaxed) {
                ("transferring", limits.stall)
            } else {
                ("connecting", limits.connect)
            };
            let slice = (after / SLICES).min(LONGEST_SLICE);
            match receiver.recv_timeout(slice) {
                Ok(result) => {
                    if result.is_ok() {
                        // The way is open: what still hangs belongs to an outage that is over.
                        lock(&self.state).hung.clear();
                    }
                    return Ok(result);
                }
                Err(RecvTimeoutError::Disconnected) => return Err(Expired::Broken),
                Err(RecvTimeoutError::Timeout) => {}
            }
            let beats = pulse.beats.load(Ordering::Relaxed);
            silent = if beats == seen { silent + slice } else { Duration::ZERO };
            seen = beats;
            if silent >= after {
                lock(&self.state).hung.insert(number);
                pulse.abandoned.store(true, Ordering::Relaxed);
                // It may have ended just before it was put on the list.
                return match receiver.try_recv() {
                    Ok(result) => {
                        lock(&self.state).hung.remove(&number);
                        Ok(result)
                    }
                    Err(TryRecvError::Empty) => Err(Expired::Silent { stage, after }),
                    Err(TryRecvError::Disconnected) => {
                        lock(&self.state).hung.remove(&number);
                        Err(Expired::Broken)
                    }
                };
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
        assert_eq!(Watchdog::default().run(Timeouts::default(), |_| Ok::<u8, ()>(7)), Ok(Ok(7)));
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
            Ok::<u8, ()>(0)
        });
        assert_eq!(result, Err(Expired::Silent { stage: "transferring", after: SHORT.stall }));
        assert_eq!(heard.recv(), Ok(false));
    }

    #[test]
    fn a_work_that_dies_is_no_silence() {
        let result: Result<Result<(), ()>, _> =
            Watchdog::default().run(Timeouts::default(), |_| panic!("planted"));
        assert_eq!(result, Err(Expired::Broken));
    }

    #[test]
    fn hanging_calls_do_not_pile_up() {
        let dog = Watchdog::default();
        let mut release = Vec::new();
        let mut hang = || {
            let (go, wait) = mpsc::channel::<()>();
            release.push(go);
            dog.run(SHORT, move |_| {
                let _ = wait.recv();
                Ok::<u8, ()>(0)
            })
        };
        for _ in 0..MAX_HUNG {
            assert!(matches!(hang(), Err(Expired::Silent { .. })));
        }
        let stuck = Err(Expired::Stuck { count: MAX_HUNG });
        for _ in 1..REFUSALS {
            assert_eq!(hang(), stuck);
        }
        // One is let through now and then, or nobody would see that the remote is back.
        assert!(matches!(hang(), Err(Expired::Silent { .. })));
        for _ in 1..REFUSALS {
            assert!(matches!(hang(), Err(Expired::Stuck { .. })));
        }
        assert_eq!(dog.run(Timeouts::default(), |_| Ok::<u8, ()>(1)), Ok(Ok(1)));
        assert_eq!(dog.run(Timeouts::default(), |_| Ok::<u8, ()>(2)), Ok(Ok(2)));
    }

    #[test]
    fn calls_that_end_late_make_room_again() {
        let dog = Watchdog::default();
        let mut release = Vec::new();
        for _ in 0..MAX_HUNG {
            let (go, wait) = mpsc::channel::<()>();
            release.push(go);
            let result = dog.run(SHORT, move |_| {
                let _ = wait.recv();
                Ok::<u8, ()>(0)
            });
            assert!(matches!(result, Err(Expired::Silent { .. })));
        }
        drop(release);
        while !lock(&dog.state).hung.is_empty() {
            thread::yield_now();
        }
        assert_eq!(dog.run(Timeouts::default(), |_| Ok::<u8, ()>(1)), Ok(Ok(1)));
    }
}
