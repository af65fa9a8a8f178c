// SPDX-License-Identifier: AGPL-3.0-or-later
//! Blobs of any size, made again on every reading: the same seed gives the same bytes, another seed
//! others, and nothing of it compresses or is equal to another block.

use bytes::Bytes;
use sha2::{Digest as _, Sha256};

/// One piece of a body.
pub(super) const BLOCK: usize = 1 << 20;

/// A blob that is not kept.
#[derive(Clone)]
pub(super) struct Content {
    base: Bytes,
    seed: u64,
    size: u64,
}

impl Content {
    /// So many bytes.
    pub(super) fn new(seed: u64, size: u64) -> Self {
        // xorshift64*: not for secrets, and quicker than any disk.
        let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        let length = usize::try_from(size).unwrap_or(usize::MAX).min(BLOCK);
        let mut base = Vec::with_capacity(length + 8);
        while base.len() < length {
            state ^= state >> 12;
            state ^= state << 25;
            state ^= state >> 27;
            base.extend_from_slice(&state.wrapping_mul(0x2545_F491_4F6C_DD1D).to_le_bytes());
        }
        base.truncate(length);
        Self { base: base.into(), seed, size }
    }

    /// Its length in bytes.
    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// Its pieces, in order. Each has its number in front.
    pub(super) fn blocks(&self) -> impl Iterator<Item = Bytes> + Send + use<> {
        let this = self.clone();
        let count = self.size.div_ceil(BLOCK as u64);
        (0..count).map(move |index| {
            let left = this.size - index * BLOCK as u64;
            let length = usize::try_from(left).unwrap_or(usize::MAX).min(BLOCK);
            let mut block = this.base[..length].to_vec();
            let mark = (this.seed ^ index.rotate_left(32)).to_le_bytes();
            let marked = mark.len().min(length);
            block[..marked].copy_from_slice(&mark[..marked]);
            Bytes::from(block)
        })
    }

    /// Its digest.
    pub(super) fn digest(&self) -> String {
        let mut hasher = Sha256::new();
        for block in self.blocks() {
            hasher.update(&block);
        }
        hasher.finalize().iter().fold("sha256:".to_owned(), |text, byte| text + &format!("{byte:02x}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blob_is_the_same_on_every_reading_and_no_block_is_like_another() {
        let content = Content::new(7, 3 * BLOCK as u64 + 5);
        assert_eq!(content.digest(), Content::new(7, content.size()).digest());
        assert_ne!(content.digest(), Content::new(8, content.size()).digest());
        let blocks: Vec<Bytes> = content.blocks().collect();
        assert_eq!(blocks.iter().map(Bytes::len).sum::<usize>() as u64, content.size());
        assert_ne!(blocks[0], blocks[1]);
    }
}
