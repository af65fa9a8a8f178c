// SPDX-License-Identifier: AGPL-3.0-or-later
//! Checksums of the pieces of content larger than one piece, so that a part of it can be checked without
//! reading the whole.
//!
//! XXH3 with 64 bits: it finds what disks and memory do to bytes. It is no defence against somebody who writes
//! to the storage; the digest is, on a scrub. Sums are only ever computed of bytes whose digest was right, so for
//! one digest there is one set of them.
//!
//! The file (all numbers little endian): `SHOALSUM`, version u32, piece size u32, size of the content u64, one
//! u64 for each piece, and the XXH3 of everything before as u64. A file that is not exactly so is as good as
//! none: it is made again.

use std::fmt;
use std::hash::Hasher as _;
use std::sync::{Arc, Mutex, PoisonError};

use shoal_oci::Digest;
use twox_hash::XxHash3_64;

use crate::pool::PIECE;

const MAGIC: &[u8; 8] = b"SHOALSUM";
const VERSION: u32 = 1;
const HEAD: usize = 24;

/// The checksums of all pieces of some content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sums {
    size: u64,
    pieces: Box<[u64]>,
}

/// Computes checksums of content as it comes.
pub(crate) struct Summing {
    size: u64,
    pieces: Vec<u64>,
    /// Of the piece that is not complete, with what was seen of it.
    piece: XxHash3_64,
    filled: usize,
}

/// The checksums of the content that was read last.
#[derive(Debug, Default)]
pub(crate) struct Cache {
    /// The one used last is last.
    entries: Mutex<Vec<(Digest, Arc<Sums>)>>,
}

// === impl Sums ===

impl Sums {
    /// Whether content of this size has checksums of pieces; smaller content is checked by its digest.
    pub(crate) fn are_for(size: u64) -> bool {
        size > PIECE as u64
    }

    /// The size of the content.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// Whether these are the bytes of a piece, counted from 0.
    pub(crate) fn check(&self, piece: u64, bytes: &[u8]) -> bool {
        let sum = usize::try_from(piece).ok().and_then(|piece| self.pieces.get(piece));
        sum == Some(&XxHash3_64::oneshot(bytes))
    }

    /// The largest file of checksums that belongs to content of some size, in bytes.
    pub(crate) fn file_size(size: u64) -> u64 {
        HEAD as u64 + (size.div_ceil(PIECE as u64) + 1) * 8
    }

    /// The file.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEAD + (self.pieces.len() + 1) * 8);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.extend_from_slice(&(PIECE as u32).to_le_bytes());
        bytes.extend_from_slice(&self.size.to_le_bytes());
        for piece in &self.pieces {
            bytes.extend_from_slice(&piece.to_le_bytes());
        }
        let own = XxHash3_64::oneshot(&bytes);
        bytes.extend_from_slice(&own.to_le_bytes());
        bytes
    }

    /// Reads the file; `None` unless it is whole and for content of this size.
    pub(crate) fn decode(bytes: &[u8], size: u64) -> Option<Self> {
        let (content, own) = bytes.split_last_chunk::<8>()?;
        if XxHash3_64::oneshot(content) != u64::from_le_bytes(*own) {
            return None;
        }
        let (magic, rest) = content.split_first_chunk::<8>()?;
        let (version, rest) = rest.split_first_chunk::<4>()?;
        let (piece, rest) = rest.split_first_chunk::<4>()?;
        let (length, rest) = rest.split_first_chunk::<8>()?;
        let as_expected = magic == MAGIC
            && u32::from_le_bytes(*version) == VERSION
            && u32::from_le_bytes(*piece) as usize == PIECE
            && u64::from_le_bytes(*length) == size;
        let (pieces, rest) = rest.as_chunks::<8>();
        let complete = rest.is_empty() && pieces.len() as u64 == size.div_ceil(PIECE as u64);
        (as_expected && complete)
            .then(|| Self { size, pieces: pieces.iter().map(|sum| u64::from_le_bytes(*sum)).collect() })
    }
}

// === impl Summing ===

impl Summing {
    /// Begins with no bytes.
    pub(crate) fn new() -> Self {
        Self { size: 0, pieces: Vec::new(), piece: XxHash3_64::new(), filled: 0 }
    }

    /// Takes the next bytes.
    pub(crate) fn update(&mut self, mut bytes: &[u8]) {
        self.size += bytes.len() as u64;
        while !bytes.is_empty() {
            let (now, later) = bytes.split_at(bytes.len().min(PIECE - self.filled));
            bytes = later;
            // A whole piece at once is the common case, and the fast one.
            if now.len() == PIECE {
                self.pieces.push(XxHash3_64::oneshot(now));
                continue;
            }
            self.piece.write(now);
            self.filled += now.len();
            if self.filled == PIECE {
                self.pieces.push(self.piece.finish());
                self.piece = XxHash3_64::new();
                self.filled = 0;
            }
        }
    }

    /// The checksums of all that came.
    pub(crate) fn finish(&self) -> Sums {
        let last = (self.filled > 0).then(|| self.piece.finish());
        Sums { size: self.size, pieces: self.pieces.iter().copied().chain(last).collect() }
    }
}

impl fmt::Debug for Summing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Summing").field("size", &self.size).finish_non_exhaustive()
    }
}

// === impl Cache ===

impl Cache {
    /// How many sets are kept,
    const SETS: usize = 64;
    /// and how many checksums in all of them: 8 MiB, what 256 GiB of content have. The newest set is always kept.
    const PIECES: usize = 1024 * 1024;

    /// The checksums of content of some size, if they are here.
    pub(crate) fn get(&self, digest: &Digest, size: u64) -> Option<Arc<Sums>> {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let at = entries.iter().position(|(of, sums)| of == digest && sums.size == size)?;
        let entry = entries.remove(at);
        let sums = Arc::clone(&entry.1);
        entries.push(entry);
        Some(sums)
    }

    /// Keeps them, and forgets those that were not used for longest.
    pub(crate) fn put(&self, digest: &Digest, sums: &Arc<Sums>) {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.retain(|(of, _)| of != digest);
        entries.push((digest.clone(), Arc::clone(sums)));
        let pieces = |entries: &[(Digest, Arc<Sums>)]| -> usize {
            entries.iter().map(|(_, sums)| sums.pieces.len()).sum()
        };
        while entries.len() > Self::SETS || entries.len() > 1 && pieces(&entries) > Self::PIECES {
            entries.remove(0);
        }
    }

    /// Forgets those of content that is gone.
    pub(crate) fn remove(&self, digest: &Digest) {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner).retain(|(of, _)| of != digest);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use shoal_oci::Algorithm;

    use super::*;

    /// Bytes in which no two pieces are the same.
    fn content(size: usize) -> Vec<u8> {
        (0..size).map(|at| (at * 31 + at / 251) as u8).collect()
    }

    fn sums_of(content: &[u8], cuts: &[usize]) -> Sums {
        let mut summing = Summing::new();
        let mut rest = content;
        for &cut in cuts.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (now, later) = rest.split_at(rest.len().min(cut.max(1)));
            summing.update(now);
            rest = later;
        }
        summing.finish()
    }

    #[test]
    fn every_piece_passes_and_any_flipped_bit_does_not() {
        let mut content = content(2 * PIECE + 100);
        let sums = sums_of(&content, &[content.len()]);
        for (index, piece) in content.chunks_mut(PIECE).enumerate() {
            assert!(sums.check(index as u64, piece));
            let last = piece.len() - 1;
            for at in [0, last / 2, last] {
                piece[at] ^= 0x10;
                assert!(!sums.check(index as u64, piece), "piece {index}, byte {at}");
                piece[at] ^= 0x10;
            }
            assert!(!sums.check(index as u64, &piece[..last]));
        }
        assert!(!sums.check(3, b""));
    }

    #[test]
    fn a_file_reads_back_and_a_damaged_one_is_none() {
        let size = 2 * PIECE + 1;
        let sums = sums_of(&content(size), &[1000]);
        let file = sums.encode();
        assert_eq!(file.len() as u64, Sums::file_size(size as u64));
        assert_eq!(Sums::decode(&file, size as u64).unwrap(), sums);
        assert_eq!(Sums::decode(&file, size as u64 - 1), None, "for content of another size");
        for at in 0..file.len() {
            let mut damaged = file.clone();
            damaged[at] ^= 1;
            assert_eq!(Sums::decode(&damaged, size as u64), None, "byte {at}");
            assert_eq!(Sums::decode(&file[..at], size as u64), None, "cut at {at}");
        }
        assert_eq!(Sums::decode(&[], 0), None);
    }

    #[test]
    fn the_cache_forgets_what_was_not_used_for_longest() {
        let cache = Cache::default();
        let digest = |n: usize| Digest::of(Algorithm::Sha256, &n.to_le_bytes());
        let sums = Arc::new(sums_of(&content(10), &[10]));
        for n in 0..Cache::SETS {
            cache.put(&digest(n), &sums);
        }
        assert!(cache.get(&digest(0), 10).is_some(), "and that is a use");
        cache.put(&digest(1000), &sums);
        assert!(cache.get(&digest(0), 10).is_some());
        assert!(cache.get(&digest(1), 10).is_none());
        assert!(cache.get(&digest(1000), 11).is_none(), "of another size");
        cache.remove(&digest(0));
        assert!(cache.get(&digest(0), 10).is_none());
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn sums_do_not_depend_on_how_the_bytes_come(
            size in 0_usize..3 * PIECE,
            cuts in prop::collection::vec(1_usize..2 * PIECE, 1..8),
        ) {
            let content = content(size);
            let expected: Vec<u64> = content.chunks(PIECE).map(XxHash3_64::oneshot).collect();
            let sums = sums_of(&content, &cuts);
            prop_assert_eq!(&*sums.pieces, &*expected);
            prop_assert_eq!(sums.size(), size as u64);
        }
    }
}
