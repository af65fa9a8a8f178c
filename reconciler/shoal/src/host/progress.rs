// SPDX-License-Identifier: AGPL-3.0-or-later
//! A spinner for what takes more than a second, on a terminal only.

use std::convert::Infallible;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// What is over sooner needs no spinner.
const PATIENCE: Duration = Duration::from_secs(1);
const TICK: Duration = Duration::from_millis(120);

/// Something under way. It ends when this is dropped.
pub(crate) struct Progress {
    running: Option<(Sender<Infallible>, JoinHandle<()>)>,
}

impl Progress {
    pub(super) fn begin(what: String, terminal: bool) -> Self {
        if !terminal {
            return Self { running: None };
        }
        let (sender, receiver) = mpsc::channel();
        // Without a thread there is no spinner; the work does not need one.
        let thread = std::thread::Builder::new().spawn(move || spin(what, &receiver)).ok();
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
fn spin(what: String, over: &Receiver<Infallible>) {
    if over.recv_timeout(PATIENCE) != Err(RecvTimeoutError::Timeout) {
        return;
    }
    let bar = ProgressBar::new_spinner().with_elapsed(PATIENCE);
    if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} ({elapsed})") {
        bar.set_style(style);
    }
    bar.set_message(what);
    bar.enable_steady_tick(TICK);
    let _ = over.recv();
    bar.finish_and_clear();
}
