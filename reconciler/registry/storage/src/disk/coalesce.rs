// SPDX-License-Identifier: AGPL-3.0-or-later
//! One sync of a directory for everybody who waits for one.
//!
//! A sync covers every change made before it began. So whoever comes while one is running needs the next one,
//! and all who came meanwhile share that.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use super::{Disk, Root};
use crate::layout::Place;

/// The directories that are being synced.
#[derive(Debug, Default)]
pub(super) struct Coalesced {
    dirs: Mutex<HashMap<Place, Arc<Line>>>,
}

/// Those who wait for one directory.
#[derive(Debug, Default)]
struct Line {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// How many syncs have begun.
    begun: u64,
    /// The newest one that succeeded.
    done: u64,
    running: bool,
    /// How many wait for the one that runs.
    waiting: u64,
}

impl Coalesced {
    /// Returns once a sync that began after this call has succeeded, or with the error of the one it made.
    pub(super) fn sync(&self, disk: &dyn Disk, root: &Root, place: &Place) -> io::Result<()> {
        let line = {
            let mut dirs = self.dirs.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(dirs.entry(place.clone()).or_default())
        };
        let result = line.sync(|| disk.sync_dir(root, place));
        let mut dirs = self.dirs.lock().unwrap_or_else(PoisonError::into_inner);
        // This one and the map's: nobody else is there, and nobody can come while the map is held.
        if Arc::strong_count(&line) == 2 {
            dirs.remove(place);
        }
        result
    }
}

impl Line {
    fn sync(&self, sync: impl Fn() -> io::Result<()>) -> io::Result<()> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let wanted = state.begun + 1;
        loop {
            if state.done >= wanted {
                return Ok(());
            }
            if !state.running {
                break;
            }
            state.waiting += 1;
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.waiting -= 1;
        }
        state.running = true;
        state.begun += 1;
        let this = state.begun;
        drop(state);
        let result = sync();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.running = false;
        if result.is_ok() {
            state.done = this;
        }
        // After an error whoever waits makes one of its own, and gets its own error.
        self.changed.notify_all();
        result
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::sync::mpsc;
    use std::thread;

    use super::*;

    #[test]
    fn those_who_come_during_a_sync_share_the_next_one() {
        const OTHERS: u64 = 8;
        let line = Line::default();
        let syncs = AtomicU64::new(0);
        let sync_once = || {
            syncs.fetch_add(1, Ordering::SeqCst);
            Ok(())
        };
        let (started, is_started) = mpsc::channel();
        let (release, is_released) = mpsc::channel::<()>();
        thread::scope(|scope| {
            let (line, sync_once) = (&line, &sync_once);
            scope.spawn(move || {
                let sync = || {
                    started.send(()).unwrap();
                    is_released.recv().unwrap();
                    sync_once()
                };
                line.sync(sync).unwrap();
            });
            is_started.recv().unwrap();
            for _ in 0..OTHERS {
                scope.spawn(move || line.sync(sync_once).unwrap());
            }
            // The first one ends only after all the others have come.
            while line.state.lock().unwrap().waiting < OTHERS {
                thread::yield_now();
            }
            release.send(()).unwrap();
        });
        assert_eq!(syncs.load(Ordering::SeqCst), 2);
    }

    #[test]
    fn an_error_is_for_the_one_who_made_the_sync_and_the_next_tries_again() {
        let line = Line::default();
        assert!(line.sync(|| Err(io::ErrorKind::StorageFull.into())).is_err());
        let tried = AtomicU64::new(0);
        line.sync(|| {
            tried.fetch_add(1, Ordering::SeqCst);
            Ok(())
        })
        .unwrap();
        assert_eq!(tried.load(Ordering::SeqCst), 1, "a failed sync counts for nobody");
    }

    #[test]
    fn a_sync_that_began_before_does_not_count() {
        let line = Line::default();
        let count = AtomicU64::new(0);
        for _ in 0..3 {
            line.sync(|| {
                count.fetch_add(1, Ordering::SeqCst);
                Ok(())
            })
            .unwrap();
        }
        assert_eq!(count.load(Ordering::SeqCst), 3);
    }
}
