// SPDX-License-Identifier: AGPL-3.0-or-later
//! Which uploads there are and who writes to them: one request at a time.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::sync::{Mutex, PoisonError};

use shoal_oci::{Algorithm, Hasher, RepositoryName};

use super::{UploadId, UploadWriter};
use crate::disk::Stat;
use crate::layout::{ALGORITHMS, Place};
use crate::sums::Summing;
use crate::{Storage, StorageError};

/// Uploads that this process knows something of. Others may be on disk.
#[derive(Debug, Default)]
pub(crate) struct Sessions {
    known: Mutex<HashMap<UploadId, State>>,
    /// One upload begins at a time where they are counted.
    beginning: Mutex<()>,
}

/// How many uploads there may be that were begun and have not ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UploadLimits {
    /// In all repositories together.
    pub all: usize,
    /// In each one.
    pub each: usize,
}

#[derive(Debug)]
enum State {
    /// Somebody writes to it, or removes it.
    Busy,
    /// What was computed of the bytes that came.
    Idle(Box<Progress>),
}

/// What was computed of the bytes of an upload so far.
#[derive(Debug)]
pub(super) struct Progress {
    pub(super) received: u64,
    pub(super) hasher: Hasher,
    pub(super) summing: Summing,
}

impl Storage {
    /// Begins an upload into a repository. Its bytes are hashed with the algorithm as they come; a digest of the
    /// other one at the end costs reading them again.
    ///
    /// # Errors
    /// Those of the system; [`StorageError::NoSpace`].
    pub fn begin(&self, repository: &RepositoryName, algorithm: Algorithm) -> Result<UploadId, StorageError> {
        let id = UploadId::random()?;
        self.inner.files.create(&Place::upload(id, repository, algorithm))?;
        self.inner.uploads.release(id, Progress::new(algorithm));
        Ok(id)
    }

    /// The same, unless there are as many uploads as there may be: then `None`.
    ///
    /// # Errors
    /// As [`Storage::begin()`].
    pub fn begin_within(
        &self,
        repository: &RepositoryName,
        algorithm: Algorithm,
        most: UploadLimits,
    ) -> Result<Option<UploadId>, StorageError> {
        let _alone = self.inner.uploads.beginning.lock().unwrap_or_else(PoisonError::into_inner);
        let open = self.inner.files.list(&Place::uploads())?;
        let own = Place::upload(UploadId::random()?, repository, algorithm);
        let own = repository_of(own.name());
        let here = open.iter().filter(|upload| repository_of(&upload.name) == own).count();
        if open.len() >= most.all || here >= most.each {
            return Ok(None);
        }
        self.begin(repository, algorithm).map(Some)
    }

    /// How many bytes of an upload are there; `None` if the repository has none such.
    ///
    /// # Errors
    /// Those of the system.
    pub fn upload(&self, repository: &RepositoryName, id: UploadId) -> Result<Option<u64>, StorageError> {
        Ok(self.find_upload(repository, id)?.map(|(_, _, stat)| stat.size))
    }

    /// Goes on with an upload, alone. After a restart what is there is read once.
    ///
    /// # Errors
    /// [`StorageError::UploadUnknown`], [`StorageError::UploadBusy`]; those of the system.
    pub fn writer(&self, repository: &RepositoryName, id: UploadId) -> Result<UploadWriter, StorageError> {
        // Taken before it is looked for: otherwise its end could come between.
        let progress = self.inner.uploads.take(id)?;
        let found = self.find_upload(repository, id);
        let Ok(Some((place, algorithm, _))) = found else {
            // It is another repository's, or gone: then nothing is left to remember.
            match progress {
                Some(progress) => self.inner.uploads.release(id, progress),
                None => self.inner.uploads.forget(id),
            }
            return Err(found.err().unwrap_or(StorageError::UploadUnknown(id)));
        };
        UploadWriter::open(self.clone(), repository.clone(), (id, place, algorithm), progress)
    }

    /// Ends an upload without a result. `false`: the repository has none such.
    ///
    /// # Errors
    /// [`StorageError::UploadBusy`]; those of the system.
    pub fn cancel(&self, repository: &RepositoryName, id: UploadId) -> Result<bool, StorageError> {
        let Some((place, _, _)) = self.find_upload(repository, id)? else { return Ok(false) };
        self.remove_upload(id, &place)
    }

    /// Removes an upload that nobody writes to.
    pub(super) fn remove_upload(&self, id: UploadId, place: &Place) -> Result<bool, StorageError> {
        let progress = self.inner.uploads.take(id)?;
        let removed = self.inner.files.remove(place);
        match progress {
            Some(progress) if removed.is_err() => self.inner.uploads.release(id, progress),
            _ => self.inner.uploads.forget(id),
        }
        removed
    }

    fn find_upload(
        &self,
        repository: &RepositoryName,
        id: UploadId,
    ) -> Result<Option<(Place, Algorithm, Stat)>, StorageError> {
        for algorithm in ALGORITHMS {
            let place = Place::upload(id, repository, algorithm);
            if let Some(stat) = self.inner.files.stat(&place)? {
                return Ok(Some((place, algorithm, stat)));
            }
        }
        Ok(None)
    }
}

/// The part of an upload's file name that says which repository it belongs to.
fn repository_of(name: &OsStr) -> Option<&str> {
    name.to_str()?.split('.').nth(1)
}

// === impl Sessions ===

impl Sessions {
    /// Takes an upload for oneself; what was computed of it, if that is known.
    pub(super) fn take(&self, id: UploadId) -> Result<Option<Progress>, StorageError> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        match known.insert(id, State::Busy) {
            None => Ok(None),
            Some(State::Idle(progress)) => Ok(Some(*progress)),
            Some(State::Busy) => Err(StorageError::UploadBusy(id)),
        }
    }

    /// Lets others take it, who go on from here.
    pub(super) fn release(&self, id: UploadId, progress: Progress) {
        let state = State::Idle(Box::new(progress));
        self.known.lock().unwrap_or_else(PoisonError::into_inner).insert(id, state);
    }

    /// Lets others take it; what it has is read again, if it still is there.
    pub(super) fn forget(&self, id: UploadId) {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
    }
}

// === impl Progress ===

impl Progress {
    pub(super) fn new(algorithm: Algorithm) -> Self {
        Self { received: 0, hasher: Hasher::new(algorithm), summing: Summing::new() }
    }

    /// Takes the next bytes, which are in the file.
    pub(super) fn update(&mut self, bytes: &[u8]) {
        self.hasher.update(bytes);
        self.summing.update(bytes);
        self.received += bytes.len() as u64;
    }
}
