// SPDX-License-Identifier: AGPL-3.0-or-later
//! Content that was put away: moved, not deleted, with a note of when and why.
//!
//! `quarantine/AREA/ALG-HEX.MILLISECONDS` is the content, and the same with `.json` the note, written first. A
//! note without content is what a crash between the two leaves; it is removed when it is next seen.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use shoal_oci::Digest;

use crate::disk::Stat;
use crate::layout::{Area, Place, dashed};
use crate::repository::gate::Sweeping;
use crate::{Storage, StorageError};

/// Content in quarantine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Kept {
    /// Which quarantine.
    pub(crate) area: Area,
    /// The content.
    pub(crate) place: Place,
    /// What the note says.
    pub(crate) note: Note,
}

/// Why content is in quarantine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Note {
    /// What it was stored as.
    pub(crate) digest: Digest,
    /// When it was put away.
    pub(crate) when: Timestamp,
    /// Why, for people.
    pub(crate) why: String,
    /// Bytes.
    pub(crate) size: u64,
}

/// A note is not longer than this.
const NOTE_LIMIT: u64 = 64 * 1024;
const NOTE_SUFFIX: &str = ".json";

impl Storage {
    /// Puts content away: it is absent everywhere once this returns, durably. Links to it may stay; they are of
    /// use again when it is pushed again. `only` names the file that is meant: another one that was put in its
    /// place meanwhile stays. Returns its size; `None` if it was not there.
    ///
    /// # Errors
    /// Those of the system.
    pub(crate) fn put_away(
        &self,
        _alone: &Sweeping<'_>,
        area: Area,
        digest: &Digest,
        why: &str,
        only: Option<Stat>,
    ) -> Result<Option<u64>, StorageError> {
        let files = &self.inner.files;
        let blob = Place::blob(digest);
        let Some(stat) = files.stat(&blob)? else { return Ok(None) };
        if only.is_some_and(|only| only.identity != stat.identity) {
            return Ok(None);
        }
        let when = self.inner.options.clock.now();
        let name = format!("{}.{}", dashed(digest), when.as_millisecond());
        let note = Note { digest: digest.clone(), when, why: why.to_owned(), size: stat.size };
        let quarantine = Place::quarantine(area);
        // A digest and digits are one plain component.
        let (Some(place), Some(beside)) =
            (quarantine.child(&name), quarantine.child(format!("{name}{NOTE_SUFFIX}")))
        else {
            return Ok(None);
        };
        let text = serde_json::to_vec(&note)
            .map_err(|source| StorageError::Malformed { path: (&beside).into(), source })?;
        files.put(&beside, &text)?;
        files.rename(&blob, &place)?;
        self.inner.sums.remove(digest);
        files.remove(&Place::sums(digest))?;
        files.sync_parent(&blob)?;
        files.sync_dir(&quarantine)?;
        Ok(Some(stat.size))
    }

    /// What is in a quarantine, in the order of digests. Notes whose content is gone are removed.
    ///
    /// # Errors
    /// Those of the system.
    pub(crate) fn kept(&self, area: Area) -> Result<Vec<Kept>, StorageError> {
        let files = &self.inner.files;
        let quarantine = Place::quarantine(area);
        let mut kept = Vec::new();
        for entry in files.list(&quarantine)? {
            let Some(name) = entry.name.to_str() else { continue };
            let Some(beside) = quarantine.child(name) else { continue };
            let Some(place) = name.strip_suffix(NOTE_SUFFIX).and_then(|name| quarantine.child(name)) else {
                continue;
            };
            if files.stat(&place)?.is_none() {
                files.discard(&beside);
                continue;
            }
            let note = files.read(&beside, NOTE_LIMIT)?.and_then(|text| serde_json::from_slice(&text).ok());
            // Without a note that can be read nobody knows what it is: it stays for a person to look at.
            if let Some(note) = note {
                kept.push(Kept { area, place, note });
            }
        }
        Ok(kept)
    }

    /// Brings content back to where it was, unless it is there again. `false`: it is gone.
    ///
    /// # Errors
    /// Those of the system.
    pub(crate) fn bring_back(&self, _alone: &Sweeping<'_>, kept: &Kept) -> Result<bool, StorageError> {
        let files = &self.inner.files;
        let blob = Place::blob(&kept.note.digest);
        if files.stat(&kept.place)?.is_none() {
            return Ok(false);
        }
        if files.stat(&blob)?.is_none() {
            files.rename(&kept.place, &blob)?;
            files.sync_parent(&blob)?;
        }
        self.forget(kept)?;
        Ok(true)
    }

    /// Deletes content in quarantine for good; returns the bytes that this frees.
    ///
    /// # Errors
    /// Those of the system.
    pub(crate) fn forget(&self, kept: &Kept) -> Result<u64, StorageError> {
        let files = &self.inner.files;
        let freed = files.stat(&kept.place)?.map_or(0, |stat| stat.size);
        files.remove(&kept.place)?;
        let name = format!("{}{NOTE_SUFFIX}", kept.place.name().display());
        if let Some(beside) = Place::quarantine(kept.area).child(name) {
            files.remove(&beside)?;
        }
        files.sync_dir(&Place::quarantine(kept.area))?;
        Ok(freed)
    }

    /// Bytes of everything in quarantine.
    ///
    /// # Errors
    /// Those of the system.
    pub(crate) fn quarantined_bytes(&self) -> Result<u64, StorageError> {
        let mut bytes = 0;
        for area in [Area::Gc, Area::Corrupt] {
            let quarantine = Place::quarantine(area);
            for entry in self.inner.files.list(&quarantine)? {
                if let Some(place) = quarantine.child(&entry.name) {
                    bytes += self.inner.files.stat(&place)?.map_or(0, |stat| stat.size);
                }
            }
        }
        Ok(bytes)
    }
}
