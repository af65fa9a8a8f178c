// SPDX-License-Identifier: AGPL-3.0-or-later
//! Content that belongs to a repository: whether it is there, opening it, taking it out.

mod check;
mod fresh;
mod read;
mod span;

use std::sync::Arc;

use shoal_oci::{Digest, RepositoryName};

pub(crate) use check::{Checked, Checks};
pub(crate) use fresh::Fresh;
pub use read::{Blob, PieceRead};
pub use span::{Span, SpanRead};

use crate::disk::Stat;
use crate::layout::{Area, Place};
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

    /// Opens content, whoever it belongs to. Not while the gate is held.
    ///
    /// # Errors
    /// [`StorageError::Corrupt`] where the disk cannot; the content is in quarantine then. Those of the system.
    pub(crate) fn open_content(&self, digest: &Digest) -> Result<Option<Blob>, StorageError> {
        let place = Place::blob(digest);
        let file = match self.inner.files.open(&place) {
            Err(error) if error.is_damage() => {
                self.condemn(digest, None, "the disk cannot open it");
                return Err(StorageError::Corrupt { digest: digest.clone() });
            }
            other => other?,
        };
        let Some(file) = file else { return Ok(None) };
        let stat = Stat::of(&file).map_err(|error| StorageError::io("look at", &place, error))?;
        if !stat.is_file {
            let error = std::io::Error::other("it is not a regular file");
            return Err(StorageError::io("read", &place, error));
        }
        let blob = Blob::new(self.clone(), digest.clone(), file, stat);
        if Sums::are_for(stat.size)
            && let Some(sums) = self.known_sums(digest, stat.size)
        {
            blob.know(sums);
        }
        Ok(Some(blob))
    }

    /// The piece checksums of content, if they are in memory or in a file that is whole. They can be made again,
    /// so a file that cannot be read is as good as none.
    fn known_sums(&self, digest: &Digest, size: u64) -> Option<Arc<Sums>> {
        if let Some(sums) = self.inner.sums.get(digest, size) {
            return Some(sums);
        }
        let read = self.inner.files.read(&Place::sums(digest), Sums::file_size(size));
        let bytes = read.unwrap_or_else(|error| {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(%digest, error, "checksums of content cannot be read, and are made again");
            None
        });
        let sums = Arc::new(Sums::decode(&bytes?, size)?);
        self.inner.sums.put(digest, &sums);
        Some(sums)
    }

    /// Puts damaged content into quarantine. `stat` is that of the file that is meant, where it could be opened.
    /// `false`: it was not there any more, or other content was in its place.
    fn condemn(&self, digest: &Digest, stat: Option<Stat>, why: &str) -> bool {
        let alone = self.inner.gate.sweeping();
        match self.put_away(&alone, Area::Corrupt, digest, why, stat) {
            Ok(Some(_)) => tracing::error!(%digest, why, "stored content is damaged"),
            Ok(None) => {
                tracing::warn!(%digest, why, "content that was just taken away is damaged");
                return false;
            }
            // It stays where it is, and is found damaged again by whoever reads it next.
            Err(error) => tracing::error!(
                %digest,
                why,
                error = &error as &dyn std::error::Error,
                "stored content is damaged, and could not be put into quarantine"
            ),
        }
        true
    }
}
