// SPDX-License-Identifier: AGPL-3.0-or-later
//! Which repositories there are, and listing what lies in their directories.
//!
//! What is not named as the storage names its files is not the storage's: it is skipped, and never
//! removed.

use std::ffi::OsString;

use shoal_oci::{Algorithm, Digest, RepositoryName, Tag};

use crate::layout::{ALGORITHMS, Place, from_dashed};
use crate::{Storage, StorageError};

impl Storage {
    /// All repositories that hold something or once did and were not collected since, sorted.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn repositories(&self) -> Result<Vec<RepositoryName>, StorageError> {
        self.files().repositories()
    }

    /// Whether there is such a repository.
    pub(crate) fn is_repository(&self, name: &RepositoryName) -> Result<bool, StorageError> {
        // A directory without one of these is only on the way to other repositories.
        let own = |entry: &OsString| entry.to_str().is_some_and(|entry| entry.starts_with('_'));
        Ok(self.list(&Place::repository(name))?.iter().any(own))
    }

    /// The digests that files of a directory per algorithm are named by, sorted.
    pub(crate) fn digests(
        &self,
        directory: impl Fn(Algorithm) -> Place,
    ) -> Result<Vec<Digest>, StorageError> {
        let mut found = Vec::new();
        for algorithm in ALGORITHMS {
            for entry in self.list(&directory(algorithm))? {
                let digest = entry.to_str().and_then(|hex| Digest::parse(&format!("{algorithm}:{hex}")).ok());
                found.extend(digest);
            }
        }
        Ok(found)
    }

    /// The repository's tags, in ASCII order.
    pub(crate) fn all_tags(&self, repository: &RepositoryName) -> Result<Vec<Tag>, StorageError> {
        let entries = self.list(&Place::tags(repository))?;
        Ok(entries.iter().filter_map(|entry| Tag::parse(entry.to_str()?).ok()).collect())
    }

    /// Every (subject, referrer) that the repository has an entry of.
    pub(crate) fn all_referrers(
        &self,
        repository: &RepositoryName,
    ) -> Result<Vec<(Digest, Digest)>, StorageError> {
        let mut found = Vec::new();
        for entry in self.list(&Place::all_referrers(repository))? {
            if let Some(subject) = entry.to_str().and_then(from_dashed) {
                let referrers = self.referrers_of(repository, &subject)?;
                found.extend(referrers.into_iter().map(|referrer| (subject.clone(), referrer)));
            }
        }
        Ok(found)
    }

    /// The manifests that the repository has an entry of as referring to the subject, sorted.
    pub(crate) fn referrers_of(
        &self,
        repository: &RepositoryName,
        subject: &Digest,
    ) -> Result<Vec<Digest>, StorageError> {
        let entries = self.list(&Place::referrers(repository, subject))?;
        Ok(entries.iter().filter_map(|entry| from_dashed(entry.to_str()?)).collect())
    }

    /// The names in a directory, sorted; none where there is none.
    fn list(&self, place: &Place) -> Result<Vec<OsString>, StorageError> {
        Ok(self.files().list(place)?.into_iter().map(|entry| entry.name).collect())
    }
}
