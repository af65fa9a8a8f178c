// SPDX-License-Identifier: AGPL-3.0-or-later
//! Reading manifests and tags. Every byte of a manifest is checked against its digest.

use std::error::Error;

use bytes::Bytes;
use shoal_oci::{Digest, Manifest, Reference, RepositoryName, Tag};

use super::records::{ManifestRecord, TagRecord};
use crate::layout::{Area, Place};
use crate::{Blob, Storage, StorageError};

/// The most bytes of content that is read as a manifest.
pub(crate) const MAX_MANIFEST: u64 = 64 << 20;

/// A manifest as it was pushed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredManifest {
    /// Its digest.
    pub digest: Digest,
    /// The type it was pushed with.
    pub media_type: String,
    /// Byte for byte what was pushed.
    pub bytes: Bytes,
}

/// Some of a repository's tags.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TagPage {
    /// In ASCII order.
    pub tags: Vec<Tag>,
    /// There are tags after the last of these.
    pub more: bool,
}

impl Storage {
    /// A manifest by tag or digest; `None` where the repository does not have it.
    ///
    /// # Errors
    /// [`StorageError::Corrupt`] where the content is damaged: it is put away, and absent from then on;
    /// those of the disk.
    pub fn manifest(
        &self,
        repository: &RepositoryName,
        reference: &Reference,
    ) -> Result<Option<StoredManifest>, StorageError> {
        let Some((digest, media_type, _)) = self.manifest_facts(repository, reference)? else {
            return Ok(None);
        };
        match self.verified(&digest) {
            Ok(Some(bytes)) => Ok(Some(StoredManifest { digest, media_type, bytes: bytes.into() })),
            Ok(None) => Ok(None),
            Err(error @ StorageError::Corrupt { .. }) => {
                if let Err(error) = self.put_away_damaged(&digest) {
                    tracing::error!(%digest, error = &error as &dyn Error, "damaged content could not be put away");
                }
                Err(error)
            }
            Err(error) => Err(error),
        }
    }

    /// Opens a manifest by tag or digest, to be read piece by piece, with the type it was pushed with; `None`
    /// where the repository does not have it. Counts as a use.
    ///
    /// # Errors
    /// [`StorageError::Corrupt`] where the content has not the size that was pushed: it is put away. Other damage
    /// shows when it is read. Those of the disk.
    pub fn open_manifest(
        &self,
        repository: &RepositoryName,
        reference: &Reference,
    ) -> Result<Option<(Blob, String)>, StorageError> {
        let Some((digest, media_type, size)) = self.manifest_facts(repository, reference)? else {
            return Ok(None);
        };
        let Some(blob) = self.open_content(&digest)? else { return Ok(None) };
        // A file that became empty has no piece whose check could fail.
        if blob.size() != size && self.manifest(repository, reference)?.is_none() {
            return Ok(None);
        }
        Ok(Some((blob, media_type)))
    }

    /// Digest, type and size (bytes) of a manifest, without reading it; `None` where the repository
    /// does not have it, or its content was put away as damaged. Counts as a use: whoever was told
    /// that it is there may rely on that for the grace of a collection.
    ///
    /// # Errors
    /// [`StorageError::Malformed`] for a damaged record; those of the disk.
    pub fn manifest_facts(
        &self,
        repository: &RepositoryName,
        reference: &Reference,
    ) -> Result<Option<(Digest, String, u64)>, StorageError> {
        let using = self.gate().using();
        let facts = match reference {
            Reference::Tag(tag) => {
                let place = Place::tag(repository, tag);
                let record = self.record::<TagRecord>(&place)?.whole(&place)?;
                record.map(|record| (record.digest, record.media_type, record.size))
            }
            Reference::Digest(digest) => {
                let place = Place::manifest(repository, digest);
                let record = self.record::<ManifestRecord>(&place)?.whole(&place)?;
                record.map(|record| (digest.clone(), record.media_type, record.size))
            }
        };
        let Some((digest, media_type, size)) = facts else { return Ok(None) };
        let place = Place::manifest(repository, &digest);
        let Some(there) = self.files().stat(&place)? else { return Ok(None) };
        if self.files().stat(&Place::blob(&digest))?.is_none() {
            return Ok(None);
        }
        using.manifest(repository, &digest);
        self.used(&place, there.modified);
        Ok(Some((digest, media_type, size)))
    }

    /// The repository's tags after `after` in ASCII order, at most `limit` of them; `None` where there
    /// is no such repository. `after` need not be there (distribution-spec, Listing Tags).
    ///
    /// # Errors
    /// Those of the disk.
    pub fn tags(
        &self,
        repository: &RepositoryName,
        after: Option<&str>,
        limit: Option<usize>,
    ) -> Result<Option<TagPage>, StorageError> {
        let mut tags = self.all_tags(repository)?;
        if tags.is_empty() && !self.is_repository(repository)? {
            return Ok(None);
        }
        if let Some(after) = after {
            tags.retain(|tag| tag.as_str() > after);
        }
        let limit = limit.unwrap_or(usize::MAX);
        // A page of none has no end from which another could go on.
        let more = tags.len() > limit && limit > 0;
        tags.truncate(limit);
        Ok(Some(TagPage { tags, more }))
    }

    /// Puts small content away if it is damaged still: it may have been pushed again meanwhile.
    fn put_away_damaged(&self, digest: &Digest) -> Result<(), StorageError> {
        let alone = self.gate().sweeping();
        match self.verified(digest) {
            Err(StorageError::Corrupt { .. }) => {
                self.put_away(
                    &alone,
                    Area::Corrupt,
                    digest,
                    "a manifest was not what its digest says, or the disk could not read it",
                    None,
                )?;
                Ok(())
            }
            other => other.map(drop),
        }
    }

    /// The whole of some content, checked; `None` where it is not there. What is damaged stays where it
    /// is: the caller may hold the gate.
    ///
    /// # Errors
    /// [`StorageError::Corrupt`], also for content too large to be a manifest's, and for what the disk cannot
    /// read; those of the system.
    pub(crate) fn verified(&self, digest: &Digest) -> Result<Option<Vec<u8>>, StorageError> {
        let bytes = match self.files().read(&Place::blob(digest), MAX_MANIFEST) {
            Err(error) if error.is_damage() || error.is_too_large() => {
                return Err(StorageError::Corrupt { digest: digest.clone() });
            }
            other => other?,
        };
        let Some(bytes) = bytes else { return Ok(None) };
        if Digest::of(digest.algorithm(), &bytes) == *digest {
            Ok(Some(bytes))
        } else {
            Err(StorageError::Corrupt { digest: digest.clone() })
        }
    }

    /// A manifest of the repository, understood; `None` where it is not there or cannot be.
    pub(crate) fn manifest_read(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<Option<(ManifestRecord, Manifest)>, StorageError> {
        let place = Place::manifest(repository, digest);
        let Some(record) = self.record::<ManifestRecord>(&place)?.whole(&place)? else { return Ok(None) };
        let bytes = match self.verified(digest) {
            Ok(Some(bytes)) => bytes,
            Ok(None) | Err(StorageError::Corrupt { .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        Ok(Manifest::read(&record.media_type, &bytes).ok().map(|manifest| (record, manifest)))
    }
}
