// SPDX-License-Identifier: AGPL-3.0-or-later
//! How much there is, and how much room is left.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use shoal_oci::Digest;

use crate::layout::Place;
use crate::{Storage, StorageError};

/// How much a storage holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Contents: blobs and manifests, each once.
    pub blobs: u64,
    /// Bytes of those.
    pub bytes: u64,
    /// Uploads in flight.
    pub uploads: u64,
    /// Bytes in quarantine, collected and damaged.
    pub quarantined_bytes: u64,
    /// Bytes of the file system that are free for this process.
    pub free: u64,
    /// Bytes of the file system.
    pub total: u64,
}

/// Sizes of content that was counted for quotas. One digest has one size for ever.
#[derive(Debug, Default)]
pub(crate) struct Sizes {
    known: Mutex<HashMap<Digest, u64>>,
}

/// More of them than this are forgotten and looked up again: about 10 MiB.
const KNOWN_SIZES: usize = 64 * 1024;

impl Storage {
    /// How much there is.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn usage(&self) -> Result<Usage, StorageError> {
        let (free, total) = self.free_space()?;
        let mut usage =
            Usage { quarantined_bytes: self.quarantined_bytes()?, free, total, ..Usage::default() };
        usage.uploads = self.files().list(&Place::uploads())?.len() as u64;
        for digest in self.digests(Place::blobs)? {
            if let Some(stat) = self.files().stat(&Place::blob(&digest))? {
                usage.blobs += 1;
                usage.bytes += stat.size;
            }
        }
        Ok(usage)
    }

    /// Bytes of the file system that are free for this process, and all it has.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn free_space(&self) -> Result<(u64, u64), StorageError> {
        let root = Place::root();
        let stat = rustix::fs::fstatvfs(self.files().root().dir())
            .map_err(|error| StorageError::io("ask for the free space of", &root, error.into()))?;
        Ok((stat.f_bavail.saturating_mul(stat.f_frsize), stat.f_blocks.saturating_mul(stat.f_frsize)))
    }

    /// Bytes of some content; 0 where it is not there.
    pub(crate) fn size_of(&self, digest: &Digest) -> Result<u64, StorageError> {
        if let Some(size) = self.inner.sizes.known().get(digest) {
            return Ok(*size);
        }
        let Some(stat) = self.files().stat(&Place::blob(digest))? else { return Ok(0) };
        let mut known = self.inner.sizes.known();
        if known.len() >= KNOWN_SIZES {
            known.clear();
        }
        known.insert(digest.clone(), stat.size);
        Ok(stat.size)
    }
}

// === impl Sizes ===

impl Sizes {
    fn known(&self) -> MutexGuard<'_, HashMap<Digest, u64>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
