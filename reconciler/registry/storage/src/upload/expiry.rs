// SPDX-License-Identifier: AGPL-3.0-or-later
//! Removing uploads that nobody goes on with.

use jiff::SignedDuration;

use super::UploadId;
use crate::layout::Place;
use crate::{Storage, StorageError};

impl Storage {
    /// Removes uploads to which nobody has written for as long as the options say. One that is being written to
    /// stays, however slowly its bytes come. Returns how many went: none where the clock
    /// is days ahead of the last run.
    ///
    /// # Errors
    /// Those of the system.
    pub fn expire_uploads(&self) -> Result<u64, StorageError> {
        if self.clock_jumped("expire", false) {
            return Ok(0);
        }
        let now = self.inner.options.clock.now();
        let lifetime =
            SignedDuration::try_from(self.inner.options.uploads_expire).unwrap_or(SignedDuration::MAX);
        let uploads = Place::uploads();
        let mut expired = 0;
        for entry in self.inner.files.list(&uploads)? {
            let Some(id) = entry.name.to_str().and_then(id_of) else { continue };
            let Some(place) = uploads.child(&entry.name) else { continue };
            let Some(stat) = self.inner.files.stat(&place)? else { continue };
            if now.duration_since(stat.modified) < lifetime {
                continue;
            }
            match self.remove_upload(id, &place) {
                Ok(removed) => expired += u64::from(removed),
                Err(StorageError::UploadBusy(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(expired)
    }
}

/// The upload that a file belongs to; files of other names are not ours to remove.
fn id_of(name: &str) -> Option<UploadId> {
    let (id, rest) = name.split_once('.')?;
    let (repository, algorithm) = rest.split_once('.')?;
    (repository.len() == 16 && shoal_oci::Algorithm::parse(algorithm).is_ok()).then(|| UploadId::parse(id))?
}
