// SPDX-License-Identifier: AGPL-3.0-or-later
//! Pushing a manifest.
//!
//! Order: what it names is looked for; its content is made durable; then the manifest's record, its
//! entry below its subject, and last its tags, each durable before the next begins. A crash in
//! between leaves a manifest that the client was told nothing about; pushing again completes it.

use std::collections::BTreeSet;

use shoal_oci::{Digest, Manifest, ManifestKind, RepositoryName, Tag, referrers_tag};

use super::records::{ManifestRecord, TagRecord};
use crate::layout::Place;
use crate::{Storage, StorageError};

/// What a push may do.
#[derive(Clone, Copy)]
pub struct PutRules<'a> {
    /// Whether a tag that is there stays as it is.
    pub immutable: &'a dyn Fn(&Tag) -> bool,
    /// Take a manifest although content that it names is not in the repository.
    pub sparse: bool,
}

impl Default for PutRules<'_> {
    fn default() -> Self {
        Self { immutable: &|_| false, sparse: false }
    }
}

impl Storage {
    /// Stores a manifest under its digest and any number of tags. Durable when it returns. Pushing one
    /// that is there is good, and makes it young again.
    ///
    /// # Errors
    /// [`StorageError::DigestMismatch`]; [`StorageError::TagImmutable`] for a tag that has other content
    /// and does not move; [`StorageError::MissingContent`] with everything that is not in this
    /// repository (a missing subject is none: distribution-spec, Pushing Manifests with Subject); those
    /// of the disk. After any but the last nothing has changed.
    #[expect(clippy::too_many_arguments, reason = "a push consists of all of these")]
    pub fn put_manifest(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
        tags: &[Tag],
        media_type: &str,
        bytes: &[u8],
        manifest: &Manifest,
        rules: PutRules<'_>,
    ) -> Result<(), StorageError> {
        let got = Digest::of(digest.algorithm(), bytes);
        if got != *digest {
            return Err(StorageError::DigestMismatch { expected: digest.clone(), got });
        }
        let using = self.gate().using();
        let _alone = self.gate().repository(repository);
        self.check_immutable(repository, digest, tags, rules)?;
        if !rules.sparse {
            let missing = self.missing(repository, manifest)?;
            if !missing.is_empty() {
                return Err(StorageError::MissingContent(missing));
            }
        }
        using.manifest(repository, digest);
        self.sync_found(repository, digest, manifest)?;
        self.put_content(digest, bytes)?;
        let pushed = self.now();
        let size = bytes.len() as u64;
        let record = ManifestRecord { media_type: media_type.to_owned(), size, pushed };
        let written = self.write_record(&Place::manifest(repository, digest), &record, pushed);
        self.came(repository, size);
        written?;
        if let Some(subject) = &manifest.subject {
            let entry = manifest.referrer(digest, media_type, size);
            self.write_referrer(repository, &subject.digest, &entry, pushed)?;
        }
        for tag in tags {
            if manifest.kind == ManifestKind::Index {
                self.adopt_referrers(repository, tag, manifest)?;
            }
            let record = TagRecord {
                digest: digest.clone(),
                media_type: media_type.to_owned(),
                size,
                pushed,
                sequence: self.index().next_sequence(),
            };
            let place = Place::tag(repository, tag);
            self.replace_record(&place, &record)?;
            // At once, whatever comes of the rest: whoever deletes the manifest has to know of the tag.
            self.index().set(repository, tag, record);
            self.files().sync_parent(&place)?;
            self.note_time(&place, pushed);
        }
        Ok(())
    }

    fn check_immutable(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
        tags: &[Tag],
        rules: PutRules<'_>,
    ) -> Result<(), StorageError> {
        for tag in tags.iter().filter(|tag| (rules.immutable)(tag)) {
            let place = Place::tag(repository, tag);
            let there = self.record::<TagRecord>(&place)?.whole(&place)?;
            if there.is_some_and(|record| record.digest != *digest) {
                return Err(StorageError::TagImmutable(tag.clone()));
            }
        }
        Ok(())
    }

    /// What the manifest names and the repository does not have.
    fn missing(&self, repository: &RepositoryName, manifest: &Manifest) -> Result<Vec<Digest>, StorageError> {
        let mut seen = BTreeSet::new();
        let mut missing = Vec::new();
        for blob in manifest.blobs() {
            if seen.insert(&blob.digest) && !self.has_blob(repository, &blob.digest)? {
                missing.push(blob.digest.clone());
            }
        }
        for child in manifest.children() {
            // An index may list what is no manifest; then it was pushed as a blob.
            if seen.insert(&child.digest)
                && !self.has_manifest(repository, &child.digest)?
                && !self.has_blob(repository, &child.digest)?
            {
                missing.push(child.digest.clone());
            }
        }
        Ok(missing)
    }

    /// Makes durable what was just found: another client may have put it there a moment ago and still
    /// wait for its own answer.
    fn sync_found(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
        manifest: &Manifest,
    ) -> Result<(), StorageError> {
        let blobs = manifest.blobs().map(|blob| (&blob.digest, false));
        let children = manifest.children().iter().map(|child| (&child.digest, true));
        let mut directories = BTreeSet::new();
        for (found, is_child) in blobs.chain(children) {
            let algorithm = found.algorithm();
            directories.insert(Place::links(repository, algorithm));
            if is_child {
                directories.insert(Place::manifests(repository, algorithm));
            }
            // The directory of the manifest's own content is synced with that.
            if algorithm != digest.algorithm() {
                directories.insert(Place::blobs(algorithm));
            }
        }
        for directory in directories {
            if self.files().stat(&directory)?.is_some() {
                self.files().sync_dir(&directory)?;
            }
        }
        Ok(())
    }

    /// Makes a manifest's bytes durable as content. What is there and differs is damaged, and replaced.
    fn put_content(&self, digest: &Digest, bytes: &[u8]) -> Result<(), StorageError> {
        let place = Place::blob(digest);
        let there = self.files().root().read(&place, bytes.len() as u64);
        if there.is_ok_and(|there| there.as_deref() == Some(bytes)) {
            // It may have been renamed into place by another request that has not synced yet.
            return self.files().sync_dir(&Place::blobs(digest.algorithm()));
        }
        self.files().put(&place, bytes)
    }

    /// Where an index is pushed to the tag that lists a subject's referrers on registries that cannot,
    /// what it lists refers to that subject here too (distribution-spec, Enabling the Referrers API).
    pub(crate) fn adopt_referrers(
        &self,
        repository: &RepositoryName,
        tag: &Tag,
        index: &Manifest,
    ) -> Result<(), StorageError> {
        if !tag.as_str().starts_with("sha") {
            return Ok(());
        }
        for child in index.children() {
            let Some((record, manifest)) = self.manifest_read(repository, &child.digest)? else { continue };
            let Some(subject) = manifest.subject.as_ref() else { continue };
            let place = Place::referrer(repository, &subject.digest, &child.digest);
            if referrers_tag(&subject.digest) == *tag && self.files().stat(&place)?.is_none() {
                let entry = manifest.referrer(&child.digest, &record.media_type, record.size);
                self.write_referrer(repository, &subject.digest, &entry, self.now())?;
            }
        }
        Ok(())
    }
}
