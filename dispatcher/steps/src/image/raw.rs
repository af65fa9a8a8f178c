// SPDX-License-Identifier: AGPL-3.0-or-later
//! A whole disk, written as it comes. What is zero is punched out instead of written.
//!
//! The first MiB, with the partition table, is kept in memory and written last, by [`RawWriter::finish`], which is
//! called when the digest was verified: before that the disk has no table and nothing boots from it.

use std::fs::File;
use std::io::{self, BufRead};
use std::os::unix::fs::FileExt as _;

use rustix::fs::FallocateFlags;
use rustix::io::Errno;

use super::error::ImageError;
use crate::progress::Progress;

/// Written last, in bytes.
const HEAD: usize = 1 << 20;

/// What is looked at for being zero, in bytes.
const BLOCK: usize = 64 << 10;

/// Writes an image to a disk.
pub struct RawWriter<'a> {
    disk: &'a File,
    size: u64,
    head: Vec<u8>,
    /// Zeros that were not written yet: from and to.
    zeros: std::ops::Range<u64>,
    /// The disk cannot punch holes.
    plain: bool,
    at: u64,
}

impl<'a> RawWriter<'a> {
    /// Takes away what the disk was recognised by, and begins. `size` is the disk's.
    pub fn begin(disk: &'a File, size: u64) -> Result<Self, ImageError> {
        crate::partition::zap::clear(disk, &crate::partition::zap::ranges(size, &[]))
            .map_err(ImageError::Disk)?;
        Ok(Self { disk, size, head: Vec::with_capacity(HEAD), zeros: 0..0, plain: false, at: 0 })
    }

    /// Writes everything but the first MiB.
    pub fn copy(&mut self, from: &mut dyn BufRead, progress: &Progress) -> Result<(), ImageError> {
        let mut block = Vec::with_capacity(BLOCK);
        loop {
            let piece = from.fill_buf().map_err(ImageError::Pipe)?;
            if piece.is_empty() {
                break;
            }
            let len = piece.len().min(BLOCK - block.len());
            block.extend_from_slice(&piece[..len]);
            from.consume(len);
            if block.len() == BLOCK {
                self.block(&block)?;
                progress.wrote(block.len() as u64);
                block.clear();
            }
        }
        self.block(&block)?;
        progress.wrote(block.len() as u64);
        self.write_zeros()?;
        if self.at < HEAD as u64 {
            return Err(ImageError::TooSmall { size: self.at });
        }
        self.disk.sync_data().map_err(ImageError::Disk)
    }

    /// Makes the disk valid. To be called when the digest was verified, and not before.
    pub fn finish(self) -> Result<u64, ImageError> {
        self.disk.write_all_at(&self.head, 0).map_err(ImageError::Disk)?;
        self.disk.sync_all().map_err(ImageError::Disk)?;
        Ok(self.at)
    }

    fn block(&mut self, block: &[u8]) -> Result<(), ImageError> {
        let at = self.at;
        let end = at + block.len() as u64;
        if end > self.size {
            return Err(ImageError::TooLarge { size: self.size });
        }
        self.at = end;
        if self.head.len() < HEAD {
            // Blocks divide the head.
            self.head.extend_from_slice(block);
            return Ok(());
        }
        if block.iter().all(|byte| *byte == 0) {
            if self.zeros.end != at {
                self.write_zeros()?;
                self.zeros = at..end;
            }
            self.zeros.end = end;
            return Ok(());
        }
        self.write_zeros()?;
        self.disk.write_all_at(block, at).map_err(ImageError::Disk)
    }

    /// The disk may have held something else, so zeros are not just passed over.
    fn write_zeros(&mut self) -> Result<(), ImageError> {
        let zeros = std::mem::take(&mut self.zeros);
        if zeros.is_empty() {
            return Ok(());
        }
        if !self.plain {
            let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
            match rustix::fs::fallocate(self.disk, flags, zeros.start, zeros.end - zeros.start) {
                Ok(()) => return Ok(()),
                Err(Errno::OPNOTSUPP | Errno::NODEV | Errno::INVAL | Errno::NOSYS) => self.plain = true,
                Err(error) => return Err(ImageError::Disk(io::Error::from(error))),
            }
        }
        let block = vec![0; BLOCK];
        let mut at = zeros.start;
        while at < zeros.end {
            let len = usize::try_from(zeros.end - at).unwrap_or(BLOCK).min(BLOCK);
            self.disk.write_all_at(&block[..len], at).map_err(ImageError::Disk)?;
            at += len as u64;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::MetadataExt as _;

    use super::*;

    const MIB: usize = 1 << 20;

    fn disk(bytes: usize, filled: u8) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().expect("a file");
        file.as_file().write_all_at(&vec![filled; bytes], 0).expect("filled");
        file
    }

    fn image() -> Vec<u8> {
        let mut image = vec![0; 8 * MIB + 512];
        image[..MIB].fill(1);
        image[5 * MIB..5 * MIB + 10].fill(2);
        image[8 * MIB..].fill(3);
        image
    }

    #[test]
    fn an_image_replaces_what_was_there_zeros_included() {
        let disk = disk(16 * MIB, 0xaa);
        let image = image();
        let mut writer = RawWriter::begin(disk.as_file(), 16 * MIB as u64).expect("begun");
        writer.copy(&mut image.as_slice(), &Progress::silent()).expect("copied");
        assert_eq!(writer.finish().expect("finished"), image.len() as u64);
        let written = fs::read(disk.path()).expect("read");
        assert!(written[..image.len()] == image[..]);
        assert_eq!(written.len(), 16 * MIB);
        assert!(written[15 * MIB..].iter().all(|byte| *byte == 0), "an old backup table is gone");
        // 16 MiB of 0xaa took 32768 sectors; most of the image's zeros take none.
        assert!(fs::metadata(disk.path()).expect("there").blocks() < 24 << 10);
    }

    #[test]
    fn the_table_is_not_there_before_the_end() {
        let disk = disk(16 * MIB, 0xaa);
        let mut writer = RawWriter::begin(disk.as_file(), 16 * MIB as u64).expect("begun");
        writer.copy(&mut image().as_slice(), &Progress::silent()).expect("copied");
        drop(writer);
        let written = fs::read(disk.path()).expect("read");
        assert!(written[..MIB].iter().all(|byte| *byte == 0));
    }

    #[test]
    fn an_image_that_is_too_large_or_too_small_is_refused() {
        let disk = disk(4 * MIB, 0);
        let mut writer = RawWriter::begin(disk.as_file(), 4 * MIB as u64).expect("begun");
        let error = writer.copy(&mut image().as_slice(), &Progress::silent()).expect_err("too large");
        assert!(matches!(error, ImageError::TooLarge { .. }));
        let mut writer = RawWriter::begin(disk.as_file(), 4 * MIB as u64).expect("begun");
        let error = writer.copy(&mut [1; 512].as_slice(), &Progress::silent()).expect_err("too small");
        assert!(matches!(error, ImageError::TooSmall { size: 512 }));
    }
}
