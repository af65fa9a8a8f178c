// SPDX-License-Identifier: AGPL-3.0-or-later
//! Parsing of many files: at once where that pays.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex};
use std::thread;

use shoal_schema::Sha256;

use super::Place;
use super::file::{Parsed, parse};

/// Below this, starting threads costs more than it saves.
const PARALLEL_FROM: usize = 64;

/// Contents that wait are parsed when they come to so many bytes: a tree may be larger than memory.
const WAITING_BYTES: usize = 64 << 20;

/// So many files are taken at a time, so that threads seldom meet.
const CHUNK: usize = 32;

/// A file to parse.
pub(crate) struct Job {
    index: usize,
    path: Arc<str>,
    place: Place,
    /// The content's digest, where it was needed to look the content up.
    sha256: Option<Sha256>,
    bytes: Vec<u8>,
}

/// A file that was parsed.
pub(crate) struct Done {
    pub(crate) index: usize,
    pub(crate) parsed: Parsed,
}

impl Job {
    pub(crate) fn new(
        index: usize,
        path: Arc<str>,
        place: Place,
        sha256: Option<Sha256>,
        bytes: Vec<u8>,
    ) -> Self {
        Self { index, path, place, sha256, bytes }
    }

    fn run(self) -> Done {
        let sha256 = self.sha256.unwrap_or_else(|| Sha256::of(&self.bytes));
        Done { index: self.index, parsed: parse(&self.path, self.place, &self.bytes, sha256) }
    }
}

/// Files to parse.
pub(crate) struct Jobs {
    threads: NonZeroUsize,
    waiting: Vec<Job>,
    waiting_bytes: usize,
    done: Vec<Done>,
}

impl Jobs {
    pub(crate) fn new(threads: NonZeroUsize) -> Self {
        Self { threads, waiting: Vec::new(), waiting_bytes: 0, done: Vec::new() }
    }

    pub(crate) fn push(&mut self, job: Job) {
        self.waiting_bytes += job.bytes.len();
        self.waiting.push(job);
        if self.waiting_bytes > WAITING_BYTES {
            self.run();
        }
    }

    /// Parses all of them. The order of the answer says nothing.
    pub(crate) fn finish(mut self) -> Vec<Done> {
        self.run();
        self.done
    }

    fn run(&mut self) {
        self.waiting_bytes = 0;
        let waiting = std::mem::take(&mut self.waiting);
        let threads = self.threads.get().min(waiting.len() / CHUNK);
        if waiting.len() < PARALLEL_FROM || threads < 2 {
            self.done.extend(waiting.into_iter().map(Job::run));
            return;
        }
        let waiting = Mutex::new(waiting);
        let take = || {
            // A thread that panicked held no job of others; what waits is still whole.
            let mut waiting = waiting.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            let from = waiting.len().saturating_sub(CHUNK);
            waiting.split_off(from)
        };
        let work = || {
            let mut done = Vec::new();
            loop {
                let jobs = take();
                if jobs.is_empty() {
                    return done;
                }
                done.extend(jobs.into_iter().map(Job::run));
            }
        };
        let done = thread::scope(|scope| {
            let others: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
            let mut done = work();
            for other in others {
                match other.join() {
                    Ok(more) => done.extend(more),
                    Err(panic) => std::panic::resume_unwind(panic),
                }
            }
            done
        });
        self.done.extend(done);
    }
}
