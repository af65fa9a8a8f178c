// SPDX-License-Identifier: AGPL-3.0-or-later
//! Bringing back what a collection took out, as long as it lies in quarantine, and what was put away as damaged
//! and is whole after all.

use std::collections::BTreeSet;

use shoal_oci::{Digest, Hasher, Manifest, RepositoryName, Tag};

use super::shelf::Shelf;
use crate::layout::{Area, Place, from_dashed};
use crate::quarantine::Kept;
use crate::repository::records::{Found, TagRecord};
use crate::{Storage, StorageError};

impl Storage {
    /// Brings content back that a collection put away, or that seemed damaged and is whole, and of a manifest
    /// everything that it names, with the records that went with them: links, manifests, entries, tags. A record that is there again
    /// stays as it is. All of it is as young as if it had just been pushed: a tag or a root has to name
    /// it before the grace is over. `false`: nothing of it is in quarantine. Where it was there all the time,
    /// other repositories that lost parts of it do not get those back.
    ///
    /// # Errors
    /// Those of the disk. Content that was damaged meanwhile is not brought back.
    pub fn restore(&self, digest: &Digest) -> Result<bool, StorageError> {
        let _running = self.gate().collecting();
        let restored = self.restore_all(digest);
        self.count_again();
        restored
    }

    fn restore_all(&self, digest: &Digest) -> Result<bool, StorageError> {
        let found = self.restore_content(digest)?;
        let mut shelved = Vec::new();
        for shelf in Shelf::all(self)? {
            for place in shelf.records(self)? {
                shelved.extend(Record::at(&place).map(|record| (shelf.clone(), place, record)));
            }
        }
        let mut homes = BTreeSet::new();
        for (_, _, record) in &shelved {
            let name = record.repository();
            if record.digest() == Some(digest) || self.has_manifest(name, digest)? {
                homes.insert(name.clone());
            }
        }
        let mut restored = found.any;
        // Links before manifests before entries before tags, as when pushing.
        for rank in 0..4 {
            for (shelf, place, record) in shelved.iter().filter(|(_, _, record)| record.rank() == rank) {
                if found.whole || homes.contains(record.repository()) {
                    restored |= self.restore_record(shelf, place, record, digest, &found.content)?;
                }
            }
        }
        Ok(restored)
    }

    /// Brings content back with all that it names.
    fn restore_content(&self, wanted: &Digest) -> Result<Restored, StorageError> {
        let mut found = Restored::default();
        // Only a collection changes what is there, and none runs now: the gate is for moving.
        let mut quarantined = self.kept(Area::Gc)?;
        // What seemed damaged may be whole: each is read to its end before it comes back.
        quarantined.extend(self.kept(Area::Corrupt)?);
        quarantined.sort_by_key(|kept| std::cmp::Reverse(kept.note.when));
        let mut seen = BTreeSet::new();
        let mut open = vec![wanted.clone()];
        while let Some(digest) = open.pop() {
            if !seen.insert(digest.clone()) {
                continue;
            }
            let place = Place::blob(&digest);
            for kept in quarantined.iter().filter(|kept| kept.note.digest == digest) {
                if self.files().stat(&place)?.is_none() && self.is_whole(kept)? {
                    let back = self.bring_back(&self.gate().sweeping(), kept)?;
                    found.any |= back;
                    found.whole |= back && digest == *wanted;
                    self.files().touch(&place, self.now())?;
                    found.content.insert(digest.clone());
                }
            }
            let small = self.files().stat(&place)?;
            if small.is_none_or(|stat| stat.size > crate::repository::read::MAX_MANIFEST) {
                continue;
            }
            if let Ok(Some(bytes)) = self.verified(&digest)
                && let Ok(manifest) = Manifest::read("", &bytes)
            {
                found.content.insert(digest);
                open.extend(manifest.all_blobs().map(|blob| blob.digest.clone()));
                found.content.extend(manifest.all_blobs().map(|blob| blob.digest.clone()));
                open.extend(manifest.manifests.into_iter().map(|child| child.digest));
            }
        }
        Ok(found)
    }

    /// Whether content in quarantine is what its digest says.
    fn is_whole(&self, kept: &Kept) -> Result<bool, StorageError> {
        let file = match self.files().open(&kept.place) {
            Err(error) if error.is_damage() => return Ok(false),
            other => other?,
        };
        let Some(file) = file else { return Ok(false) };
        let mut hasher = Hasher::new(kept.note.digest.algorithm());
        let mut buffer = vec![0; 1 << 20];
        let mut offset = 0;
        loop {
            let read = match self.files().read_at(&kept.place, &file, offset, &mut buffer) {
                Err(error) if error.is_damage() => return Ok(false),
                other => other?,
            };
            if read == 0 {
                break;
            }
            hasher.update(buffer.get(..read).unwrap_or_default());
            offset += read as u64;
        }
        Ok(hasher.finish() == kept.note.digest)
    }

    /// Brings one record back if it belongs to what is restored. `false`: it does not.
    fn restore_record(
        &self,
        shelf: &Shelf,
        place: &Place,
        record: &Record,
        wanted: &Digest,
        content: &BTreeSet<Digest>,
    ) -> Result<bool, StorageError> {
        let from = shelf.holds(place);
        let mut tag_record = None;
        let digest = match record {
            Record::Link(_, digest) | Record::Manifest(_, digest) | Record::Referrer(_, digest) => {
                digest.clone()
            }
            Record::Tag(..) => match self.record::<TagRecord>(&from)? {
                Found::Record(found) => tag_record.insert(found).digest.clone(),
                Found::Nothing | Found::Damaged(_) => return Ok(false),
            },
        };
        // Manifests come back with those that list them; a tag only of what was asked for.
        let belongs = digest == *wanted || (content.contains(&digest) && tag_record.is_none());
        if !belongs || self.files().stat(&Place::blob(&digest))?.is_none() {
            return Ok(false);
        }
        let using = self.gate().using();
        let repository = record.repository();
        let _alone = self.gate().repository(repository);
        let manifest = self.files().stat(&Place::manifest(repository, &digest))?;
        let needs_manifest = matches!(record, Record::Tag(..) | Record::Referrer(..));
        if self.files().stat(place)?.is_some() || (needs_manifest && manifest.is_none()) {
            return Ok(false);
        }
        using.blob(repository, &digest);
        self.files().make_parent(place)?;
        self.files().rename(&from, place)?;
        self.files().touch(place, self.now())?;
        self.files().sync_parent(place)?;
        if let (Record::Tag(repository, tag), Some(mut found)) = (record, tag_record) {
            // Young again, and the newest: retention would take it at once otherwise.
            found.pushed = self.now();
            found.sequence = self.index().next_sequence();
            self.write_record(place, &found, found.pushed)?;
            self.index().set(repository, tag, found);
        }
        Ok(true)
    }
}

/// What was brought back of some content and of what it names.
#[derive(Default)]
struct Restored {
    /// Anything.
    any: bool,
    /// The content that was asked for itself: nobody had it.
    whole: bool,
    /// What is there by now, whose records come back with it.
    content: BTreeSet<Digest>,
}

/// What a record's path says.
enum Record {
    Link(RepositoryName, Digest),
    Manifest(RepositoryName, Digest),
    Referrer(RepositoryName, Digest),
    Tag(RepositoryName, Tag),
}

// === impl Record ===

impl Record {
    fn at(place: &Place) -> Option<Self> {
        let path = place.as_path().to_str()?.strip_prefix("repositories/")?;
        // No part of a repository's name begins so.
        let (name, rest) = path.split_once("/_")?;
        let name = RepositoryName::parse(name).ok()?;
        let parts: Vec<&str> = rest.split('/').collect();
        let digest = |algorithm: &str, hex: &str| Digest::parse(&format!("{algorithm}:{hex}")).ok();
        match parts[..] {
            ["blobs", algorithm, hex] => Some(Self::Link(name, digest(algorithm, hex)?)),
            ["manifests", algorithm, hex] => Some(Self::Manifest(name, digest(algorithm, hex)?)),
            ["referrers", _, referrer] => Some(Self::Referrer(name, from_dashed(referrer)?)),
            ["tags", tag] => Some(Self::Tag(name, Tag::parse(tag).ok()?)),
            _ => None,
        }
    }

    fn rank(&self) -> u8 {
        match self {
            Self::Link(..) => 0,
            Self::Manifest(..) => 1,
            Self::Referrer(..) => 2,
            Self::Tag(..) => 3,
        }
    }

    /// What it is about; nothing for a tag, whose content says.
    fn digest(&self) -> Option<&Digest> {
        match self {
            Self::Link(_, digest) | Self::Manifest(_, digest) | Self::Referrer(_, digest) => Some(digest),
            Self::Tag(..) => None,
        }
    }

    fn repository(&self) -> &RepositoryName {
        match self {
            Self::Link(name, _) | Self::Manifest(name, _) | Self::Referrer(name, _) | Self::Tag(name, _) => {
                name
            }
        }
    }
}
