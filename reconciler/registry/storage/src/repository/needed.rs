// SPDX-License-Identifier: AGPL-3.0-or-later
//! What may not be deleted: images that somebody named as needed, tags that may not move, and what those reach.
//!
//! Each repository is looked at alone: what a root reaches is needed where the root itself is.

use std::collections::BTreeSet;

use shoal_oci::{Digest, RepositoryName, Tag};

use super::records::TagRecord;
use crate::layout::Place;
use crate::{Storage, StorageError};

static NOTHING: BTreeSet<Digest> = BTreeSet::new();

/// What a deletion must leave.
#[derive(Clone, Copy)]
pub struct Keep<'a> {
    /// Manifests and blobs that are needed wherever they are, with what they reach.
    pub roots: &'a BTreeSet<Digest>,
    /// Whether a tag is to stay, with what it reaches.
    pub immutable: &'a dyn Fn(&Tag) -> bool,
}

/// What a deletion came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deletion {
    /// It is gone.
    Done,
    /// The repository does not have it.
    Absent,
    /// It is needed, and still there.
    Needed(Need),
}

/// What needs something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Need {
    /// A root, which may be the thing itself.
    Root(Digest),
    /// A tag that is to stay.
    Tag(Tag),
}

// === impl Keep ===

impl Default for Keep<'_> {
    fn default() -> Self {
        Self { roots: &NOTHING, immutable: &|_| false }
    }
}

impl Storage {
    /// What needs a manifest or blob of the repository. To be called with the repository locked.
    pub(super) fn need(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
        keep: Keep<'_>,
    ) -> Result<Option<Need>, StorageError> {
        if keep.roots.contains(digest) {
            return Ok(Some(Need::Root(digest.clone())));
        }
        let mut seen = BTreeSet::new();
        for tag in self.all_tags(repository)? {
            if !(keep.immutable)(&tag) {
                continue;
            }
            let target = match self.index().target(repository, &tag) {
                Some(target) => Some(target),
                None => {
                    let place = Place::tag(repository, &tag);
                    self.record::<TagRecord>(&place)?.whole(&place)?.map(|record| record.digest)
                }
            };
            if let Some(target) = target
                && self.reaches(repository, target, digest, &mut seen)?
            {
                return Ok(Some(Need::Tag(tag)));
            }
        }
        for root in keep.roots {
            if self.reaches(repository, root.clone(), digest, &mut seen)? {
                return Ok(Some(Need::Root(root.clone())));
            }
        }
        Ok(None)
    }

    /// Whether a manifest is or names, over any number of indexes, what is wanted. What was `seen` does not. What
    /// cannot be read any more reaches nothing: it is to be pushed again with all that it names.
    fn reaches(
        &self,
        repository: &RepositoryName,
        from: Digest,
        wanted: &Digest,
        seen: &mut BTreeSet<Digest>,
    ) -> Result<bool, StorageError> {
        let mut open = vec![from];
        while let Some(digest) = open.pop() {
            if digest == *wanted {
                return Ok(true);
            }
            if seen.contains(&digest) {
                continue;
            }
            let read = self.manifest_read(repository, &digest)?;
            seen.insert(digest);
            let Some((_, manifest)) = read else { continue };
            if manifest.all_blobs().any(|blob| blob.digest == *wanted) {
                return Ok(true);
            }
            open.extend(manifest.manifests.into_iter().map(|child| child.digest));
        }
        Ok(false)
    }
}
