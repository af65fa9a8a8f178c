// SPDX-License-Identifier: AGPL-3.0-or-later
//! A backup that is checked while it is written down.

use std::io::{self, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use shoal_store::export::{Contents, ExportError, Importer};

/// Why a copy was not made.
#[derive(Debug)]
pub(super) enum NotCopied {
    /// The stream broke off, or is no whole backup.
    Read(ExportError),
    /// What came cannot be written.
    Write(io::Error),
}

/// Copies a whole backup and counts in `moved`; what it held, and what it was written to.
pub(super) fn copy<W: Write>(
    from: impl Read,
    to: W,
    moved: Arc<AtomicU64>,
) -> Result<(Contents, W), NotCopied> {
    let mut tee = Tee { from, to, moved, unwritten: None };
    let read = Importer::open(&mut tee).and_then(Importer::verify);
    match (tee.unwritten, read) {
        (Some(error), _) => Err(NotCopied::Write(error)),
        (None, Err(error)) => Err(NotCopied::Read(error)),
        (None, Ok(contents)) => {
            tee.to.flush().map_err(NotCopied::Write)?;
            Ok((contents, tee.to))
        }
    }
}

/// A stream that is written down while it is read.
struct Tee<R, W> {
    from: R,
    to: W,
    moved: Arc<AtomicU64>,
    /// What reading ended with where it could not be written.
    unwritten: Option<io::Error>,
}

impl<R: Read, W: Write> Read for Tee<R, W> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let length = self.from.read(out)?;
        if let Err(error) = self.to.write_all(&out[..length]) {
            self.unwritten = Some(error);
            return Err(io::Error::other("what was read cannot be written"));
        }
        self.moved.fetch_add(length as u64, Ordering::Relaxed);
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Full;

    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn what_cannot_be_written_is_told_from_what_cannot_be_read() {
        let wrong = copy(&b"no backup at all"[..], Vec::new(), Arc::default()).err().unwrap();
        assert!(matches!(wrong, NotCopied::Read(ExportError::NotAnExport)), "{wrong:?}");
        let full = copy(&b"shoal-export 1\n"[..], Full, Arc::default()).err().unwrap();
        assert!(matches!(&full, NotCopied::Write(error) if error.kind() == io::ErrorKind::StorageFull));
    }
}
