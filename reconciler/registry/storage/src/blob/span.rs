// SPDX-License-Identifier: AGPL-3.0-or-later
//! Content that the kernel sends from its file: checked in the page cache, and sent from there.
//!
//! What is sent is not the memory that was checked, but the page cache that it was read from. Both are the same
//! bytes unless somebody writes to the file in between, or the page is dropped and read again from a disk that
//! gives something else this time. That much is left to the client, which compares the digest. In return nothing is
//! copied to the socket, and what was found right is not checked again for a few seconds (`Fresh`).

use std::fs::File;
use std::io::IoSliceMut;
use std::sync::Arc;

use rustix::io::ReadWriteFlags;

use super::fresh::Version;
use super::read::{Blob, Piece};
use crate::StorageError;

/// Bytes of a content's file that are right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Where they begin in the file.
    pub offset: u64,
    /// How many; none at the end of the content.
    pub length: usize,
}

/// What checking without waiting came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpanRead {
    /// They are right.
    Ready(Span),
    /// They are not in memory, or something is wrong with them: [`Blob::span_blocking()`] says.
    WouldBlock,
}

impl Blob {
    /// The file to send spans from; `None` where content is to be read by this crate only ([`Blob::piece()`]).
    pub fn to_send(&self) -> Option<Arc<File>> {
        self.storage().inner.options.disk.may_be_passed().then(|| Arc::clone(self.file()))
    }

    /// As [`Blob::piece()`], and the bytes stay in the file.
    pub fn span(&self, offset: u64, max: usize) -> SpanRead {
        let Some(piece) = self.piece_at(offset) else { return SpanRead::Ready(Span { offset, length: 0 }) };
        let version = Version::of(self.file());
        if !self.is_remembered(version, piece) {
            if self.checked(piece).is_none() {
                return SpanRead::WouldBlock;
            }
            self.remember(version, piece);
        }
        SpanRead::Ready(cut(piece, offset, max))
    }

    /// The same where nothing has to be checked for it.
    pub fn span_remembered(&self, offset: u64, max: usize) -> Option<Span> {
        let piece = self.piece_at(offset)?;
        let remembered = self.is_remembered(Version::of(self.file()), piece);
        remembered.then(|| cut(piece, offset, max))
    }

    /// As [`Blob::piece_blocking()`], and the bytes stay in the file.
    ///
    /// # Errors
    /// The same.
    pub fn span_blocking(&self, offset: u64, max: usize) -> Result<Span, StorageError> {
        let Some(piece) = self.piece_at(offset) else { return Ok(Span { offset, length: 0 }) };
        let version = Version::of(self.file());
        self.checked_blocking(piece)?;
        self.remember(version, piece);
        Ok(cut(piece, offset, max))
    }

    fn is_remembered(&self, version: Option<Version>, piece: Piece) -> bool {
        let inner = &self.storage().inner;
        version.is_some_and(|version| inner.fresh.has(&version, piece.index, &*inner.options.clock))
            && self.seems_in_memory(piece)
    }

    fn remember(&self, version: Option<Version>, piece: Piece) {
        let inner = &self.storage().inner;
        if let Some(version) = version {
            inner.fresh.put(version, piece.index, &*inner.options.clock);
        }
    }

    /// Whether the ends of a piece are in memory: one that was dropped is to be checked when it comes back. Memory
    /// is taken from what was used least lately, so a piece that was read a moment ago goes as a whole.
    fn seems_in_memory(&self, piece: Piece) -> bool {
        let has = |offset| {
            let mut byte = [0];
            let parts = &mut [IoSliceMut::new(&mut byte)];
            rustix::io::preadv2(self.file(), parts, offset, ReadWriteFlags::NOWAIT) == Ok(1)
        };
        self.is_in_memory() || has(piece.start) && has(piece.start + piece.length.saturating_sub(1) as u64)
    }
}

/// The part of a piece that was asked for.
fn cut(piece: Piece, offset: u64, max: usize) -> Span {
    let rest = piece.start + piece.length as u64 - offset;
    Span { offset, length: usize::try_from(rest).unwrap_or(piece.length).min(max) }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::time::Duration;

    use jiff::Timestamp;
    use shoal_oci::{Algorithm, Digest, RepositoryName};

    use super::*;
    use crate::pool::PIECE;
    use crate::sums::Summing;
    use crate::{Clock, Options, Storage};

    /// An hour from now, so that nothing changed just now; and how long that is ago.
    #[derive(Debug, Default)]
    struct Later(Mutex<Duration>);

    impl Clock for Later {
        fn now(&self) -> Timestamp {
            Timestamp::now() + Duration::from_secs(3600)
        }

        fn monotonic(&self) -> Duration {
            *self.0.lock().unwrap()
        }
    }

    #[test]
    fn what_was_found_right_is_not_checked_again_for_a_few_seconds_and_then_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let clock = Arc::new(Later::default());
        let storage = Storage::open(dir.path(), Options::new(clock.clone())).unwrap();
        let (repository, content) = (RepositoryName::parse("a").unwrap(), vec![1; 2 * PIECE]);
        let digest = Digest::of(Algorithm::Sha256, &content);
        let mut writer =
            storage.writer(&repository, storage.begin(&repository, Algorithm::Sha256).unwrap()).unwrap();
        writer.write(&content).unwrap();
        writer.finish(&digest).unwrap();
        let open = || storage.blob(&repository, &digest).unwrap().unwrap();
        open().span_blocking(0, PIECE).unwrap();

        // Somebody else reads it, and whoever compares now finds that it is wrong.
        let blob = open();
        let mut wrong = Summing::new();
        wrong.update(&vec![2; 2 * PIECE]);
        blob.know(Arc::new(wrong.finish()));
        assert_eq!(blob.span(7, 100), SpanRead::Ready(Span { offset: 7, length: 100 }));
        assert_eq!(blob.span_remembered(7, 100), Some(Span { offset: 7, length: 100 }));
        assert_eq!(blob.span_remembered(PIECE as u64, 100), None);
        assert_eq!(blob.span(PIECE as u64, 100), SpanRead::WouldBlock, "the other piece was not checked");
        *clock.0.lock().unwrap() += Duration::from_secs(61);
        assert_eq!(blob.span(7, 100), SpanRead::WouldBlock);
    }
}
