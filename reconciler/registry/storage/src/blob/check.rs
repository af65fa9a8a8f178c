// SPDX-License-Identifier: AGPL-3.0-or-later
//! Checking the whole of content by its digest, and making its piece checksums on the way.

use std::sync::{Arc, Mutex, PoisonError};

use shoal_oci::{Digest, Hasher};

use super::Blob;
use super::read::UNREADABLE;
use crate::layout::Place;
use crate::pool::PIECE;
use crate::sums::{Summing, Sums};
use crate::{Storage, StorageError};

const NOT_ITS_DIGEST: &str = "all of it was read, and its digest is another one";

/// One check of some content at a time: whoever comes meanwhile waits for its checksums.
#[derive(Debug, Default)]
pub(crate) struct Checks {
    running: Mutex<Vec<(Digest, Arc<Mutex<()>>)>>,
}

/// What a check of content came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Checked {
    /// It is what its digest says. The size, in bytes.
    Right(u64),
    /// It was not, and is in quarantine now. The size, in bytes.
    Damaged(u64),
    /// It was told to stop.
    Stopped,
}

impl Storage {
    /// Reads all of some content and compares it with its digest; damaged content goes into quarantine, also what
    /// the disk cannot read. Missing piece checksums are made, wrong ones replaced. `None`: it is not there, or was collected while it was read.
    /// `go_on` is called with the number of bytes about to be read; `false` stops.
    ///
    /// # Errors
    /// Those of the system.
    pub(crate) fn check_content(
        &self,
        digest: &Digest,
        go_on: &mut dyn FnMut(u64) -> bool,
    ) -> Result<Option<Checked>, StorageError> {
        let blob = match self.open_content(digest) {
            Err(StorageError::Corrupt { .. }) => return Ok(Some(Checked::Damaged(0))),
            other => other?,
        };
        let Some(blob) = blob else { return Ok(None) };
        let (got, sums) = match self.read_all(&blob, go_on) {
            Ok(Some(read)) => read,
            Ok(None) => return Ok(Some(Checked::Stopped)),
            Err(error) if error.is_damage() => {
                return Ok(blob.condemn(UNREADABLE).then_some(Checked::Damaged(blob.size())));
            }
            Err(error) => return Err(error),
        };
        if got != *digest || sums.size() != blob.size() {
            let here = blob.condemn(NOT_ITS_DIGEST);
            // Whatever is put there instead is checked by whoever puts it there.
            return Ok(here.then_some(Checked::Damaged(sums.size())));
        }
        if Sums::are_for(sums.size()) {
            let on_disk = self.inner.files.read(&Place::sums(digest), Sums::file_size(sums.size()));
            if !on_disk.is_ok_and(|on_disk| on_disk.is_some_and(|on_disk| on_disk == sums.encode())) {
                self.keep_sums(&blob, &Arc::new(sums));
            }
        }
        Ok(Some(Checked::Right(blob.size())))
    }

    /// The piece checksums of content whose file of them is missing or damaged.
    ///
    /// # Errors
    /// [`StorageError::Corrupt`]; those of the system.
    pub(super) fn sums_of(&self, blob: &Blob) -> Result<Arc<Sums>, StorageError> {
        let digest = blob.digest();
        let turn = self.inner.checks.turn(digest);
        let result = {
            let _held = turn.lock().unwrap_or_else(PoisonError::into_inner);
            match self.known_sums(digest, blob.size()) {
                Some(sums) => Ok(sums),
                None => {
                    tracing::info!(%digest, "stored content without checksums is read once to make them");
                    self.make_sums(blob, NOT_ITS_DIGEST)
                }
            }
        };
        self.inner.checks.done(digest, &turn);
        result
    }

    /// Reads all of some content of which a part was wrong: if it is what its digest says after all, then its
    /// checksums were wrong, and these are the right ones. Otherwise it goes into quarantine.
    ///
    /// # Errors
    /// [`StorageError::Corrupt`]; those of the system.
    pub(super) fn look_again(&self, blob: &Blob, why: &str) -> Result<Arc<Sums>, StorageError> {
        let digest = blob.digest();
        let turn = self.inner.checks.turn(digest);
        let result = {
            let _held = turn.lock().unwrap_or_else(PoisonError::into_inner);
            // Whoever had the turn before may have found the same.
            match blob.is_in_place() {
                Ok(false) => Err(StorageError::Corrupt { digest: digest.clone() }),
                Ok(true) | Err(_) => {
                    tracing::warn!(%digest, why, "all of some content is read again");
                    self.inner.sums.remove(digest);
                    // What is in memory may be what is wrong. A system that keeps it does no harm.
                    let _ = rustix::fs::fadvise(blob.file(), 0, None, rustix::fs::Advice::DontNeed);
                    self.make_sums(blob, why)
                }
            }
        };
        self.inner.checks.done(digest, &turn);
        result
    }

    fn make_sums(&self, blob: &Blob, why: &str) -> Result<Arc<Sums>, StorageError> {
        match self.read_all(blob, &mut |_| true) {
            Ok(Some((got, sums))) if got == *blob.digest() && sums.size() == blob.size() => {
                let sums = Arc::new(sums);
                if Sums::are_for(blob.size()) {
                    self.keep_sums(blob, &sums);
                }
                Ok(sums)
            }
            Ok(_) => Err(blob.damaged(why)),
            Err(error) if error.is_damage() => Err(blob.damaged(UNREADABLE)),
            Err(error) => Err(error),
        }
    }

    /// Digest and checksums of all bytes; `None` if it was told to stop.
    fn read_all(
        &self,
        blob: &Blob,
        go_on: &mut dyn FnMut(u64) -> bool,
    ) -> Result<Option<(Digest, Sums)>, StorageError> {
        let mut hasher = Hasher::new(blob.digest().algorithm());
        let mut summing = Summing::new();
        let mut buffer = self.inner.pool.take(PIECE);
        let mut offset = 0;
        loop {
            if offset < blob.size() && !go_on((blob.size() - offset).min(PIECE as u64)) {
                return Ok(None);
            }
            let read = blob.read_at(offset, buffer.as_mut())?;
            let Some(bytes) = buffer.as_ref().get(..read).filter(|bytes| !bytes.is_empty()) else { break };
            hasher.update(bytes);
            summing.update(bytes);
            offset += read as u64;
        }
        Ok(Some((hasher.finish(), summing.finish())))
    }

    /// Keeps checksums in memory and on disk, unless the content was collected while it was read: checksums go
    /// with their content. They can be made again, so failing to write them is no failure.
    fn keep_sums(&self, blob: &Blob, sums: &Arc<Sums>) {
        let digest = blob.digest();
        let kept = {
            let _using = self.inner.gate.using();
            self.inner.files.stat(&Place::blob(digest)).and_then(|there| {
                if there.is_some() {
                    self.inner.sums.put(digest, sums);
                    self.inner.files.replace(&Place::sums(digest), &sums.encode())?;
                }
                Ok(())
            })
        };
        if let Err(error) = kept {
            tracing::warn!(
                %digest,
                error = &error as &dyn std::error::Error,
                "the checksums of content could not be kept"
            );
        }
    }
}

// === impl Checks ===

impl Checks {
    /// The lock of whoever checks this content.
    fn turn(&self, digest: &Digest) -> Arc<Mutex<()>> {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, turn)) = running.iter().find(|(of, _)| of == digest) {
            return Arc::clone(turn);
        }
        let turn = Arc::new(Mutex::new(()));
        running.push((digest.clone(), Arc::clone(&turn)));
        turn
    }

    /// Forgets the lock once nobody else waits for it.
    fn done(&self, digest: &Digest, turn: &Arc<Mutex<()>>) {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        // The list's and the caller's.
        if Arc::strong_count(turn) == 2 {
            running.retain(|(of, _)| of != digest);
        }
    }
}
