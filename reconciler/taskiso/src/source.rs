// SPDX-License-Identifier: AGPL-3.0-or-later
//! Random access to bytes that somebody else holds: a file, a block device, memory.

use std::fmt;
use std::fs::File;
use std::io::{self, ErrorKind, Seek, SeekFrom};
use std::os::unix::fs::{FileExt, FileTypeExt};
use std::sync::Arc;

use bytes::Bytes;

/// Read-only random access.
///
/// An implementation may read less than asked for; it returns 0 only for an empty buffer or at and
/// behind the end. Bytes do not change while they are served: media are immutable (BMCs read an
/// image in thousands of separate ranges).
pub trait ReadAt {
    /// Bytes there are.
    fn len(&self) -> u64;

    /// Reads from byte `offset` on, and says how many bytes of `buf` were filled.
    ///
    /// # Errors
    ///
    /// What the medium below reports. An offset behind the end is no error and reads nothing.
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize>;

    /// Whether there are no bytes.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A regular file or a block device.
///
/// The length of a device is found by seeking to its end. A file that cannot say its length (a
/// pipe, a tray without a disc) has length 0, so that whatever is looked for in it is not found.
impl ReadAt for File {
    fn len(&self) -> u64 {
        let Ok(metadata) = self.metadata() else {
            return 0;
        };
        if metadata.file_type().is_block_device() {
            let mut file = self;
            return file.seek(SeekFrom::End(0)).unwrap_or(0);
        }
        metadata.len()
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        // The kernel's offsets are signed, and it refuses a range that ends behind them.
        let end = offset.checked_add(buf.len() as u64);
        if end.is_none_or(|end| i64::try_from(end).is_err()) {
            return Ok(0);
        }
        FileExt::read_at(self, buf, offset)
    }
}

impl ReadAt for [u8] {
    fn len(&self) -> u64 {
        <[u8]>::len(self) as u64
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        let rest = usize::try_from(offset).ok().and_then(|offset| self.get(offset..)).unwrap_or_default();
        let n = rest.len().min(buf.len());
        buf[..n].copy_from_slice(&rest[..n]);
        Ok(n)
    }
}

impl ReadAt for Vec<u8> {
    fn len(&self) -> u64 {
        ReadAt::len(self.as_slice())
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        self.as_slice().read_at(offset, buf)
    }
}

impl ReadAt for Bytes {
    fn len(&self) -> u64 {
        ReadAt::len(&**self)
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        (**self).read_at(offset, buf)
    }
}

impl<T: ReadAt + ?Sized> ReadAt for &T {
    fn len(&self) -> u64 {
        (**self).len()
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        (**self).read_at(offset, buf)
    }
}

impl<T: ReadAt + ?Sized> ReadAt for Arc<T> {
    fn len(&self) -> u64 {
        (**self).len()
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        (**self).read_at(offset, buf)
    }
}

/// A part of a source, as a source of its own. `Debug` leaves the source out: it may be the bytes
/// of a medium.
#[derive(Clone)]
pub struct Window<S> {
    source: S,
    offset: u64,
    len: u64,
}

impl<S: ReadAt> Window<S> {
    /// The `len` bytes of `source` from `offset` on, or what of them the source has.
    pub fn new(source: S, offset: u64, len: u64) -> Self {
        let len = len.min(source.len().saturating_sub(offset));
        Self { source, offset, len }
    }
}

impl<S> fmt::Debug for Window<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Window").field("offset", &self.offset).field("len", &self.len).finish_non_exhaustive()
    }
}

impl<S: ReadAt> ReadAt for Window<S> {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        let rest = self.len.saturating_sub(offset);
        let n = usize::try_from(rest).unwrap_or(usize::MAX).min(buf.len());
        if n == 0 {
            return Ok(0);
        }
        // No overflow: offset < len, and offset + len of the window is within the source.
        self.source.read_at(self.offset + offset, &mut buf[..n])
    }
}

/// Fills `buf` from byte `offset` on.
///
/// # Errors
///
/// [`ErrorKind::UnexpectedEof`] when the source ends before, and what the source reports.
pub(crate) fn read_exact_at<S: ReadAt + ?Sized>(source: &S, offset: u64, buf: &mut [u8]) -> io::Result<()> {
    let mut done = 0;
    while done < buf.len() {
        let at = offset.checked_add(done as u64).ok_or(ErrorKind::UnexpectedEof)?;
        match source.read_at(at, &mut buf[done..]) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(n) => done = buf.len().min(done + n),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn read<S: ReadAt + ?Sized>(source: &S, offset: u64, len: usize) -> Vec<u8> {
        let mut buf = vec![0; len];
        let n = source.read_at(offset, &mut buf).expect("no error is due");
        buf.truncate(n);
        buf
    }

    #[test]
    fn files_and_slices_agree_on_every_odd_range() {
        let mut file = tempfile::tempfile().expect("a temporary file");
        file.write_all(b"0123456789").expect("room");
        let slice = &b"0123456789"[..];
        assert_eq!(ReadAt::len(&file), 10);
        assert_eq!(ReadAt::len(slice), 10);
        for offset in [0, 9, 10, 11, u64::MAX / 2, u64::MAX / 2 + 1, u64::MAX] {
            for len in [0, 1, 10, 11] {
                assert_eq!(read(&file, offset, len), read(slice, offset, len));
            }
        }
    }

    #[test]
    fn a_window_ends_where_it_or_its_source_ends() {
        let source = &b"0123456789"[..];
        assert_eq!(read(&Window::new(source, 2, 3), 1, 9), b"34");
        assert_eq!(Window::new(source, 8, 100).len(), 2);
        assert_eq!(read(&Window::new(source, 8, 100), 0, 9), b"89");
        assert!(Window::new(source, 11, 1).is_empty());
        assert!(Window::new(source, u64::MAX, u64::MAX).is_empty());
        assert_eq!(read(&Window::new(source, 0, 10), u64::MAX, 9), b"");
    }

    #[test]
    fn reading_exactly_past_the_end_is_an_error() {
        let mut buf = [0; 4];
        for offset in [7, 10, u64::MAX] {
            let error = read_exact_at(&b"0123456789"[..], offset, &mut buf).expect_err("too short");
            assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
        }
        read_exact_at(&b"0123456789"[..], 6, &mut buf).expect("just enough");
        assert_eq!(&buf, b"6789");
    }
}
