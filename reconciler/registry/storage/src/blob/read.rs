// SPDX-License-Identifier: AGPL-3.0-or-later
//! Reading content piece by piece. No byte leaves before its piece was checked on this very read.
//!
//! Content of up to one piece is checked by its digest, larger content by the checksum of the piece. A piece that
//! fails puts the content into quarantine. Reading a part of a piece reads and checks the whole of it.

use std::fmt;
use std::fs::File;
use std::io::{self, IoSliceMut};
use std::os::unix::fs::FileExt as _;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use rustix::io::ReadWriteFlags;
use shoal_oci::Digest;

use crate::disk::Stat;
use crate::layout::{Area, Place};
use crate::pool::{Buffer, PIECE};
use crate::sums::Sums;
use crate::{Storage, StorageError};

/// Open content. The file is opened once and read at offsets, so several may read from one.
pub struct Blob {
    storage: Storage,
    digest: Digest,
    file: File,
    stat: Stat,
    sums: OnceLock<Arc<Sums>>,
}

/// What reading without waiting came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PieceRead {
    /// Checked bytes; none at the end of the content.
    Ready(Bytes),
    /// The bytes are not in memory, or something is wrong with them: [`Blob::piece_blocking()`] says.
    WouldBlock,
}

/// A piece of the content: where it begins and how long it is.
#[derive(Clone, Copy)]
struct Piece {
    index: u64,
    start: u64,
    length: usize,
}

// === impl Blob ===

impl Blob {
    pub(super) fn new(storage: Storage, digest: Digest, file: File, stat: Stat) -> Self {
        Self { storage, digest, file, stat, sums: OnceLock::new() }
    }

    /// Its digest.
    pub fn digest(&self) -> &Digest {
        &self.digest
    }

    /// Its size in bytes.
    pub fn size(&self) -> u64 {
        self.stat.size
    }

    /// Up to `max` bytes from `offset` on if they are in memory: does not wait for the disk, so it may be called
    /// where nothing may block. What it returns ends at the border of a piece ([`PIECE`] bytes) at the latest, and
    /// is empty at the end of the content only (or when `max` is 0).
    pub fn piece(&self, offset: u64, max: usize) -> PieceRead {
        let Some(piece) = self.piece_at(offset) else { return PieceRead::Ready(Bytes::new()) };
        if self.needs_sums() && self.sums.get().is_none() {
            return PieceRead::WouldBlock;
        }
        let mut buffer = self.storage.inner.pool.take(piece.length);
        // Damage is for the one who may wait: putting content away takes steps on disk.
        if !self.read_from_memory(piece, buffer.as_mut()) || !self.is_right(piece, buffer.as_ref()) {
            return PieceRead::WouldBlock;
        }
        PieceRead::Ready(cut(buffer, piece, offset, max))
    }

    /// The same, waiting for the disk. Where the checksums of content are missing this reads the whole of it
    /// once, to check it by its digest and make them.
    ///
    /// # Errors
    /// [`StorageError::Corrupt`] when the bytes are not those that were stored; the content is in quarantine then,
    /// and absent. Those of the system.
    pub fn piece_blocking(&self, offset: u64, max: usize) -> Result<Bytes, StorageError> {
        let Some(piece) = self.piece_at(offset) else { return Ok(Bytes::new()) };
        if self.needs_sums() && self.sums.get().is_none() {
            let sums = self.storage.sums_of(self)?;
            self.know(sums);
        }
        let mut buffer = self.storage.inner.pool.take(piece.length);
        match self.file.read_exact_at(buffer.as_mut(), piece.start) {
            Ok(()) if self.is_right(piece, buffer.as_ref()) => Ok(cut(buffer, piece, offset, max)),
            Ok(()) => Err(self.damaged("a part that was read is not what was stored")),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                Err(self.damaged("it became shorter while it was read"))
            }
            Err(error) => Err(StorageError::io("read", &Place::blob(&self.digest), error)),
        }
    }

    /// Remembers the checksums.
    pub(super) fn know(&self, sums: Arc<Sums>) {
        // Whoever was first had the same: there is one set for one digest.
        let _ = self.sums.set(sums);
    }

    pub(super) fn file(&self) -> &File {
        &self.file
    }

    /// Puts the content into quarantine; returns the error that says so.
    pub(super) fn damaged(&self, why: &str) -> StorageError {
        self.condemn(why);
        StorageError::Corrupt { digest: self.digest.clone() }
    }

    /// Puts the content into quarantine. `false`: it was not there any more, or other content was in its place.
    pub(super) fn condemn(&self, why: &str) -> bool {
        let alone = self.storage.inner.gate.sweeping();
        match self.storage.put_away(&alone, Area::Corrupt, &self.digest, why, Some(self.stat)) {
            Ok(Some(_)) => tracing::error!(digest = %self.digest, why, "stored content is damaged"),
            Ok(None) => {
                tracing::warn!(digest = %self.digest, why, "content that was just taken away is damaged");
                return false;
            }
            // It stays where it is, and is found damaged again by whoever reads it next.
            Err(error) => tracing::error!(
                digest = %self.digest,
                why,
                error = &error as &dyn std::error::Error,
                "stored content is damaged, and could not be put into quarantine"
            ),
        }
        true
    }

    fn needs_sums(&self) -> bool {
        Sums::are_for(self.stat.size)
    }

    /// The piece that an offset is in; `None` at the end. Content of no bytes has none.
    fn piece_at(&self, offset: u64) -> Option<Piece> {
        let rest = self.stat.size.checked_sub(offset).filter(|rest| *rest > 0)?;
        let index = offset / PIECE as u64;
        let start = index * PIECE as u64;
        let length = (rest + (offset - start)).min(PIECE as u64);
        Some(Piece { index, start, length: usize::try_from(length).unwrap_or(PIECE) })
    }

    /// Fills the buffer from the page cache; `false` if not all of it is there.
    fn read_from_memory(&self, piece: Piece, mut buffer: &mut [u8]) -> bool {
        let mut offset = piece.start;
        while !buffer.is_empty() {
            let read = rustix::io::preadv2(
                &self.file,
                &mut [IoSliceMut::new(buffer)],
                offset,
                ReadWriteFlags::NOWAIT,
            );
            match read {
                Ok(read) if read > 0 => {
                    offset += read as u64;
                    buffer = buffer.get_mut(read..).unwrap_or_default();
                }
                Err(rustix::io::Errno::INTR) => {}
                // At the end too early, not in memory, or a file system that cannot say.
                Ok(_) | Err(_) => return false,
            }
        }
        true
    }

    fn is_right(&self, piece: Piece, bytes: &[u8]) -> bool {
        if self.needs_sums() {
            self.sums.get().is_some_and(|sums| sums.check(piece.index, bytes))
        } else {
            Digest::of(self.digest.algorithm(), bytes) == self.digest
        }
    }
}

impl fmt::Debug for Blob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Blob")
            .field("digest", &self.digest)
            .field("size", &self.stat.size)
            .finish_non_exhaustive()
    }
}

/// The part of a checked piece that was asked for.
fn cut(buffer: Buffer, piece: Piece, offset: u64, max: usize) -> Bytes {
    let from = usize::try_from(offset - piece.start).unwrap_or(piece.length).min(piece.length);
    let to = piece.length.min(from.saturating_add(max));
    buffer.freeze().slice(from..to)
}
