// SPDX-License-Identifier: AGPL-3.0-or-later
//! A part of a disk as a file of its own, as long as the machine has power.

use std::io::{self, Read, Seek, SeekFrom, Write};
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::file::SimulatedDisk;

/// Largest single write, in bytes: a power cut falls between two of them.
const CHUNK: usize = 64 << 10;

/// A window of a disk. Once the boot that opened it is over, nothing is written any more.
#[derive(Clone, Debug)]
pub(crate) struct Volume {
    disk: Arc<SimulatedDisk>,
    over: CancellationToken,
    offset: u64,
    len: u64,
    at: u64,
}

impl Volume {
    /// The whole disk, until `over`.
    pub(crate) fn whole(disk: Arc<SimulatedDisk>, over: CancellationToken) -> Self {
        let len = disk.facts().size_bytes;
        Self { disk, over, offset: 0, len, at: 0 }
    }

    /// A part of this one.
    pub(crate) fn part(&self, offset: u64, len: u64) -> Self {
        let offset = offset.min(self.len);
        Self { offset: self.offset + offset, len: len.min(self.len - offset), at: 0, ..self.clone() }
    }

    /// Bytes.
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// Writes all of `bytes` at `offset`.
    pub(crate) fn write_all_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        for (index, chunk) in bytes.chunks(CHUNK).enumerate() {
            let at = offset + (index * CHUNK) as u64;
            if self.over.is_cancelled() {
                return Err(io::Error::other("the machine has no power any more"));
            }
            if at + chunk.len() as u64 > self.len {
                return Err(io::Error::new(io::ErrorKind::StorageFull, "no space left on device"));
            }
            self.disk.write(self.offset + at, chunk)?;
        }
        Ok(())
    }

    /// Fills `buffer` from `offset` on; false when the volume ends before.
    pub(crate) fn read_exact_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<bool> {
        let mut file = self.clone();
        file.at = offset;
        match file.read_exact(buffer) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
            Err(error) => Err(error),
        }
    }
}

impl Read for Volume {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let rest = usize::try_from(self.len.saturating_sub(self.at)).unwrap_or(usize::MAX);
        let len = buffer.len().min(rest);
        let count = self.disk.read(self.offset + self.at, &mut buffer[..len])?;
        self.at += count as u64;
        Ok(count)
    }
}

impl Write for Volume {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let bytes = &bytes[..bytes.len().min(CHUNK)];
        self.write_all_at(self.at, bytes)?;
        self.at += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for Volume {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.len.checked_add_signed(by),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        self.at = at.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "seek before the start"))?;
        Ok(self.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bmc::Disk;

    fn disk(directory: &tempfile::TempDir) -> Arc<SimulatedDisk> {
        let facts = Disk {
            path: "/dev/sda".to_owned(),
            serial: "D".to_owned(),
            wwn: None,
            size_bytes: 1 << 20,
            rotational: false,
        };
        Arc::new(SimulatedDisk::open(directory.path().join("disk.img"), &facts, None).expect("a disk"))
    }

    #[test]
    fn a_part_reads_and_writes_within_its_bounds() {
        let directory = tempfile::tempdir().expect("a directory");
        let whole = Volume::whole(disk(&directory), CancellationToken::new());
        let mut part = whole.part(4096, 100);
        part.seek(SeekFrom::End(-3)).expect("within");
        assert_eq!(part.write(b"end").expect("written"), 3);
        assert!(part.write(b"x").is_err(), "behind the end");
        assert!(part.write_all_at(98, b"xyz").is_err(), "across the end");
        let mut read = [0; 3];
        assert!(whole.read_exact_at(4096 + 97, &mut read).expect("read"));
        assert_eq!(&read, b"end");
        assert!(!part.read_exact_at(98, &mut read).expect("read"), "only two bytes are left");
    }

    #[test]
    fn nothing_is_written_once_the_power_is_gone() {
        let directory = tempfile::tempdir().expect("a directory");
        let (disk, over) = (disk(&directory), CancellationToken::new());
        let mut volume = Volume::whole(disk.clone(), over.clone());
        volume.write_all(b"before").expect("written");
        over.cancel();
        assert!(volume.write_all(b"after").is_err());
        assert_eq!(disk.report().bytes_written, 6);
    }
}
