// SPDX-License-Identifier: AGPL-3.0-or-later
//! What refers to a manifest: signatures, bills of materials (distribution-spec, Listing Referrers).

use shoal_oci::{Descriptor, Digest, RepositoryName};

use super::records::Found;
use crate::layout::Place;
use crate::{Storage, StorageError};

impl Storage {
    /// Descriptors of the repository's manifests whose subject this is, sorted by digest; with
    /// `artifact_type` only those of that type. The subject need not be there.
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
        for referrer in self.referrers_of(repository, subject)? {
            // An entry without its manifest is what a crash or a copied directory may leave.
            if !self.has_manifest(repository, &referrer)? {
                continue;
            }
            let entry = self.record::<Descriptor>(&Place::referrer(repository, subject, &referrer))?;
            let descriptor = match entry {
                Found::Record(descriptor) => Some(descriptor),
                Found::Nothing => None,
                // Everything in it comes from the manifest.
                Found::Damaged(_) => self
                    .manifest_read(repository, &referrer)?
                    .map(|(record, manifest)| manifest.referrer(&referrer, &record.media_type, record.size)),
            };
            found.extend(descriptor);
        }
        if let Some(wanted) = artifact_type {
            found.retain(|descriptor| descriptor.artifact_type.as_deref() == Some(wanted));
        }
        found.sort_by(|one, other| one.digest.cmp(&other.digest));
        Ok(found)
    }
}
