// SPDX-License-Identifier: AGPL-3.0-or-later
//! A spinner for what takes more than a second, on a terminal only.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::Duration;

use indicatif::{HumanBytes, ProgressBar, ProgressStyle};

/// What is over sooner needs no spinner.
const PATIENCE: Duration = Duration::from_secs(1);
const TICK: Duration = Duration::from_millis(120);

/// Something under way. It ends when this is dropped.
pub(crate) struct Progress {
    running: Option<(Sender<Infallible>, JoinHandle<()>)>,
}

impl Progress {
    /// `moved`: bytes so far, where it is known.
    pub(super) fn begin(what: String, terminal: bool, moved: Option<Arc<AtomicU64>>) -> Self {
        if !terminal {
            return Self { running: None };
        }
        let (sender, receiver) = mpsc::channel();
        // Without a thread there is no spinner; the work does not need one.
        let thread = std::thread::Builder::new().spawn(move || spin(&what, moved.as_deref(), &receiver)).ok();
        Self { running: thread.map(|thread| (sender, thread)) }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some((sender, thread)) = self.running.take() {
            drop(sender);
            let _ = thread.join();
        }
    }
}

/// Nothing is ever sent: the channel closes when the work is over.
fn spin(what: &str, moved: Option<&AtomicU64>, over: &Receiver<Infallible>) {
    if over.recv_timeout(PATIENCE) != Err(RecvTimeoutError::Timeout) {
        return;
    }
    let bar = ProgressBar::new_spinner().with_elapsed(PATIENCE);
    if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} ({elapsed})") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(TICK);
    loop {
        bar.set_message(match moved {
            Some(moved) => format!("{what}: {}", HumanBytes(moved.load(Ordering::Relaxed))),
            None => what.to_owned(),
        });
        if over.recv_timeout(TICK) != Err(RecvTimeoutError::Timeout) {
            break;
        }
    }
    bar.finish_and_clear();
}
