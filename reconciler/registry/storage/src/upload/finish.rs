// SPDX-License-Identifier: AGPL-3.0-or-later
//! The end of an upload: its bytes become content of a repository.
//!
//! The steps, each of which leaves the storage consistent: sync the bytes; write their piece checksums; link them into
//! the repository and sync that; move them into place, over what is there, and sync that. The link comes first: without
//! content it is as good as none, and the upload can be taken up; content without it would be in no repository, and the
//! upload gone.
//!
//! Two clients that finish the same content both succeed; the later move replaces a file with its equal. This is
//! also how damaged content is replaced.

use std::os::unix::fs::FileExt as _;

use shoal_oci::{Algorithm, Digest, Hasher};

use super::UploadWriter;
use super::session::Progress;
use crate::layout::Place;
use crate::pool::PIECE;
use crate::sums::Sums;
use crate::{Storage, StorageError};

impl UploadWriter {
    /// Checks that the bytes are those of the digest, and makes them content of the repository: durable when this
    /// returns. Returns the size in bytes.
    ///
    /// # Errors
    /// [`StorageError::DigestMismatch`], after which the upload is gone. [`StorageError::NoSpace`] and those of the
    /// system: the upload stays where it can be gone on with, that is unless syncing it failed or it was in place
    /// already.
    pub fn finish(mut self, expected: &Digest) -> Result<u64, StorageError> {
        let Some(progress) = self.progress.take() else { return Err(StorageError::UploadUnknown(self.id)) };
        match self.place_content(&progress, expected) {
            Ok(()) => {
                self.storage.inner.uploads.forget(self.id);
                Ok(progress.received)
            }
            Err(Failed::Ended(error)) => {
                self.storage.inner.files.discard(&self.place);
                self.storage.inner.uploads.forget(self.id);
                Err(error)
            }
            Err(Failed::Kept(error)) => {
                self.progress = Some(progress);
                Err(error)
            }
        }
    }

    fn place_content(&self, progress: &Progress, expected: &Digest) -> Result<(), Failed> {
        let got = if expected.algorithm() == self.algorithm {
            progress.hasher.clone().finish()
        } else {
            self.digest_again(expected.algorithm(), progress.received).map_err(Failed::Kept)?
        };
        if got != *expected {
            return Err(Failed::Ended(StorageError::DigestMismatch { expected: expected.clone(), got }));
        }
        let files = &self.storage.inner.files;
        // After a failed sync the system may have dropped bytes and not say so again: nothing of this can be
        // trusted any more.
        files.sync_file(&self.place, &self.file).map_err(Failed::Ended)?;
        let sums = progress.summing.finish();
        if Sums::are_for(sums.size()) {
            files.replace(&Place::sums(expected), &sums.encode()).map_err(Failed::Kept)?;
        }
        let blob = Place::blob(expected);
        let link = Place::link(&self.repository, expected);
        let using = self.storage.inner.gate.using();
        using.blob(&self.repository, expected);
        files.make_parent(&link).map_err(Failed::Kept)?;
        self.storage.link_content(&link).map_err(Failed::Kept)?;
        files.sync_parent(&link).map_err(Failed::Ended)?;
        files.rename(&self.place, &blob).map_err(Failed::Kept)?;
        self.storage.came(&self.repository, progress.received);
        files.sync_parent(&blob).map_err(Failed::Ended)
    }

    /// The digest by another algorithm than the one the bytes were hashed with as they came.
    fn digest_again(&self, algorithm: Algorithm, size: u64) -> Result<Digest, StorageError> {
        let mut hasher = Hasher::new(algorithm);
        let mut buffer = self.storage.inner.pool.take(PIECE);
        let mut offset = 0;
        while offset < size {
            match self.file.read_at(buffer.as_mut(), offset) {
                Ok(0) => break,
                Ok(read) => {
                    hasher.update(buffer.as_ref().get(..read).unwrap_or_default());
                    offset += read as u64;
                }
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(StorageError::io("read", &self.place, error)),
            }
        }
        Ok(hasher.finish())
    }
}

impl Storage {
    /// Makes a link, or makes it young again.
    fn link_content(&self, link: &Place) -> Result<(), StorageError> {
        self.inner.files.mark(link)?;
        // The time of the storage's clock, which is the one that collecting goes by.
        self.inner.files.touch(link, self.inner.options.clock.now())
    }
}

/// Why an upload did not become content.
enum Failed {
    /// It is as it was, and can be gone on with or finished again.
    Kept(StorageError),
    /// It is over.
    Ended(StorageError),
}
