// SPDX-License-Identifier: AGPL-3.0-or-later
//! Reading content piece by piece. No byte leaves before its piece was checked on this very read.
//!
//! Content of up to one piece is checked by its digest, larger content by the checksum of the piece. A piece that
//! fails, or that the disk cannot read, has the whole content read once more and compared with its digest, and
//! puts it into quarantine unless it is right after all. Reading a part of a piece reads and checks the whole of it.

use std::fmt;
use std::fs::File;
use std::io::IoSliceMut;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use bytes::Bytes;
use rustix::io::{Errno, ReadWriteFlags};
use shoal_oci::Digest;

use crate::disk::Stat;
use crate::layout::Place;
use crate::pool::{Buffer, PIECE};
use crate::sums::Sums;
use crate::{Storage, StorageError};

/// Why content is put away whose bytes the disk does not give back.
pub(super) const UNREADABLE: &str = "the disk cannot read it";

/// Open content. The file is opened once and read at offsets, so several may read from one.
pub struct Blob {
    storage: Storage,
    digest: Digest,
    file: Arc<File>,
    stat: Stat,
    /// All of the file is in memory, and the system cannot say so of a part.
    in_memory: OnceLock<bool>,
    sums: RwLock<Option<Arc<Sums>>>,
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
pub(super) struct Piece {
    pub(super) index: u64,
    pub(super) start: u64,
    pub(super) length: usize,
}

// === impl Blob ===

impl Blob {
    pub(super) fn new(storage: Storage, digest: Digest, file: File, stat: Stat) -> Self {
        let file = Arc::new(file);
        Self { storage, digest, file, stat, in_memory: OnceLock::new(), sums: RwLock::default() }
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
        match self.checked(piece) {
            Some(buffer) => PieceRead::Ready(cut(buffer, piece, offset, max)),
            None => PieceRead::WouldBlock,
        }
    }

    /// The same, waiting for the disk. Where the checksums of content are missing this reads the whole of it
    /// once, to check it by its digest and make them.
    ///
    /// # Errors
    /// [`StorageError::Corrupt`] when the bytes are not those that were stored; the content is in quarantine then,
    /// and absent. Those of the system.
    pub fn piece_blocking(&self, offset: u64, max: usize) -> Result<Bytes, StorageError> {
        let Some(piece) = self.piece_at(offset) else { return Ok(Bytes::new()) };
        Ok(cut(self.checked_blocking(piece)?, piece, offset, max))
    }

    /// A piece that is in memory and right.
    pub(super) fn checked(&self, piece: Piece) -> Option<Buffer> {
        if self.needs_sums() && self.sums().is_none() {
            return None;
        }
        let mut buffer = self.storage.inner.pool.take(piece.length);
        // Damage is for the one who may wait: putting content away takes steps on disk.
        let right = self.read_from_memory(piece, buffer.as_mut()) && self.is_right(piece, buffer.as_ref());
        right.then_some(buffer)
    }

    /// A piece that is right, from the disk.
    pub(super) fn checked_blocking(&self, piece: Piece) -> Result<Buffer, StorageError> {
        if self.needs_sums() && self.sums().is_none() {
            let sums = self.storage.sums_of(self)?;
            self.know(sums);
        }
        let mut buffer = self.storage.inner.pool.take(piece.length);
        if let Some(why) = self.read_piece(piece, buffer.as_mut())? {
            // The checksum may be what is wrong, or the disk was out of order for a moment.
            self.know(self.storage.look_again(self, why)?);
            if let Some(why) = self.read_piece(piece, buffer.as_mut())? {
                return Err(self.damaged(why));
            }
        }
        Ok(buffer)
    }

    /// Remembers the checksums.
    pub(super) fn know(&self, sums: Arc<Sums>) {
        *self.sums.write().unwrap_or_else(PoisonError::into_inner) = Some(sums);
    }

    fn sums(&self) -> Option<Arc<Sums>> {
        self.sums.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn storage(&self) -> &Storage {
        &self.storage
    }

    pub(super) fn file(&self) -> &Arc<File> {
        &self.file
    }

    /// Puts the content into quarantine; returns the error that says so.
    pub(super) fn damaged(&self, why: &str) -> StorageError {
        self.condemn(why);
        StorageError::Corrupt { digest: self.digest.clone() }
    }

    /// Puts the content into quarantine. `false`: it was not there any more, or other content was in its place.
    pub(super) fn condemn(&self, why: &str) -> bool {
        self.storage.condemn(&self.digest, Some(self.stat), why)
    }

    /// Reads at an offset; fewer bytes than there is room for at the end only.
    pub(super) fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, StorageError> {
        self.storage.inner.files.read_at(&Place::blob(&self.digest), &self.file, offset, buffer)
    }

    /// Whether this very file is where the content belongs.
    pub(super) fn is_in_place(&self) -> Result<bool, StorageError> {
        let there = self.storage.inner.files.stat(&Place::blob(&self.digest))?;
        Ok(there.is_some_and(|there| there.identity == self.stat.identity))
    }

    /// Fills the buffer with a piece. `None`: the piece is right. Otherwise what is wrong.
    fn read_piece(&self, piece: Piece, buffer: &mut [u8]) -> Result<Option<&'static str>, StorageError> {
        match self.read_at(piece.start, buffer) {
            Ok(read) if read < buffer.len() => Ok(Some("it became shorter while it was read")),
            Ok(_) if self.is_right(piece, buffer) => Ok(None),
            Ok(_) => Ok(Some("a part that was read is not what was stored")),
            Err(error) if error.is_damage() => Ok(Some(UNREADABLE)),
            Err(error) => Err(error),
        }
    }

    fn needs_sums(&self) -> bool {
        Sums::are_for(self.stat.size)
    }

    /// The piece that an offset is in; `None` at the end. Content of no bytes has none.
    pub(super) fn piece_at(&self, offset: u64) -> Option<Piece> {
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
            let read = if self.is_in_memory() {
                rustix::io::pread(&self.file, &mut *buffer, offset)
            } else {
                let parts = &mut [IoSliceMut::new(buffer)];
                rustix::io::preadv2(&self.file, parts, offset, ReadWriteFlags::NOWAIT)
            };
            match read {
                Ok(read) if read > 0 => {
                    offset += read as u64;
                    buffer = buffer.get_mut(read..).unwrap_or_default();
                }
                Err(Errno::INTR) => {}
                Err(Errno::OPNOTSUPP) if self.find_in_memory() => {}
                // At the end too early, not in memory, or a file system that cannot say.
                Ok(_) | Err(_) => return false,
            }
        }
        true
    }

    pub(super) fn is_in_memory(&self) -> bool {
        self.in_memory.get().is_some_and(|in_memory| *in_memory)
    }

    /// Finds out whether the file is on a tmpfs, which has all of it in memory and cannot say so of a part;
    /// `false` where that was known.
    fn find_in_memory(&self) -> bool {
        const TMPFS: rustix::fs::FsWord = 0x0102_1994;
        let known = self.in_memory.get().is_some();
        let passed = || self.storage.inner.options.disk.may_be_passed();
        let on_tmpfs = || rustix::fs::fstatfs(&self.file).is_ok_and(|system| system.f_type == TMPFS);
        !known && *self.in_memory.get_or_init(|| passed() && on_tmpfs())
    }

    fn is_right(&self, piece: Piece, bytes: &[u8]) -> bool {
        if self.needs_sums() {
            self.sums().is_some_and(|sums| sums.check(piece.index, bytes))
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
