// SPDX-License-Identifier: AGPL-3.0-or-later
//! Letting the disk begin with large uploads while the rest of them comes, so that the sync at the end is short.
//!
//! Nothing relies on it, so it is no step of an operation and has no error: it has the file open on its own, and
//! what fails here fails at the sync at the end again.

use std::fs::File;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

/// After so many bytes the disk is told to go on. Smaller uploads are over before that is of use.
const EVERY: u64 = 32 * 1024 * 1024;

/// Whoever tells the disk to begin. Dropping it lets its thread end in its own time.
#[derive(Debug, Default)]
pub(super) struct Early {
    since: u64,
    /// At most one request waits: it is for everything written up to then.
    asked: Option<SyncSender<()>>,
}

impl Early {
    /// So many bytes were written. `open` gives the file once more.
    pub(super) fn wrote(&mut self, bytes: u64, open: impl FnOnce() -> Option<File>) {
        self.since += bytes;
        if self.since < EVERY {
            return;
        }
        self.since = 0;
        if self.asked.is_none() {
            let (ask, asked) = sync_channel(1);
            let spawned = open().map(|file| {
                thread::Builder::new()
                    .name("registry-sync".into())
                    .spawn(move || sync_when_asked(&file, &asked))
            });
            if matches!(spawned, Some(Ok(_))) {
                self.asked = Some(ask);
            }
        }
        if let Some(ask) = &self.asked {
            // When one waits already there is nothing to add.
            let _ = ask.try_send(());
        }
    }
}

fn sync_when_asked(file: &File, asked: &Receiver<()>) {
    while asked.recv().is_ok() {
        if file.sync_data().is_err() {
            return;
        }
    }
}
