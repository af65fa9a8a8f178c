// SPDX-License-Identifier: AGPL-3.0-or-later
//! Buffers of one piece that are used again, so that serving content does not allocate.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

/// The size of a piece of content, in bytes: what is read, checked and handed on as one. It fits a core's cache,
/// so that checking what was just read costs little.
pub const PIECE: usize = 256 * 1024;

/// How many buffers are kept for later: 16 MiB. More may be in use.
const KEPT: usize = 64;

/// Content up to this size gets memory of its own size: a manifest need not hold a whole buffer while a slow
/// client takes it.
const SMALL: usize = 16 * 1024;

/// Buffers that nobody uses now.
#[derive(Debug, Default)]
pub(crate) struct Pool {
    free: Mutex<Vec<Box<[u8]>>>,
}

/// A buffer in use; dropping it gives it back.
#[derive(Debug)]
pub(crate) struct Buffer {
    bytes: Box<[u8]>,
    length: usize,
    pool: Arc<Pool>,
}

// === impl Pool ===

impl Pool {
    /// A buffer of `length` bytes, at most [`PIECE`]. What is in it is of no meaning.
    pub(crate) fn take(self: &Arc<Self>, length: usize) -> Buffer {
        let length = length.min(PIECE);
        let bytes = if length <= SMALL {
            vec![0; length].into_boxed_slice()
        } else {
            let free = self.free.lock().unwrap_or_else(PoisonError::into_inner).pop();
            free.unwrap_or_else(|| vec![0; PIECE].into_boxed_slice())
        };
        Buffer { bytes, length, pool: Arc::clone(self) }
    }
}

// === impl Buffer ===

impl Buffer {
    /// The bytes, to be filled.
    pub(crate) fn as_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[..self.length]
    }

    /// The bytes as something to hand on, without a copy.
    pub(crate) fn freeze(self) -> Bytes {
        Bytes::from_owner(self)
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if self.bytes.len() == PIECE {
            let mut free = self.pool.free.lock().unwrap_or_else(PoisonError::into_inner);
            if free.len() < KEPT {
                free.push(std::mem::take(&mut self.bytes));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(pool: &Pool) -> usize {
        pool.free.lock().unwrap().len()
    }

    #[test]
    fn a_buffer_comes_back_when_the_last_slice_of_it_is_gone() {
        let pool = Arc::new(Pool::default());
        let bytes = pool.take(PIECE).freeze();
        let part = bytes.slice(10..20);
        drop(bytes);
        assert_eq!(kept(&pool), 0);
        drop(part);
        assert_eq!(kept(&pool), 1);
        assert_eq!(pool.take(SMALL + 1).as_ref().len(), SMALL + 1);
        assert_eq!(kept(&pool), 1, "it was used again");
    }

    #[test]
    fn no_more_than_the_limit_is_kept() {
        let pool = Arc::new(Pool::default());
        let many: Vec<_> = (0..KEPT + 10).map(|_| pool.take(PIECE)).collect();
        drop(many);
        assert_eq!(kept(&pool), KEPT);
    }

    #[test]
    fn small_content_takes_small_memory() {
        let pool = Arc::new(Pool::default());
        let buffer = pool.take(100);
        assert_eq!(buffer.bytes.len(), 100);
        drop(buffer);
        assert_eq!(kept(&pool), 0);
    }
}
