// SPDX-License-Identifier: AGPL-3.0-or-later
//! Content that belongs to a repository: whether it is there, opening it, taking it out.

mod check;
mod read;

use std::sync::Arc;

use shoal_oci::{Digest, RepositoryName};

pub(crate) use check::{Checked, Checks};
pub use read::{Blob, PieceRead};

use crate::disk::Stat;
use crate::layout::Place;
use crate::sums::Sums;
use crate::{Storage, StorageError};

impl Storage {
    /// Opens the content of a blob that belongs to the repository; `None` if there is none. What is opened can be
    /// read to its end even if it is deleted meanwhile. Counts as a use, which keeps it from being collected.
    ///
    /// # Errors
    /// Those of the system. That content is damaged shows when it is read.
    pub fn blob(&self, repository: &RepositoryName, digest: &Digest) -> Result<Option<Blob>, StorageError> {
        if self.linked(repository, digest)?.is_none() {
            return Ok(None);
        }
        self.open_content(digest)
    }

    /// The size of a blob in bytes, without opening it; `None` if the repository has none such. Counts as a use:
    /// a client that hears that it is there will not push it.
    ///
    /// # Errors
    /// Those of the system.
    pub fn blob_size(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<Option<u64>, StorageError> {
        Ok(self.linked(repository, digest)?.map(|stat| stat.size))
    }

    /// Takes a blob out of the repository. Others that have it keep it; content that nobody has is collected
    /// later. `false`: the repository has none such.
    ///
    /// # Errors
    /// Those of the system.
    pub fn delete_blob(&self, repository: &RepositoryName, digest: &Digest) -> Result<bool, StorageError> {
        let _using = self.inner.gate.using();
        let link = Place::link(repository, digest);
        if !self.inner.files.remove(&link)? {
            return Ok(false);
        }
        self.inner.files.sync_parent(&link)?;
        Ok(true)
    }

    /// What is known of the content of a blob that belongs to the repository, and a note that it was used.
    fn linked(&self, repository: &RepositoryName, digest: &Digest) -> Result<Option<Stat>, StorageError> {
        let using = self.inner.gate.using();
        let link = Place::link(repository, digest);
        let Some(linked) = self.inner.files.stat(&link)? else { return Ok(None) };
        let Some(stat) = self.inner.files.stat(&Place::blob(digest))? else { return Ok(None) };
        using.blob(repository, digest);
        self.used(&link, linked.modified);
        Ok(Some(stat))
    }

    /// Opens content, whoever it belongs to.
    ///
    /// # Errors
    /// Those of the system.
    pub(crate) fn open_content(&self, digest: &Digest) -> Result<Option<Blob>, StorageError> {
        let place = Place::blob(digest);
        let Some(file) = self.inner.files.open(&place)? else { return Ok(None) };
        let stat = Stat::of(&file).map_err(|error| StorageError::io("look at", &place, error))?;
        if !stat.is_file {
            let error = std::io::Error::other("it is not a regular file");
            return Err(StorageError::io("read", &place, error));
        }
        let blob = Blob::new(self.clone(), digest.clone(), file, stat);
        if Sums::are_for(stat.size)
            && let Some(sums) = self.known_sums(digest, stat.size)?
        {
            blob.know(sums);
        }
        Ok(Some(blob))
    }

    /// The piece checksums of content, if they are in memory or in a file that is whole.
    fn known_sums(&self, digest: &Digest, size: u64) -> Result<Option<Arc<Sums>>, StorageError> {
        if let Some(sums) = self.inner.sums.get(digest, size) {
            return Ok(Some(sums));
        }
        let place = Place::sums(digest);
        let limit = Sums::file_size(size);
        let bytes = match self.inner.files.root().read(&place, limit) {
            Err(error) if error.kind() == std::io::ErrorKind::FileTooLarge => None,
            other => other.map_err(|error| StorageError::io("read", &place, error))?,
        };
        let Some(sums) = bytes.and_then(|bytes| Sums::decode(&bytes, size)) else { return Ok(None) };
        let sums = Arc::new(sums);
        self.inner.sums.put(digest, &sums);
        Ok(Some(sums))
    }
}
