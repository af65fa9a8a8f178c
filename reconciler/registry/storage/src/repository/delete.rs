// SPDX-License-Identifier: AGPL-3.0-or-later
//! Deleting tags, manifests, and blobs from repositories. Content goes only by collection.
//!
//! Order: the tags that point at a manifest, its entry below its subject, its record. A crash in
//! between leaves a manifest with fewer tags; deleting it again completes it.

use shoal_oci::{Digest, RepositoryName, Tag};

use super::needed::{Deletion, Keep};
use crate::layout::Place;
use crate::{Storage, StorageError};

impl Storage {
    /// Deletes a tag; the manifest stays. `false`: there is no such tag.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn delete_tag(&self, repository: &RepositoryName, tag: &Tag) -> Result<bool, StorageError> {
        self.delete_tag_unless(repository, tag, &|_| false)
    }

    /// Deletes a tag that `immutable` does not say must stay.
    ///
    /// # Errors
    /// [`StorageError::TagImmutable`]; those of the disk.
    pub fn delete_tag_unless(
        &self,
        repository: &RepositoryName,
        tag: &Tag,
        immutable: &dyn Fn(&Tag) -> bool,
    ) -> Result<bool, StorageError> {
        let _using = self.gate().using();
        let _alone = self.gate().repository(repository);
        let place = Place::tag(repository, tag);
        if self.files().stat(&place)?.is_none() {
            return Ok(false);
        }
        if immutable(tag) {
            return Err(StorageError::TagImmutable(tag.clone()));
        }
        self.files().remove(&place)?;
        self.index().remove(repository, tag);
        self.files().sync_parent(&place)?;
        Ok(true)
    }

    /// Deletes a manifest and every tag that points at it. `false`: the repository does not have it.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn delete_manifest(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<bool, StorageError> {
        Ok(self.delete_manifest_unless(repository, digest, Keep::default())? == Deletion::Done)
    }

    /// Deletes a manifest and every tag that points at it, unless it is to be kept: then nothing was deleted.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn delete_manifest_unless(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
        keep: Keep<'_>,
    ) -> Result<Deletion, StorageError> {
        let _using = self.gate().using();
        let _alone = self.gate().repository(repository);
        let place = Place::manifest(repository, digest);
        if self.files().stat(&place)?.is_none() {
            return Ok(Deletion::Absent);
        }
        if let Some(need) = self.need(repository, digest, keep)? {
            return Ok(Deletion::Needed(need));
        }
        let tags = self.index().pointing_at(repository, digest);
        for tag in &tags {
            self.files().remove(&Place::tag(repository, tag))?;
            self.index().remove(repository, tag);
        }
        if !tags.is_empty() {
            self.files().sync_dir(&Place::tags(repository))?;
        }
        for subject in self.subjects_of(repository, digest)? {
            let entry = Place::referrer(repository, &subject, digest);
            if self.files().remove(&entry)? {
                self.files().sync_parent(&entry)?;
            }
        }
        self.files().remove(&place)?;
        self.files().sync_parent(&place)?;
        Ok(Deletion::Done)
    }

    /// Takes a blob out of the repository as [`Storage::delete_blob()`] does, unless it is to be kept.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn delete_blob_unless(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
        keep: Keep<'_>,
    ) -> Result<Deletion, StorageError> {
        let _using = self.gate().using();
        // A manifest that needs it may be on its way.
        let _alone = self.gate().repository(repository);
        let link = Place::link(repository, digest);
        if self.files().stat(&link)?.is_none() {
            return Ok(Deletion::Absent);
        }
        if let Some(need) = self.need(repository, digest, keep)? {
            return Ok(Deletion::Needed(need));
        }
        self.files().remove(&link)?;
        self.files().sync_parent(&link)?;
        Ok(Deletion::Done)
    }

    /// Below which subjects the manifest has an entry: its own, or where it cannot be read any more
    /// whichever are found.
    fn subjects_of(&self, repository: &RepositoryName, digest: &Digest) -> Result<Vec<Digest>, StorageError> {
        match self.manifest_read(repository, digest) {
            Ok(Some((_, manifest))) => {
                Ok(manifest.subject.map(|subject| subject.digest).into_iter().collect())
            }
            Ok(None) | Err(StorageError::Malformed { .. }) => {
                let entries = self.all_referrers(repository)?.into_iter();
                Ok(entries.filter(|(_, referrer)| referrer == digest).map(|(subject, _)| subject).collect())
            }
            Err(error) => Err(error),
        }
    }
}
