// SPDX-License-Identifier: AGPL-3.0-or-later
//! What the storage holds, as people see it: images with their tags and sizes.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use shoal_oci::{Digest, Manifest, ManifestKind, RepositoryName, Tag};

use super::records::{Found, ManifestRecord, TagRecord};
use crate::layout::Place;
use crate::{Storage, StorageError};

/// One image: a tag, or a manifest that has none and is no part of another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageRow {
    /// Where it is.
    pub repository: RepositoryName,
    /// The tag, if it has one.
    pub tag: Option<Tag>,
    /// The manifest.
    pub digest: Digest,
    /// The manifest's type.
    pub media_type: String,
    /// What the artifact is for; of an image without one its configuration's type.
    pub artifact_type: Option<String>,
    /// Bytes of the manifest and all that it names, each content once.
    pub size: u64,
    /// When it was pushed last.
    pub pushed: Timestamp,
}

/// A manifest of one repository, read once.
struct Seen {
    record: ManifestRecord,
    manifest: Option<Manifest>,
}

impl Storage {
    /// Every tag, and every manifest without one that no other manifest lists, by repository and tag.
    /// What is damaged is left out, with a warning in the log.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn images(&self) -> Result<Vec<ImageRow>, StorageError> {
        let mut rows = Vec::new();
        for repository in self.repositories()? {
            self.images_of(&repository, &mut rows)?;
        }
        Ok(rows)
    }

    fn images_of(&self, repository: &RepositoryName, rows: &mut Vec<ImageRow>) -> Result<(), StorageError> {
        let mut manifests = BTreeMap::new();
        for digest in self.digests(|algorithm| Place::manifests(repository, algorithm))? {
            let place = Place::manifest(repository, &digest);
            match self.record::<ManifestRecord>(&place)? {
                Found::Nothing => {}
                Found::Damaged(error) => tracing::warn!(%place, %error, "a manifest's record is damaged"),
                Found::Record(record) => {
                    let manifest = self.manifest_read(repository, &digest)?.map(|(_, manifest)| manifest);
                    manifests.insert(digest, Seen { record, manifest });
                }
            }
        }
        let mut named: BTreeSet<Digest> = BTreeSet::new();
        for tag in self.all_tags(repository)? {
            let place = Place::tag(repository, &tag);
            match self.record::<TagRecord>(&place)? {
                Found::Nothing => {}
                Found::Damaged(error) => tracing::warn!(%place, %error, "a tag's record is damaged"),
                Found::Record(record) => {
                    named.insert(record.digest.clone());
                    let pushed = record.pushed;
                    rows.extend(row(repository, Some(tag), &record.digest, pushed, &manifests));
                }
            }
        }
        let children = manifests.values().filter_map(|seen| seen.manifest.as_ref());
        named.extend(children.flat_map(Manifest::children).map(|child| child.digest.clone()));
        for (digest, seen) in manifests.iter().filter(|(digest, _)| !named.contains(digest)) {
            rows.extend(row(repository, None, digest, seen.record.pushed, &manifests));
        }
        Ok(())
    }
}

fn row(
    repository: &RepositoryName,
    tag: Option<Tag>,
    digest: &Digest,
    pushed: Timestamp,
    manifests: &BTreeMap<Digest, Seen>,
) -> Option<ImageRow> {
    let seen = manifests.get(digest)?;
    let artifact_type = seen.manifest.as_ref().and_then(|manifest| {
        let config = manifest.config.as_ref().filter(|_| manifest.kind == ManifestKind::Image);
        manifest.artifact_type.clone().or_else(|| config.map(|config| config.media_type.clone()))
    });
    let sizes = sizes_of(digest, manifests);
    Some(ImageRow {
        repository: repository.clone(),
        tag,
        digest: digest.clone(),
        media_type: seen.record.media_type.clone(),
        artifact_type,
        size: sizes.values().fold(0, |sum: u64, size| sum.saturating_add(*size)),
        pushed,
    })
}

/// The sizes of a manifest and what it names, as the manifests say. Without recursion: how deep indexes
/// are nested is up to whoever pushed them.
fn sizes_of<'a>(digest: &'a Digest, manifests: &'a BTreeMap<Digest, Seen>) -> BTreeMap<&'a Digest, u64> {
    let mut sizes = BTreeMap::new();
    let mut open = vec![digest];
    while let Some(digest) = open.pop() {
        let Some(seen) = manifests.get(digest) else { continue };
        if sizes.insert(digest, seen.record.size).is_some() {
            continue;
        }
        let Some(manifest) = &seen.manifest else { continue };
        for blob in manifest.blobs() {
            sizes.entry(&blob.digest).or_insert(blob.size);
        }
        for child in manifest.children() {
            if manifests.contains_key(&child.digest) {
                open.push(&child.digest);
            } else {
                sizes.entry(&child.digest).or_insert(child.size);
            }
        }
    }
    sizes
}
