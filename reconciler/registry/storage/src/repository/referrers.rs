// SPDX-License-Identifier: AGPL-3.0-or-later
//! What refers to a manifest: signatures, bills of materials (distribution-spec, Listing Referrers).
//!
//! Guarantee: however many there are, one descriptor is in memory at a time.

use std::ops::ControlFlow;

use jiff::Timestamp;
use shoal_oci::{Descriptor, Digest, RepositoryName};

use super::records::{Found, MAX_RECORD};
use crate::layout::Place;
use crate::{Storage, StorageError};

impl Storage {
    /// Descriptors of the repository's manifests whose subject this is, in the order of their digests, one after
    /// the other until `visit` breaks; with `after` only those behind that digest. The subject need not be there,
    /// and neither need `after`.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn each_referrer(
        &self,
        repository: &RepositoryName,
        subject: &Digest,
        after: Option<&str>,
        visit: &mut dyn FnMut(Descriptor) -> ControlFlow<()>,
    ) -> Result<(), StorageError> {
        for referrer in self.referrers_of(repository, subject)? {
            if after.is_some_and(|after| referrer.as_str() <= after) {
                continue;
            }
            if let Some(descriptor) = self.referrer(repository, subject, &referrer)?
                && visit(descriptor).is_break()
            {
                break;
            }
        }
        Ok(())
    }

    /// All of them at once; with `artifact_type` only those of that type.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn referrers(
        &self,
        repository: &RepositoryName,
        subject: &Digest,
        artifact_type: Option<&str>,
    ) -> Result<Vec<Descriptor>, StorageError> {
        let mut found = Vec::new();
        self.each_referrer(repository, subject, None, &mut |descriptor| {
            if artifact_type.is_none_or(|wanted| descriptor.artifact_type.as_deref() == Some(wanted)) {
                found.push(descriptor);
            }
            ControlFlow::Continue(())
        })?;
        Ok(found)
    }

    fn referrer(
        &self,
        repository: &RepositoryName,
        subject: &Digest,
        referrer: &Digest,
    ) -> Result<Option<Descriptor>, StorageError> {
        // An entry without its manifest is what a crash or a copied directory may leave.
        if !self.has_manifest(repository, referrer)? {
            return Ok(None);
        }
        match self.record::<Descriptor>(&Place::referrer(repository, subject, referrer))? {
            Found::Record(descriptor) => Ok(Some(descriptor)),
            Found::Nothing => Ok(None),
            // Everything in it comes from the manifest.
            Found::Damaged(_) => Ok(self
                .manifest_read(repository, referrer)?
                .map(|(record, manifest)| manifest.referrer(referrer, &record.media_type, record.size))),
        }
    }

    /// Writes the entry of a manifest below its subject, durable when it returns.
    pub(super) fn write_referrer(
        &self,
        repository: &RepositoryName,
        subject: &Digest,
        entry: &Descriptor,
        when: Timestamp,
    ) -> Result<(), StorageError> {
        let place = Place::referrer(repository, subject, &entry.digest);
        let mut bytes = serde_json::to_vec(entry)
            .map_err(|source| StorageError::Malformed { path: (&place).into(), source })?;
        // Too large to be read again as a record: an empty one is read from the manifest.
        if bytes.len() as u64 > MAX_RECORD {
            bytes.clear();
        }
        self.files().put(&place, &bytes)?;
        self.note_time(&place, when);
        Ok(())
    }
}
