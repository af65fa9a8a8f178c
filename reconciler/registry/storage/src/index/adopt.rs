// SPDX-License-Identifier: AGPL-3.0-or-later
//! Taking over a directory that another tool wrote: an OCI image layout without repositories.
//!
//! `index.json` says which manifests there are and what they are called; everything they reach and
//! that is there becomes part of the repository that the name says. What is called `repository:tag` or
//! `host/repository:tag` keeps its name; what has only a tag, or no name, comes into the repository
//! `imported`. Manifests with a subject are among its referrers afterwards, those listed under a
//! fallback tag too (distribution-spec, Enabling the Referrers API).
//!
//! Done twice it does the same, so a crash in the middle needs no repair. Nothing is removed.

use std::collections::BTreeSet;

use serde::Deserialize;
use shoal_oci::{Descriptor, Digest, ImageReference, Manifest, ManifestKind, RepositoryName, Tag};

use super::REF_NAME;
use crate::layout::Place;
use crate::repository::gate::Using;
use crate::repository::records::{Found, ManifestRecord, TagRecord};
use crate::{Storage, StorageError};

/// Where manifests come that no repository is named for.
const UNNAMED: &str = "imported";

/// What containerd and Docker write beside a bare tag: the whole name.
const FULL_NAME: &str = "io.containerd.image.name";

/// The most bytes of an index that is taken over.
const MAX_INDEX: u64 = 256 << 20;

/// What is read of a foreign index.
#[derive(Deserialize)]
struct Foreign {
    #[serde(default)]
    manifests: Vec<serde_json::Value>,
}

impl Storage {
    /// Links what `index.json` of a foreign layout lists. Returns how many manifests it took over.
    ///
    /// # Errors
    /// [`StorageError::Malformed`] where `index.json` is no index; those of the disk.
    pub(crate) fn adopt(&self) -> Result<u64, StorageError> {
        let place = Place::index();
        let Some(bytes) = self.files().read(&place, MAX_INDEX)? else { return Ok(0) };
        let foreign: Foreign = serde_json::from_slice(&bytes)
            .map_err(|source| StorageError::Malformed { path: (&place).into(), source })?;
        let using = self.gate().using();
        let mut adopted = 0;
        for (at, value) in foreign.manifests.iter().enumerate() {
            let Ok(descriptor) = Descriptor::deserialize(value) else {
                tracing::warn!(at, "index.json lists something that is not a descriptor");
                continue;
            };
            let (repository, tag) = name_of(&descriptor);
            if !self.adopt_manifest(&using, &repository, &descriptor)? {
                tracing::warn!(digest = %descriptor.digest, "index.json lists a manifest that is not there");
                continue;
            }
            adopted += 1;
            let Some((record, manifest)) = self.manifest_read(&repository, &descriptor.digest)? else {
                continue;
            };
            if manifest.kind == ManifestKind::Index {
                self.adopt_referrers(&repository, &tag, &manifest)?;
            }
            let record = TagRecord {
                digest: descriptor.digest.clone(),
                media_type: record.media_type,
                size: record.size,
                pushed: record.pushed,
                // The order of the list is the only one that is known.
                sequence: at as u64,
            };
            self.adopt_tag(&repository, tag, &record)?;
        }
        Ok(adopted)
    }

    /// Writes a tag, unless it is there. Two manifests can have one name in a layout: the first gets it.
    fn adopt_tag(
        &self,
        repository: &RepositoryName,
        tag: Tag,
        record: &TagRecord,
    ) -> Result<(), StorageError> {
        for tag in [tag, short_tag(&record.digest)] {
            let place = Place::tag(repository, &tag);
            match self.record::<TagRecord>(&place)? {
                Found::Record(there) if there.digest == record.digest => return Ok(()),
                Found::Record(_) => {}
                Found::Nothing | Found::Damaged(_) => {
                    return self.write_record(&place, record, record.pushed);
                }
            }
        }
        Ok(())
    }

    /// Links a manifest and what it reaches. `false`: it is not there, or is none. Without recursion:
    /// how deep indexes are nested is up to whoever wrote them.
    fn adopt_manifest(
        &self,
        using: &Using<'_>,
        repository: &RepositoryName,
        descriptor: &Descriptor,
    ) -> Result<bool, StorageError> {
        let mut seen = BTreeSet::new();
        let mut open = vec![descriptor.clone()];
        while let Some(descriptor) = open.pop() {
            if !seen.insert(descriptor.digest.clone()) {
                continue;
            }
            let read = match self.verified(&descriptor.digest) {
                Ok(Some(bytes)) => {
                    Manifest::read(&descriptor.media_type, &bytes).ok().map(|read| (read, bytes))
                }
                Ok(None) | Err(StorageError::Corrupt { .. }) => None,
                Err(error) => return Err(error),
            };
            if let Some((manifest, bytes)) = read {
                self.adopt_links(using, repository, &manifest)?;
                self.adopt_record(repository, &descriptor, &manifest, bytes.len() as u64)?;
                open.extend(manifest.manifests);
            } else if seen.len() == 1 {
                return Ok(false);
            } else if self.files().stat(&Place::blob(&descriptor.digest))?.is_some() {
                // An index may list what is no manifest.
                self.link(using, repository, &descriptor.digest)?;
            }
        }
        Ok(true)
    }

    fn adopt_links(
        &self,
        using: &Using<'_>,
        repository: &RepositoryName,
        manifest: &Manifest,
    ) -> Result<(), StorageError> {
        for blob in manifest.all_blobs() {
            if self.files().stat(&Place::blob(&blob.digest))?.is_some() {
                self.link(using, repository, &blob.digest)?;
            }
        }
        Ok(())
    }

    fn adopt_record(
        &self,
        repository: &RepositoryName,
        descriptor: &Descriptor,
        manifest: &Manifest,
        size: u64,
    ) -> Result<(), StorageError> {
        let (digest, media_type, pushed) = (&descriptor.digest, &descriptor.media_type, self.now());
        let place = Place::manifest(repository, digest);
        if !matches!(self.record::<ManifestRecord>(&place)?, Found::Record(_)) {
            let record = ManifestRecord { media_type: media_type.clone(), size, pushed };
            self.write_record(&place, &record, pushed)?;
        }
        if let Some(subject) = &manifest.subject {
            let entry = manifest.referrer(digest, media_type, size);
            self.write_record(&Place::referrer(repository, &subject.digest, digest), &entry, pushed)?;
        }
        Ok(())
    }
}

/// The repository and the tag that a manifest of an index is called by.
fn name_of(descriptor: &Descriptor) -> (RepositoryName, Tag) {
    let names = [FULL_NAME, REF_NAME].into_iter().filter_map(|key| descriptor.annotations.get(key));
    let mut tag = None;
    for name in names {
        if let Some((repository, tag)) = name.rsplit_once(':')
            && let (Ok(repository), Ok(tag)) = (RepositoryName::parse(repository), Tag::parse(tag))
            && !is_host(&repository)
        {
            return (repository, tag);
        }
        if let Ok(reference) = ImageReference::parse(name)
            && let Some(tag) = reference.tag
        {
            return (reference.repository, tag);
        }
        tag = tag.or_else(|| Tag::parse(name).ok());
    }
    let repository = RepositoryName::parse(UNNAMED).expect("a word of letters is a name");
    (repository, tag.unwrap_or_else(|| short_tag(&descriptor.digest)))
}

/// The tag of what has no name, and would be garbage without one: the digits that tools show.
fn short_tag(digest: &Digest) -> Tag {
    Tag::parse(&digest.hex()[..12]).expect("hex digits are a tag")
}

/// Whether a name begins with a host, as in `docker.io/library/debian`.
fn is_host(repository: &RepositoryName) -> bool {
    repository.as_str().split_once('/').is_some_and(|(first, _)| first.contains('.') || first == "localhost")
}

#[cfg(test)]
mod tests {
    use super::*;
    use shoal_oci::{Algorithm, media_type};

    fn named(annotations: &[(&str, &str)]) -> String {
        let digest = Digest::of(Algorithm::Sha256, b"");
        let mut descriptor = Descriptor::new(media_type::IMAGE_MANIFEST, digest, 0);
        let annotations = annotations.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        descriptor.annotations = annotations.collect();
        let (repository, tag) = name_of(&descriptor);
        format!("{repository}:{tag}")
    }

    #[test]
    fn names_of_all_tools_become_a_repository_and_a_tag() {
        assert_eq!(named(&[(REF_NAME, "os-images/debian:12")]), "os-images/debian:12");
        assert_eq!(named(&[(REF_NAME, "debian:12")]), "debian:12");
        assert_eq!(named(&[(REF_NAME, "docker.io/library/debian:12")]), "library/debian:12");
        assert_eq!(named(&[(REF_NAME, "localhost:5000/a/b:12")]), "a/b:12");
        assert_eq!(
            named(&[(REF_NAME, "12"), (FULL_NAME, "docker.io/library/debian:12")]),
            "library/debian:12"
        );
        assert_eq!(named(&[(REF_NAME, "latest")]), "imported:latest");
        assert_eq!(named(&[(REF_NAME, "not a name")]), "imported:e3b0c44298fc");
        assert_eq!(named(&[]), "imported:e3b0c44298fc");
    }
}
