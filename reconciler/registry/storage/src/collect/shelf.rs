// SPDX-License-Identifier: AGPL-3.0-or-later
//! Where the records of what was collected lie, so that it can be restored: tags, manifests, entries
//! and links, below `quarantine/records/MILLISECONDS/` at the same paths as before.

use std::path::Component;
use std::time::Duration;

use jiff::Timestamp;

use super::is_past;
use crate::layout::Place;
use crate::{Storage, StorageError};

/// The records of one collection.
#[derive(Clone, Debug)]
pub(super) struct Shelf {
    pub(super) when: Timestamp,
    place: Place,
}

// === impl Shelf ===

impl Shelf {
    /// The one of a collection that began at `when`.
    pub(super) fn of(when: Timestamp) -> Self {
        // Words and digits are plain components.
        let shelves = shelves();
        let place = shelves.child(when.as_millisecond().to_string()).unwrap_or(shelves);
        Self { when, place }
    }

    /// All of them, the newest first.
    pub(super) fn all(storage: &Storage) -> Result<Vec<Self>, StorageError> {
        let mut all = Vec::new();
        for entry in storage.files().list(&shelves())? {
            let when = entry.name.to_str().and_then(|name| name.parse().ok());
            all.extend(when.and_then(|when| Timestamp::from_millisecond(when).ok()).map(Self::of));
        }
        all.sort_by_key(|shelf| std::cmp::Reverse(shelf.when));
        Ok(all)
    }

    /// Where a record lies here that lies, or lay, at `place`.
    pub(super) fn holds(&self, place: &Place) -> Place {
        append(&self.place, place.as_path().components().map(Component::as_os_str))
    }

    /// Where the records that lie here were.
    pub(super) fn records(&self, storage: &Storage) -> Result<Vec<Place>, StorageError> {
        let (files, _) = walk(storage, &self.place)?;
        let depth = self.place.as_path().components().count();
        let below = |place: &Place| {
            append(&Place::root(), place.as_path().components().skip(depth).map(Component::as_os_str))
        };
        Ok(files.iter().map(below).collect())
    }

    /// Deletes it with all that lies here.
    fn remove(&self, storage: &Storage) -> Result<(), StorageError> {
        let (files, directories) = walk(storage, &self.place)?;
        for file in &files {
            storage.files().remove(file)?;
        }
        for directory in directories.iter().rev() {
            storage.files().remove_dir(directory)?;
        }
        storage.files().sync_dir(&shelves())
    }

    /// Deletes those that are old enough.
    pub(super) fn expire(
        storage: &Storage,
        now: Timestamp,
        quarantine: Duration,
    ) -> Result<(), StorageError> {
        for shelf in Self::all(storage)? {
            if is_past(now, shelf.when, quarantine) {
                shelf.remove(storage)?;
            }
        }
        Ok(())
    }
}

fn shelves() -> Place {
    append(&Place::root(), ["quarantine", "records"].iter().map(std::ffi::OsStr::new))
}

/// A place below another. Components of places are plain, so none is left out.
fn append<'a>(below: &Place, parts: impl Iterator<Item = &'a std::ffi::OsStr>) -> Place {
    parts.fold(below.clone(), |place, part| place.child(part).unwrap_or(place))
}

/// Files and directories at and below a place; a directory comes before what is in it.
fn walk(storage: &Storage, place: &Place) -> Result<(Vec<Place>, Vec<Place>), StorageError> {
    let (mut files, mut directories) = (Vec::new(), Vec::new());
    let mut open = vec![place.clone()];
    while let Some(directory) = open.pop() {
        for entry in storage.files().list(&directory)? {
            let Some(child) = directory.child(&entry.name) else { continue };
            if entry.is_dir {
                open.push(child);
            } else {
                files.push(child);
            }
        }
        directories.push(directory);
    }
    Ok((files, directories))
}
