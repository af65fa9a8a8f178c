// SPDX-License-Identifier: AGPL-3.0-or-later
//! How far machines are, as they said last: in memory alone, never in the database, never in Git.
//!
//! Guarantees: one entry a job; a job is heard at most [`PER_SECOND`] times a second.
//! Assumptions: the caller notes nothing for a job that no machine is at work for, and forgets one that ended.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use shoal_core::job::{Job, Phase};
use shoal_schema::JobId;
use shoal_schema::api::JobProgress;

/// How often one job is heard.
const PER_SECOND: u32 = 10;

/// The machine said more than it may.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TooOften;

/// Whether a machine is at work for this job, and nothing is known yet of how it ends.
pub(crate) fn is_at_work(job: &Job) -> bool {
    job.phase == Phase::AwaitResult && job.outcome.is_none()
}

/// The newest progress of every job.
#[derive(Debug, Default)]
pub(crate) struct Board {
    jobs: Mutex<HashMap<JobId, Entry>>,
}

#[derive(Debug)]
struct Entry {
    attempt: u32,
    progress: JobProgress,
    /// Since when it is counted, and how often it was heard since.
    second: (Instant, u32),
}

impl Board {
    /// Notes where a job's machine is now.
    pub(crate) fn put(
        &self,
        id: &JobId,
        attempt: u32,
        progress: JobProgress,
        now: Instant,
    ) -> Result<(), TooOften> {
        let mut jobs = self.lock();
        let (since, heard) = match jobs.get(id) {
            Some(entry) if now.saturating_duration_since(entry.second.0) < Duration::from_secs(1) => {
                entry.second
            }
            _ => (now, 0),
        };
        if heard >= PER_SECOND {
            return Err(TooOften);
        }
        jobs.insert(id.clone(), Entry { attempt, progress, second: (since, heard + 1) });
        Ok(())
    }

    /// Where an attempt's machine was last.
    pub(crate) fn newest(&self, id: &JobId, attempt: u32) -> Option<JobProgress> {
        self.lock().get(id).filter(|entry| entry.attempt == attempt).map(|entry| entry.progress.clone())
    }

    /// The machine's part of a job is over.
    pub(crate) fn forget(&self, id: &JobId) {
        self.lock().remove(id);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<JobId, Entry>> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn progress(bytes: u64) -> JobProgress {
        JobProgress {
            step: "image-linux".to_owned(),
            bytes,
            total: 100,
            written: 0,
            rate: 0,
            done: false,
            at: jiff::Timestamp::UNIX_EPOCH,
        }
    }

    #[test]
    fn the_newest_of_the_attempt_is_known_until_it_is_forgotten() {
        let (board, id) = (Board::default(), JobId::from_bytes([1; 16]));
        let now = Instant::now();
        board.put(&id, 1, progress(1), now).unwrap();
        board.put(&id, 1, progress(2), now).unwrap();
        assert_eq!(board.newest(&id, 1), Some(progress(2)));
        assert_eq!(board.newest(&id, 2), None, "another attempt begins anew");
        board.forget(&id);
        assert_eq!(board.newest(&id, 1), None);
        assert!(board.lock().is_empty());
    }

    #[test]
    fn a_job_that_says_too_much_is_heard_again_in_the_next_second_and_others_are_heard_meanwhile() {
        let (board, id) = (Board::default(), JobId::from_bytes([1; 16]));
        let now = Instant::now();
        for n in 0..10 {
            board.put(&id, 1, progress(n), now + Duration::from_millis(n)).unwrap();
        }
        let within = now + Duration::from_millis(999);
        assert_eq!(board.put(&id, 1, progress(10), within), Err(TooOften));
        assert_eq!(board.newest(&id, 1), Some(progress(9)));
        board.put(&JobId::from_bytes([2; 16]), 1, progress(1), within).unwrap();
        board.put(&id, 1, progress(11), now + Duration::from_secs(1)).unwrap();
        assert_eq!(board.newest(&id, 1), Some(progress(11)));
    }
}
