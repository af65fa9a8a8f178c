// SPDX-License-Identifier: AGPL-3.0-or-later
//! What the rest of the crate does with files: durable pieces made of [`Disk`] steps, errors with a subject.

use std::collections::HashSet;
use std::fs::File;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use shoal_oci::RepositoryName;

use super::coalesce::Coalesced;
use super::{Disk, Entry, Root, Stat};
use crate::StorageError;
use crate::layout::Place;

/// The files of one storage. All methods block.
#[derive(Debug)]
pub(crate) struct Files {
    root: Root,
    disk: Arc<dyn Disk>,
    syncs: Coalesced,
    /// Directories whose names are known to be durable since this was opened.
    durable: Mutex<HashSet<Place>>,
    temporary: AtomicU64,
}

/// More known directories than this are forgotten and synced again when they are next used.
const KNOWN_DIRECTORIES: usize = 16 * 1024;

impl Files {
    pub(crate) fn new(root: Root, disk: Arc<dyn Disk>) -> Self {
        let durable = Mutex::default();
        Self { root, disk, syncs: Coalesced::default(), durable, temporary: AtomicU64::new(0) }
    }

    pub(crate) fn root(&self) -> &Root {
        &self.root
    }

    /// Makes a directory and those it lies in; their names are durable when this returns.
    ///
    /// A directory that was there already is synced too, once since the storage was opened: whoever made it may
    /// not have come that far.
    pub(crate) fn make_dirs(&self, place: &Place) -> Result<(), StorageError> {
        let Some(parent) = place.parent() else { return Ok(()) };
        if self.known().contains(place) {
            return Ok(());
        }
        self.make_dirs(&parent)?;
        let made = self.disk.make_dir(&self.root, place);
        made.map_err(|error| StorageError::io("make the directory", place, error))?;
        self.sync_dir(&parent)?;
        let mut known = self.known();
        if known.len() >= KNOWN_DIRECTORIES {
            known.clear();
        }
        known.insert(place.clone());
        Ok(())
    }

    /// Creates an empty file if it is not there, with the directories it lies in. `false`: it was there.
    /// Its name is durable only after [`Files::sync_parent()`].
    pub(crate) fn mark(&self, place: &Place) -> Result<bool, StorageError> {
        self.make_parent(place)?;
        match self.disk.create(&self.root, place) {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(StorageError::io("create", place, error)),
        }
    }

    /// Creates a file for reading and writing that is not there yet.
    pub(crate) fn create(&self, place: &Place) -> Result<File, StorageError> {
        self.disk.create(&self.root, place).map_err(|error| StorageError::io("create", place, error))
    }

    /// A new temporary file. Whoever fails removes it; what a crash leaves is removed on open.
    pub(crate) fn temporary(&self) -> Result<(Place, File), StorageError> {
        let number = self.temporary.fetch_add(1, Ordering::Relaxed);
        let place = Place::temp();
        // Digits are one plain component.
        let place = place.child(format!("{number:016x}")).unwrap_or(place);
        let file = self.create(&place)?;
        Ok((place, file))
    }

    /// Writes all the bytes at an offset.
    pub(crate) fn write_all(
        &self,
        place: &Place,
        file: &File,
        mut offset: u64,
        mut bytes: &[u8],
    ) -> Result<(), StorageError> {
        while !bytes.is_empty() {
            let written = self.write_some(place, file, offset, bytes)?;
            offset += written as u64;
            bytes = bytes.get(written..).unwrap_or_default();
        }
        Ok(())
    }

    /// Writes at least one of the bytes at an offset; returns how many.
    pub(crate) fn write_some(
        &self,
        place: &Place,
        file: &File,
        offset: u64,
        bytes: &[u8],
    ) -> Result<usize, StorageError> {
        let written = self.disk.write_at(&self.root, place, file, offset, bytes);
        written.map_err(|error| StorageError::io("write", place, error))
    }

    /// Makes the content of a file durable.
    pub(crate) fn sync_file(&self, place: &Place, file: &File) -> Result<(), StorageError> {
        self.disk.sync_file(&self.root, place, file).map_err(|error| StorageError::io("sync", place, error))
    }

    /// Puts a whole small file in place, replacing what is there: temporary file, sync, rename, sync of the
    /// directory. Readers see the old content or the new, never a part.
    pub(crate) fn put(&self, place: &Place, bytes: &[u8]) -> Result<(), StorageError> {
        self.replace(place, bytes)?;
        self.sync_parent(place)
    }

    /// [`Files::put()`] without the last step: after a crash the old content may be back.
    pub(crate) fn replace(&self, place: &Place, bytes: &[u8]) -> Result<(), StorageError> {
        self.make_parent(place)?;
        let (temporary, file) = self.temporary()?;
        let put = self
            .write_all(&temporary, &file, 0, bytes)
            .and_then(|()| self.sync_file(&temporary, &file))
            .and_then(|()| self.rename(&temporary, place));
        put.inspect_err(|_| self.discard(&temporary))
    }

    /// Moves a file; durable only after [`Files::sync_parent()`] of the target.
    pub(crate) fn rename(&self, from: &Place, to: &Place) -> Result<(), StorageError> {
        self.disk.rename(&self.root, from, to).map_err(|error| StorageError::io("move a file to", to, error))
    }

    /// Removes a file; `false` where there was none. Durable only after [`Files::sync_parent()`].
    pub(crate) fn remove(&self, place: &Place) -> Result<bool, StorageError> {
        self.disk.remove(&self.root, place).map_err(|error| StorageError::io("remove", place, error))
    }

    /// Removes a file that is of no use any more, on the way out of an error that matters more.
    pub(crate) fn discard(&self, place: &Place) {
        if let Err(error) = self.remove(place) {
            tracing::debug!(place = %place, error = &error as &dyn std::error::Error, "file left behind");
        }
    }

    /// Removes an empty directory; `false` where there was none or something is in it. Only while nobody can be
    /// about to put something there: with the gate held alone.
    pub(crate) fn remove_dir(&self, place: &Place) -> Result<bool, StorageError> {
        self.known().remove(place);
        let removed = self.disk.remove_dir(&self.root, place);
        removed.map_err(|error| StorageError::io("remove the directory", place, error))
    }

    /// Sets the time of last modification.
    pub(crate) fn touch(&self, place: &Place, when: Timestamp) -> Result<(), StorageError> {
        let touched = self.disk.touch(&self.root, place, when);
        touched.map_err(|error| StorageError::io("set the time of", place, error))
    }

    /// Makes the names in a directory durable, together with everybody else who wants that.
    pub(crate) fn sync_dir(&self, place: &Place) -> Result<(), StorageError> {
        let synced = self.syncs.sync(&*self.disk, &self.root, place);
        synced.map_err(|error| StorageError::io("sync the directory", place, error))
    }

    /// Makes the name of a file durable.
    pub(crate) fn sync_parent(&self, place: &Place) -> Result<(), StorageError> {
        place.parent().map_or(Ok(()), |parent| self.sync_dir(&parent))
    }

    /// The directories that a place lies in.
    pub(crate) fn make_parent(&self, place: &Place) -> Result<(), StorageError> {
        place.parent().map_or(Ok(()), |parent| self.make_dirs(&parent))
    }

    /// Opens a file for reading; `None` where there is none.
    pub(crate) fn open(&self, place: &Place) -> Result<Option<File>, StorageError> {
        match self.disk.open(&self.root, place) {
            Ok(file) => Ok(Some(file)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(StorageError::io("open", place, error)),
        }
    }

    /// Reads at an offset; returns how many bytes were read, fewer than there is room for at the end only.
    pub(crate) fn read_at(
        &self,
        place: &Place,
        file: &File,
        mut offset: u64,
        mut buffer: &mut [u8],
    ) -> Result<usize, StorageError> {
        let mut filled = 0;
        while !buffer.is_empty() {
            let read = self.disk.read_at(&self.root, place, file, offset, buffer);
            let read = read.map_err(|error| StorageError::io("read", place, error))?;
            if read == 0 {
                break;
            }
            filled += read;
            offset += read as u64;
            buffer = buffer.get_mut(read..).unwrap_or_default();
        }
        Ok(filled)
    }

    /// The whole of a small file; `None` where there is none.
    pub(crate) fn read(&self, place: &Place, limit: u64) -> Result<Option<Vec<u8>>, StorageError> {
        let Some(file) = self.open(place)? else { return Ok(None) };
        let mut bytes = Vec::new();
        let mut room = 4096;
        loop {
            let filled = bytes.len();
            // Most are small; a file that is larger than it may be is not read to its end.
            let wanted = usize::try_from(limit.saturating_add(1)).unwrap_or(usize::MAX).min(filled + room);
            bytes.resize(wanted, 0);
            let read =
                self.read_at(place, &file, filled as u64, bytes.get_mut(filled..).unwrap_or_default())?;
            bytes.truncate(filled + read);
            if bytes.len() as u64 > limit {
                return Err(StorageError::io("read", place, io::ErrorKind::FileTooLarge.into()));
            }
            if bytes.len() < wanted {
                return Ok(Some(bytes));
            }
            room = (2 * room).min(1 << 20);
        }
    }

    /// What is known of a file; `None` where there is none.
    pub(crate) fn stat(&self, place: &Place) -> Result<Option<Stat>, StorageError> {
        self.root.stat(place).map_err(|error| StorageError::io("look at", place, error))
    }

    /// The names in a directory, sorted; none where there is no directory.
    pub(crate) fn list(&self, place: &Place) -> Result<Vec<Entry>, StorageError> {
        self.root.list(place).map_err(|error| StorageError::io("list", place, error))
    }

    /// Every repository that has anything, sorted.
    pub(crate) fn repositories(&self) -> Result<Vec<RepositoryName>, StorageError> {
        let mut found = Vec::new();
        let mut waiting = vec![(Place::repositories(), String::new())];
        while let Some((place, name)) = waiting.pop() {
            let mut own = false;
            for entry in self.list(&place)? {
                let Some(child) = entry.name.to_str().filter(|_| entry.is_dir) else { continue };
                // A component of a repository's name never begins so.
                if child.starts_with('_') {
                    own = true;
                } else if let Some(below) = place.child(child) {
                    let slash = if name.is_empty() { "" } else { "/" };
                    waiting.push((below, format!("{name}{slash}{child}")));
                }
            }
            if own && let Ok(name) = RepositoryName::parse(&name) {
                found.push(name);
            }
        }
        found.sort_unstable();
        Ok(found)
    }

    fn known(&self) -> std::sync::MutexGuard<'_, HashSet<Place>> {
        self.durable.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
