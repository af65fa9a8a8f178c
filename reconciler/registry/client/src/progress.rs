// SPDX-License-Identifier: AGPL-3.0-or-later
//! What a transfer tells whoever watches it.

use std::sync::Arc;

use shoal_oci::Digest;

/// Sees a transfer move. Called often and from any thread: it must be quick and must not block.
pub trait Progress: Send + Sync {
    /// Something moved.
    fn update(&self, update: ProgressUpdate<'_>);
}

/// A watcher that uploads and downloads can share.
pub type SharedProgress = Arc<dyn Progress>;

/// One step of a transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProgressUpdate<'a> {
    /// What is being done.
    pub stage: Stage,
    /// Whose bytes these are; `None` while the digest is being found.
    pub digest: Option<&'a Digest>,
    /// Bytes done in this stage. It goes back when a connection broke and bytes were lost.
    pub done: u64,
    /// All bytes of this stage; `None` where the registry has not said.
    pub total: Option<u64>,
}

/// What is being done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stage {
    /// The file is read to find or check its digest.
    Reading,
    /// Bytes go to the registry.
    Uploading,
    /// Bytes come from the registry.
    Downloading,
    /// Waiting before a repetition.
    Waiting,
    /// All bytes are there; the registry checks them.
    Committing,
    /// The registry had the blob already.
    Present,
    /// The registry took the blob from another repository.
    Mounted,
    /// Done.
    Done,
}

struct Silent;

impl Progress for Silent {
    fn update(&self, _: ProgressUpdate<'_>) {}
}

/// Nobody watches.
pub fn silent() -> SharedProgress {
    Arc::new(Silent)
}
