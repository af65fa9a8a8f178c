// SPDX-License-Identifier: AGPL-3.0-or-later
//! Which blobs belong to which repository: one empty file each, whose time says when it was used last.

use jiff::{SignedDuration, Timestamp};
use shoal_oci::{Digest, RepositoryName};

use super::gate::Using;
use crate::layout::Place;
use crate::{Storage, StorageError};

/// A time that is younger than this is not written again on use: reading would become writing. So what was asked
/// for stays for the grace of a collection less this, which is much shorter than any.
const FRESH: SignedDuration = SignedDuration::from_secs(10);

impl Storage {
    /// Makes the blob belong to the repository, durable when it returns.
    pub(crate) fn link(
        &self,
        using: &Using<'_>,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<(), StorageError> {
        using.blob(repository, digest);
        let place = Place::link(repository, digest);
        let size = self.size_of(digest)?;
        let marked = self.files().mark(&place);
        self.came(repository, size);
        marked?;
        self.files().touch(&place, self.now())?;
        // Also one that was there: whoever made it may not have come that far.
        self.files().sync_parent(&place)
    }

    /// Whether the blob belongs to the repository and its content is there. Content that was found
    /// damaged is not: who wants to push it is to push it again.
    pub(crate) fn has_blob(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<bool, StorageError> {
        Ok(self.files().stat(&Place::link(repository, digest))?.is_some()
            && self.files().stat(&Place::blob(digest))?.is_some())
    }

    /// Whether the manifest is in the repository and its content is there.
    pub(crate) fn has_manifest(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<bool, StorageError> {
        Ok(self.files().stat(&Place::manifest(repository, digest))?.is_some()
            && self.files().stat(&Place::blob(digest))?.is_some())
    }

    /// Notes on disk that what a link stands for was used. Failing to is no reason to fail the use.
    pub(crate) fn used(&self, link: &Place, modified: Timestamp) {
        let now = self.now();
        // A time in the future is brought back too: the clock was wrong when it was written.
        if now.duration_since(modified).abs() < FRESH {
            return;
        }
        if let Err(error) = self.files().touch(link, now) {
            tracing::warn!(%link, %error, "the time of last use could not be written");
        }
    }

    /// Makes a blob that another repository has belong to this one too, without its bytes being sent
    /// (distribution-spec, Mounting a blob from another repository). `from` names that repository;
    /// without it any is good. Only repositories that `visible` lets through count. `false`: none has
    /// it, so the client is to upload it.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn mount(
        &self,
        to: &RepositoryName,
        from: Option<&RepositoryName>,
        digest: &Digest,
        visible: &dyn Fn(&RepositoryName) -> bool,
    ) -> Result<bool, StorageError> {
        let using = self.gate().using();
        let found = self.mountable(from, digest, visible)?.is_some();
        if found {
            // Whoever uploaded it may still wait for this.
            self.files().sync_parent(&Place::blob(digest))?;
            self.link(&using, to, digest)?;
        }
        Ok(found)
    }

    /// The size in bytes of what [`Storage::mount()`] would find with the same arguments.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn mountable(
        &self,
        from: Option<&RepositoryName>,
        digest: &Digest,
        visible: &dyn Fn(&RepositoryName) -> bool,
    ) -> Result<Option<u64>, StorageError> {
        let Some(stat) = self.files().stat(&Place::blob(digest))? else { return Ok(None) };
        let found = match from {
            Some(from) => visible(from) && self.has_blob(from, digest)?,
            None => self.any_repository_has(digest, visible)?,
        };
        Ok(found.then_some(stat.size))
    }

    fn any_repository_has(
        &self,
        digest: &Digest,
        visible: &dyn Fn(&RepositoryName) -> bool,
    ) -> Result<bool, StorageError> {
        for repository in self.repositories()? {
            if visible(&repository) && self.has_blob(&repository, digest)? {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
