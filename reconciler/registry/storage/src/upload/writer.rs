// SPDX-License-Identifier: AGPL-3.0-or-later
//! Writing the bytes of an upload, hashing them on the way.

use std::fmt;
use std::fs::File;
use std::os::unix::fs::FileExt as _;

use shoal_oci::{Algorithm, RepositoryName};

use super::UploadId;
use super::early::Early;
use super::session::Progress;
use crate::disk::Stat;
use crate::layout::Place;
use crate::pool::PIECE;
use crate::{Storage, StorageError};

/// The one who writes to an upload. Dropping it keeps the bytes, and lets another one go on.
pub struct UploadWriter {
    pub(super) storage: Storage,
    pub(super) repository: RepositoryName,
    pub(super) id: UploadId,
    pub(super) place: Place,
    pub(super) file: File,
    pub(super) algorithm: Algorithm,
    /// Gone once the upload has ended.
    pub(super) progress: Option<Progress>,
    early: Early,
}

// === impl UploadWriter ===

impl UploadWriter {
    /// Opens an upload that was taken. Reads what is there and not known.
    pub(super) fn open(
        storage: Storage,
        repository: RepositoryName,
        (id, place, algorithm): (UploadId, Place, Algorithm),
        progress: Option<Progress>,
    ) -> Result<Self, StorageError> {
        let opened = storage.inner.files.root().open_for_writing(&place);
        let file = match opened {
            Ok(file) => file,
            Err(error) => {
                storage.inner.uploads.forget(id);
                return Err(match error.kind() {
                    std::io::ErrorKind::NotFound => StorageError::UploadUnknown(id),
                    _ => StorageError::io("open", &place, error),
                });
            }
        };
        // From here on dropping it lets go of the upload.
        let early = Early::default();
        let mut writer = Self { storage, repository, id, place, file, algorithm, progress, early };
        if let Err(error) = writer.catch_up() {
            // What was computed half way is not to be gone on from.
            writer.progress = None;
            writer.storage.inner.uploads.forget(id);
            return Err(error);
        }
        Ok(writer)
    }

    /// How many bytes there are.
    pub fn received(&self) -> u64 {
        self.progress.as_ref().map_or(0, |progress| progress.received)
    }

    /// Appends bytes. After an error those that came as far as the file count: ask [`UploadWriter::received()`].
    ///
    /// # Errors
    /// [`StorageError::NoSpace`], after which the upload can be gone on with; those of the system.
    pub fn write(&mut self, mut bytes: &[u8]) -> Result<(), StorageError> {
        let Some(progress) = &mut self.progress else { return Err(StorageError::UploadUnknown(self.id)) };
        while !bytes.is_empty() {
            let files = &self.storage.inner.files;
            let written = files.write_some(&self.place, &self.file, progress.received, bytes)?;
            let (done, rest) = bytes.split_at(written.min(bytes.len()));
            self.early.wrote(done.len() as u64, || files.root().open_file(&self.place).ok());
            progress.update(done);
            bytes = rest;
        }
        Ok(())
    }

    /// Makes what was computed agree with what is in the file.
    fn catch_up(&mut self) -> Result<(), StorageError> {
        let stat = Stat::of(&self.file).map_err(|error| StorageError::io("look at", &self.place, error))?;
        let fresh = || Progress::new(self.algorithm);
        // Shorter than what came: somebody else has cut it.
        let mut progress =
            self.progress.take().filter(|known| known.received <= stat.size).unwrap_or_else(fresh);
        let mut buffer = self.storage.inner.pool.take(PIECE);
        while progress.received < stat.size {
            match self.file.read_at(buffer.as_mut(), progress.received) {
                Ok(0) => break,
                Ok(read) => progress.update(buffer.as_ref().get(..read).unwrap_or_default()),
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(StorageError::io("read", &self.place, error)),
            }
        }
        self.progress = Some(progress);
        Ok(())
    }
}

impl Drop for UploadWriter {
    fn drop(&mut self) {
        if let Some(progress) = self.progress.take() {
            self.storage.inner.uploads.release(self.id, progress);
        }
    }
}

impl fmt::Debug for UploadWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UploadWriter")
            .field("id", &self.id)
            .field("received", &self.received())
            .finish_non_exhaustive()
    }
}
