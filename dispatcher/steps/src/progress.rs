// SPDX-License-Identifier: AGPL-3.0-or-later
//! How far a step is: one line of JSON at its start, one at its end, and between them at most one a second.

use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use shoal_dispatcher::progress::Line;

/// The least time between two lines.
pub const INTERVAL: Duration = Duration::from_secs(1);

/// Counts from any thread, and writes a line now and then.
pub struct Progress {
    step: &'static str,
    bytes: AtomicU64,
    total: AtomicU64,
    written: AtomicU64,
    begun: Instant,
    last: Mutex<Last>,
}

struct Last {
    at: Duration,
    bytes: u64,
    out: Box<dyn Write + Send>,
}

/// Whether a line is due.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Tell {
    Sometimes,
    Always,
    Done,
}

impl Progress {
    /// Lines go to `out`; one that cannot be written is lost, and the work goes on.
    pub fn new(step: &'static str, out: Box<dyn Write + Send>) -> Self {
        Self {
            step,
            bytes: AtomicU64::new(0),
            total: AtomicU64::new(0),
            written: AtomicU64::new(0),
            begun: Instant::now(),
            last: Mutex::new(Last { at: Duration::ZERO, bytes: 0, out }),
        }
    }

    /// Nobody watches.
    pub fn silent() -> Self {
        Self::new("image-linux", Box::new(std::io::sink()))
    }

    /// The step begins: the first line is written.
    pub fn begin(&self) {
        self.tell(self.begun.elapsed(), Tell::Always);
    }

    /// Compressed bytes so far, and in all.
    pub fn came(&self, bytes: u64, total: u64) {
        self.bytes.store(bytes, Ordering::Relaxed);
        self.total.store(total, Ordering::Relaxed);
        self.tell(self.begun.elapsed(), Tell::Sometimes);
    }

    /// More bytes were written.
    pub fn wrote(&self, more: u64) {
        self.written.fetch_add(more, Ordering::Relaxed);
    }

    /// Bytes that were written.
    pub fn written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }

    /// All is done: the last line is written whatever the time.
    pub fn done(&self) {
        self.tell(self.begun.elapsed(), Tell::Done);
    }

    fn tell(&self, now: Duration, when: Tell) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let since = now.saturating_sub(last.at);
        if since < INTERVAL && when == Tell::Sometimes {
            return;
        }
        let bytes = self.bytes.load(Ordering::Relaxed);
        let moved = bytes.saturating_sub(last.bytes);
        let rate = u128::from(moved) * 1000 / since.as_millis().max(1);
        let line = Line {
            step: self.step.to_owned(),
            bytes,
            total: self.total.load(Ordering::Relaxed),
            written: self.written(),
            rate: u64::try_from(rate).unwrap_or(u64::MAX),
            done: when == Tell::Done,
        };
        (last.at, last.bytes) = (now, bytes);
        if let Ok(mut text) = serde_json::to_vec(&line) {
            text.push(b'\n');
            // In one call, so that a reader of the file never sees half a line.
            if last.out.write_all(&text).and_then(|()| last.out.flush()).is_err() {
                last.out = Box::new(std::io::sink());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::Arc;

    use super::*;

    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("whole").extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_line_is_written_at_the_start_at_most_once_a_second_and_at_the_end() {
        let out = Shared::default();
        let progress = Progress::new("image-linux", Box::new(out.clone()));
        progress.tell(Duration::ZERO, Tell::Always);
        progress.total.store(5000, Ordering::Relaxed);
        for (milliseconds, bytes) in [(10, 100), (999, 500), (1000, 1000), (1500, 1500), (3000, 5000)] {
            progress.bytes.store(bytes, Ordering::Relaxed);
            progress.tell(Duration::from_millis(milliseconds), Tell::Sometimes);
        }
        progress.wrote(9000);
        progress.tell(Duration::from_millis(3001), Tell::Done);
        let text = String::from_utf8(out.0.lock().expect("whole").clone()).expect("text");
        let lines: Vec<serde_json::Value> =
            text.lines().map(|line| serde_json::from_str(line).expect("json")).collect();
        assert_eq!(lines.len(), 4);
        assert_eq!((&lines[0]["bytes"], &lines[0]["done"]), (&0.into(), &false.into()));
        assert_eq!((&lines[1]["bytes"], &lines[1]["rate"]), (&1000.into(), &1000.into()));
        assert_eq!((&lines[2]["rate"], &lines[2]["done"]), (&2000.into(), &false.into()));
        assert_eq!((&lines[3]["written"], &lines[3]["done"]), (&9000.into(), &true.into()));
        // What the machine's follower reads.
        let mut read = shoal_dispatcher::progress::Lines::default();
        read.feed(text.as_bytes());
        assert_eq!(read.newest().map(|line| (line.written, line.done)), Some((9000, true)));
    }
}
