// SPDX-License-Identifier: AGPL-3.0-or-later
//! A disk: a sparse file, its facts, and how often it was written to.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};
use shoal_schema::disk::DiskFacts;

use super::old;
use crate::bmc::Disk;
use crate::machine::behaviour::OldContents;

/// Why a disk file could not be made or opened.
#[derive(Debug, thiserror::Error)]
#[error("make or open the disk file {path}")]
pub struct DiskFileError {
    /// The file.
    pub path: PathBuf,
    /// What the system said.
    #[source]
    pub source: io::Error,
}

/// A disk of a simulated machine.
#[derive(Debug)]
pub struct SimulatedDisk {
    facts: DiskFacts,
    path: PathBuf,
    file: File,
    writes: AtomicU64,
    bytes: AtomicU64,
}

/// A disk, for people and tests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiskReport {
    /// What the machine says of it.
    #[serde(flatten)]
    pub facts: DiskFacts,
    /// Its file.
    pub file: PathBuf,
    /// Writes since the machine was made.
    pub writes: u64,
    /// Bytes written since the machine was made.
    pub bytes_written: u64,
}

impl SimulatedDisk {
    /// Opens the disk's file, or makes it with what is on it at first.
    pub(crate) fn open(path: PathBuf, disk: &Disk, old: Option<OldContents>) -> Result<Self, DiskFileError> {
        let file = open(&path, disk.size_bytes, old);
        let file = file.map_err(|source| DiskFileError { path: path.clone(), source })?;
        Ok(Self { path, ..Self::of(file, disk) })
    }

    /// A disk out of an open file.
    pub(super) fn of(file: File, disk: &Disk) -> Self {
        let facts = DiskFacts {
            path: disk.path.clone(),
            serial: Some(disk.serial.clone()).filter(|serial| !serial.is_empty()),
            wwn: disk.wwn.clone(),
            size_bytes: disk.size_bytes,
            rotational: Some(disk.rotational),
        };
        Self { facts, path: PathBuf::new(), file, writes: AtomicU64::new(0), bytes: AtomicU64::new(0) }
    }

    /// What the machine says of it.
    pub fn facts(&self) -> &DiskFacts {
        &self.facts
    }

    /// Its file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// For people and tests.
    pub fn report(&self) -> DiskReport {
        DiskReport {
            facts: self.facts.clone(),
            file: self.path.clone(),
            writes: self.writes.load(Ordering::Relaxed),
            bytes_written: self.bytes.load(Ordering::Relaxed),
        }
    }

    /// The file again, for reading.
    pub(crate) fn reader(&self) -> io::Result<File> {
        self.file.try_clone()
    }

    pub(super) fn read(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.file.read_at(buffer, offset)
    }

    pub(super) fn write(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        if offset.saturating_add(bytes.len() as u64) > self.facts.size_bytes {
            return Err(io::Error::new(io::ErrorKind::StorageFull, "no space left on device"));
        }
        self.file.write_all_at(bytes, offset)?;
        self.writes.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        Ok(())
    }
}

fn open(path: &Path, size: u64, old: Option<OldContents>) -> io::Result<File> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    // A file of another size is another disk: better to fail than to write to something that was not meant.
    if let Ok(file) = OpenOptions::new().read(true).write(true).open(path) {
        let found = file.metadata()?.len();
        return if found == size {
            Ok(file)
        } else {
            Err(io::Error::other(format!("the file has {found} bytes, the disk {size}")))
        };
    }
    let file = OpenOptions::new().read(true).write(true).create_new(true).open(path)?;
    file.set_len(size)?;
    if let Some(old) = old {
        old::write(&file, size, old)?;
    }
    Ok(file)
}
