// SPDX-License-Identifier: AGPL-3.0-or-later
//! Signals: a command that is interrupted leaves no temporary file behind.
//!
//! Guarantees: what is in a [`ScratchDir`] is gone when the command ends, by itself or by SIGINT,
//! SIGTERM or SIGHUP; files in it are overwritten first where they hold secrets. A [`Half`] is gone when a signal
//! ends the command.
//! Does not survive `kill -9`.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::signal::unix::{SignalKind, signal};

use crate::error::CliError;

/// The signal ends the command. The mode at the start.
const ENDS: u8 = 0;
/// An editor has the terminal: Ctrl-C is for the editor.
const IGNORED: u8 = 1;
/// The command looks after signals itself.
const TAKEN: u8 = 2;

/// What happens on a signal, and what is cleaned up then.
#[derive(Clone, Default)]
pub(crate) struct Interrupts(Arc<Shared>);

struct Shared {
    mode: AtomicU8,
    scratch: Mutex<BTreeSet<PathBuf>>,
    /// Single files that just go.
    halves: Mutex<BTreeSet<PathBuf>>,
}

impl Default for Shared {
    fn default() -> Self {
        Self { mode: AtomicU8::new(ENDS), scratch: Mutex::default(), halves: Mutex::default() }
    }
}

impl Interrupts {
    /// The command looks after signals itself from here on.
    pub(crate) fn take_over(&self) {
        self.0.mode.store(TAKEN, Ordering::SeqCst);
    }

    /// Runs something during which Ctrl-C is not for us.
    pub(crate) fn ignored<T>(&self, work: impl FnOnce() -> T) -> T {
        let before = self.0.mode.swap(IGNORED, Ordering::SeqCst);
        let result = work();
        self.0.mode.store(before, Ordering::SeqCst);
        result
    }

    /// Waits for a signal that ends the command, cleans up, and answers with the exit code.
    pub(crate) async fn wait(&self) -> u8 {
        let streams =
            (signal(SignalKind::interrupt()), signal(SignalKind::terminate()), signal(SignalKind::hangup()));
        let (Ok(mut interrupt), Ok(mut terminate), Ok(mut hangup)) = streams else {
            // Without handlers a signal still ends the process; only scratch may be left.
            return std::future::pending().await;
        };
        loop {
            let code = tokio::select! {
                _ = interrupt.recv() => 130,
                _ = terminate.recv() => 143,
                _ = hangup.recv() => 129,
            };
            // SIGTERM and SIGHUP end an editing session too; Ctrl-C does not.
            let mode = self.0.mode.load(Ordering::SeqCst);
            if mode == TAKEN || (mode == IGNORED && code == 130) {
                continue;
            }
            let scratch = std::mem::take(&mut *self.0.scratch.lock().unwrap_or_else(PoisonError::into_inner));
            for path in scratch {
                wipe(&path);
            }
            for path in std::mem::take(&mut *self.0.halves.lock().unwrap_or_else(PoisonError::into_inner)) {
                let _ = fs::remove_file(path);
            }
            return code;
        }
    }

    /// A file that is being written goes where a signal ends the command before what is returned is dropped.
    /// However it ends otherwise is the caller's business.
    #[must_use]
    pub(crate) fn half(&self, path: &Path) -> Half {
        self.0.halves.lock().unwrap_or_else(PoisonError::into_inner).insert(path.to_owned());
        Half { path: path.to_owned(), interrupts: self.clone() }
    }

    /// A directory that only we can read and that goes with the command.
    pub(crate) fn scratch(&self, parent: &Path) -> Result<ScratchDir, CliError> {
        let dir = tempfile::Builder::new()
            .prefix("shoal-")
            .permissions(fs::Permissions::from_mode(0o700))
            .tempdir_in(parent)
            .map_err(|error| {
                CliError::user("temp", format!("cannot make a directory in {}", parent.display()))
                    .because(error)
            })?;
        let path = dir.keep();
        self.0.scratch.lock().unwrap_or_else(PoisonError::into_inner).insert(path.clone());
        Ok(ScratchDir { path, interrupts: self.clone() })
    }
}

/// A directory that only we can read and that goes with the command.
pub(crate) struct ScratchDir {
    path: PathBuf,
    interrupts: Interrupts,
}

impl ScratchDir {
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for ScratchDir {
    fn drop(&mut self) {
        wipe(&self.path);
        let mut scratch = self.interrupts.0.scratch.lock().unwrap_or_else(PoisonError::into_inner);
        scratch.remove(&self.path);
    }
}

/// A file that is being written.
pub(crate) struct Half {
    path: PathBuf,
    interrupts: Interrupts,
}

impl Drop for Half {
    fn drop(&mut self) {
        self.interrupts.0.halves.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.path);
    }
}

/// Files at the top are overwritten before they go: an editor's file holds secrets. What is below
/// is a copy of a repository and just goes.
fn wipe(dir: &Path) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let is_file = entry.file_type().is_ok_and(|kind| kind.is_file());
        if is_file && let Ok(mut file) = fs::OpenOptions::new().write(true).open(entry.path()) {
            let length = file.metadata().map_or(0, |metadata| metadata.len()) as usize;
            let _ = file.seek(SeekFrom::Start(0));
            let _ = file.write_all(&vec![0; length]);
            let _ = file.sync_all();
        }
    }
    let _ = fs::remove_dir_all(dir);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scratch_directory_is_private_and_its_files_are_zeroed_before_they_go() {
        let parent = tempfile::tempdir().unwrap();
        let interrupts = Interrupts::default();
        let scratch = interrupts.scratch(parent.path()).unwrap();
        let mode = fs::metadata(scratch.path()).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o700);
        let file = scratch.path().join("secret.yaml");
        fs::write(&file, "password: s3cret").unwrap();
        // A second name keeps the content reachable after the first is gone.
        let witness = parent.path().join("witness");
        fs::hard_link(&file, &witness).unwrap();
        let path = scratch.path().to_owned();
        drop(scratch);
        assert!(!path.exists());
        assert!(fs::read(&witness).unwrap().iter().all(|byte| *byte == 0));
        assert!(interrupts.0.scratch.lock().unwrap().is_empty());
    }

    #[test]
    fn ctrl_c_is_for_the_editor_only_while_it_runs() {
        let interrupts = Interrupts::default();
        let inside = interrupts.ignored(|| interrupts.0.mode.load(Ordering::SeqCst));
        assert_eq!((inside, interrupts.0.mode.load(Ordering::SeqCst)), (IGNORED, ENDS));
    }
}
