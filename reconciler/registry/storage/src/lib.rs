// SPDX-License-Identifier: AGPL-3.0-or-later
//! OCI content on disk: an image layout, crash-safe, checked on every read, collected with care.
//!
//! [`Storage`] is a directory that other tools can open as an OCI image layout, and everything a registry needs
//! around it: which repository has what, uploads in flight, tags, referrers. Everything blocks; there is no
//! network here and no runtime.
//!
//! Guarantees:
//! * What a method acknowledged is durable: it survives `kill -9` and a power cut.
//! * Every prefix of an operation's steps is consistent: content first, then the link to it, then the tag. So a
//!   crash at any point leaves at worst something unused, which collecting removes.
//! * No byte of content leaves that was not checked on this read, or for content that is sent from its file
//!   ([`Span`]) in the page cache moments before. Damaged content is put into quarantine.
//! * No path can leave the root, and symbolic links below it are not followed ([`disk`], [`layout`]).
//! * Memory does not grow with the size of a blob.
//!
//! Assumptions: one process at a time (it locks), on one file system, which keeps what it synced.

mod blob;
mod clock;
pub mod collect;
pub mod disk;
mod error;
mod index;
pub mod layout;
mod open;
mod pool;
mod quarantine;
mod quota;
mod repository;
mod scrub;
mod sums;
mod upload;
mod usage;

use std::fmt::Debug;
use std::fs::File;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use jiff::Timestamp;

use crate::disk::{Disk, Files, RealDisk};
use crate::index::TagIndex;
use crate::pool::Pool;
use crate::repository::gate::Gate;

pub use crate::blob::{Blob, PieceRead, Span, SpanRead};
pub use crate::collect::{CollectProgress, CollectRules, Collected, CollectedRow, Retention, Roots};
pub use crate::error::StorageError;
pub use crate::index::IndexWrites;
pub use crate::pool::PIECE;
pub use crate::repository::images::ImageRow;
pub use crate::repository::needed::{Deletion, Keep, Need};
pub use crate::repository::pattern::{Pattern, PatternError};
pub use crate::repository::put::PutRules;
pub use crate::repository::read::{StoredManifest, TagPage};
pub use crate::scrub::{Affected, ScrubProgress, Scrubbed};
pub use crate::upload::{UploadId, UploadLimits, UploadWriter};
pub use crate::usage::Usage;

/// Where the time comes from.
pub trait Clock: Debug + Send + Sync {
    /// The time now.
    fn now(&self) -> Timestamp;

    /// The time since some moment in the past, on a clock that nobody sets.
    fn monotonic(&self) -> Duration {
        static BEGINNING: OnceLock<Instant> = OnceLock::new();
        BEGINNING.get_or_init(Instant::now).elapsed()
    }
}

/// How a storage is opened.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where the time comes from.
    pub clock: Arc<dyn Clock>,
    /// What carries out the steps on disk.
    pub disk: Arc<dyn Disk>,
    /// An upload that nobody has written to for so long is removed.
    pub uploads_expire: Duration,
    /// When `index.json` is written besides on open and on close.
    pub index: IndexWrites,
}

/// The storage of a registry. Clones are the same storage; the last one to go releases its lock.
#[derive(Clone, Debug)]
pub struct Storage {
    inner: Arc<Inner>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) files: Arc<Files>,
    pub(crate) options: Options,
    /// Held shared (`gate.using()`) by whoever makes content belong to something (finish, mount, manifests) or
    /// tells a client that it is there (`gate.using().blob(repository, digest)` notes it for a collection that
    /// runs); held alone (`gate.sweeping()`) by whoever takes content or directories away (collecting, quarantine).
    /// Not twice in one thread.
    pub(crate) gate: Gate,
    /// The tags in memory, and who writes `index.json` from them.
    pub(crate) index: TagIndex,
    /// Buffers for pieces of content.
    pub(crate) pool: Arc<Pool>,
    /// Sizes of content, for quotas.
    pub(crate) sizes: usage::Sizes,
    /// What repositories hold, for quotas.
    pub(crate) estimates: quota::Estimates,
    /// Piece checksums of what was read last.
    pub(crate) sums: sums::Cache,
    pub(crate) checks: blob::Checks,
    /// Pieces that were found right a moment ago.
    pub(crate) fresh: blob::Fresh,
    pub(crate) uploads: upload::Sessions,
    /// Last, so that it is let go after everything else.
    pub(crate) _lock: File,
}

// === impl Options ===

impl Options {
    /// The real disk, and a day for uploads.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            disk: Arc::new(RealDisk),
            uploads_expire: Duration::from_secs(24 * 60 * 60),
            index: IndexWrites::default(),
        }
    }
}
