// SPDX-License-Identifier: AGPL-3.0-or-later
//! Parsing of many files: at once where that pays, and while they are still being read.

use std::num::NonZeroUsize;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use shoal_schema::Sha256;

use super::Place;
use super::file::{Parsed, parse};
use crate::decode::Shapes;

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

    fn run(self, shapes: &mut Shapes) -> Done {
        let sha256 = self.sha256.unwrap_or_else(|| Sha256::of(&self.bytes));
        Done { index: self.index, parsed: parse(&self.path, self.place, &self.bytes, sha256, shapes) }
    }
}

/// Files to parse. Where there are many, threads begin with the first while the last are still being read.
pub(crate) struct Jobs {
    threads: NonZeroUsize,
    waiting: Vec<Job>,
    pool: Option<Pool>,
    done: Vec<Done>,
    shapes: Shapes,
}

impl Jobs {
    pub(crate) fn new(threads: NonZeroUsize) -> Self {
        Self { threads, waiting: Vec::new(), pool: None, done: Vec::new(), shapes: Shapes::default() }
    }

    pub(crate) fn push(&mut self, job: Job) {
        self.waiting.push(job);
        let enough = if self.pool.is_some() { CHUNK } else { PARALLEL_FROM };
        if self.threads.get() > 1 && self.waiting.len() >= enough {
            let pool = self.pool.get_or_insert_with(|| Pool::start(self.threads.get() - 1));
            let waiting = pool.queue.add(std::mem::take(&mut self.waiting));
            if waiting > WAITING_BYTES {
                self.help();
            }
        } else if self.waiting.iter().map(|job| job.bytes.len()).sum::<usize>() > WAITING_BYTES {
            self.run_waiting();
        }
    }

    /// Parses all of them. The order of the answer says nothing.
    pub(crate) fn finish(mut self) -> Vec<Done> {
        self.run_waiting();
        while self.help() {}
        let Some(mut pool) = self.pool else { return self.done };
        pool.queue.close();
        for worker in std::mem::take(&mut pool.workers) {
            match worker.join() {
                Ok(more) => self.done.extend(more),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        self.done
    }

    fn run_waiting(&mut self) {
        let waiting = std::mem::take(&mut self.waiting);
        self.done.extend(waiting.into_iter().map(|job| job.run(&mut self.shapes)));
    }

    /// Takes a share of what waits. Whether there was any.
    fn help(&mut self) -> bool {
        let Some(pool) = &self.pool else { return false };
        let jobs = pool.queue.take_some();
        let any = !jobs.is_empty();
        self.done.extend(jobs.into_iter().map(|job| job.run(&mut self.shapes)));
        any
    }
}

/// Threads that parse what is read meanwhile.
struct Pool {
    queue: Arc<Queue>,
    workers: Vec<JoinHandle<Vec<Done>>>,
}

impl Pool {
    fn start(workers: usize) -> Self {
        let queue = Arc::new(Queue::default());
        let work = |queue: &Queue| {
            let (mut done, mut shapes) = (Vec::new(), Shapes::default());
            while let Some(jobs) = queue.wait() {
                done.extend(jobs.into_iter().map(|job| job.run(&mut shapes)));
            }
            done
        };
        let start = |_| {
            let queue = Arc::clone(&queue);
            thread::spawn(move || work(&queue))
        };
        Self { workers: (0..workers).map(start).collect(), queue }
    }
}

impl Drop for Pool {
    /// Whoever reads may fail: nobody waits for more then.
    fn drop(&mut self) {
        self.queue.close();
    }
}

#[derive(Default)]
struct Queue {
    state: Mutex<Waiting>,
    more: Condvar,
}

#[derive(Default)]
struct Waiting {
    jobs: Vec<Job>,
    bytes: usize,
    closed: bool,
}

impl Queue {
    /// A thread that panicked held no job of others; what waits is still whole.
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many bytes wait with these.
    fn add(&self, jobs: Vec<Job>) -> usize {
        let mut waiting = self.lock();
        waiting.bytes += jobs.iter().map(|job| job.bytes.len()).sum::<usize>();
        waiting.jobs.extend(jobs);
        self.more.notify_one();
        waiting.bytes
    }

    fn close(&self) {
        self.lock().closed = true;
        self.more.notify_all();
    }

    /// Nothing where nothing waits.
    fn take_some(&self) -> Vec<Job> {
        self.lock().take_some()
    }

    /// Waits for more; nothing once there is no more.
    fn wait(&self) -> Option<Vec<Job>> {
        let waiting = self.lock();
        let idle = |waiting: &mut Waiting| waiting.jobs.is_empty() && !waiting.closed;
        let mut waiting = self.more.wait_while(waiting, idle).unwrap_or_else(PoisonError::into_inner);
        let jobs = waiting.take_some();
        (!jobs.is_empty()).then_some(jobs)
    }
}

impl Waiting {
    fn take_some(&mut self) -> Vec<Job> {
        let from = self.jobs.len().saturating_sub(CHUNK);
        let jobs = self.jobs.split_off(from);
        self.bytes -= jobs.iter().map(|job| job.bytes.len()).sum::<usize>();
        jobs
    }
}
