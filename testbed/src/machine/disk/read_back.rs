// SPDX-License-Identifier: AGPL-3.0-or-later
//! What is on a disk file, for whoever checks what a machine did.
//!
//! Guarantees: nothing is written; holes of the file are skipped, so that a disk of terabytes is read in the time that
//! its contents take.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{SeekFrom, seek};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use shoal_dispatcher::disk::{FatError, GptEntry, TableError, read_fat_file, read_gpt, type_guid};
use shoal_schema::wire::stamp::{STAMP_PATH, Stamp};
use shoal_taskiso::Window;
use uuid::Uuid;

use super::contents::RootContents;

/// Largest file read from a FAT volume, in bytes.
const FILE_LIMIT: usize = 4 << 20;

/// Unit of the digest, in bytes.
const BLOCK: usize = 4096;

/// Why a disk could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadBackError {
    /// The file.
    #[error("read the disk file {path}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Its partition table.
    #[error("read the partition table of {path}")]
    Table {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        #[source]
        source: TableError,
    },
    /// A FAT volume on it.
    #[error("read partition {number} of {path}")]
    Fat {
        /// The file.
        path: PathBuf,
        /// The partition.
        number: u32,
        /// What is wrong.
        #[source]
        source: FatError,
    },
    /// A stamp that is none.
    #[error("read the stamp on {path}")]
    Stamp {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        #[source]
        source: serde_json::Error,
    },
}

/// A partition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstalledPartition {
    /// Its number, from 1.
    pub number: u32,
    /// Its name in the table.
    pub name: String,
    /// What it is for.
    pub type_guid: Uuid,
    /// Which one it is.
    pub guid: Uuid,
    /// First byte.
    pub offset: u64,
    /// Bytes.
    pub len: u64,
}

/// cloud-init's seed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seed {
    /// `cidata` for a partition of that name, else the directory in the root.
    pub place: String,
    /// user-data
    pub user_data: Option<String>,
    /// meta-data
    pub meta_data: Option<String>,
    /// network-config
    pub network_config: Option<String>,
}

/// What is on a disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Installed {
    /// The partitions of the GUID partition table.
    pub partitions: Vec<InstalledPartition>,
    /// Whether an ESP has `EFI/BOOT/BOOTX64.EFI`.
    pub boot_loader: bool,
    /// The stamp on the ESP.
    pub stamp: Option<Stamp>,
    /// The contents of the root partition.
    pub root: Option<RootContents>,
    /// The seed.
    pub seed: Option<Seed>,
}

/// Where a seed stands in a root without a `cidata` partition.
pub(crate) const SEED_DIRECTORY: &str = "var/lib/cloud/seed/nocloud";

/// Reads a disk file. Nothing when it has no GUID partition table.
pub fn read_back(path: &Path) -> Result<Option<Installed>, ReadBackError> {
    let io = |source| ReadBackError::Io { path: path.to_owned(), source };
    let file = File::open(path).map_err(io)?;
    let table = read_gpt(&file).map_err(|source| ReadBackError::Table { path: path.to_owned(), source })?;
    let Some(table) = table else { return Ok(None) };
    let mut found =
        Installed { partitions: Vec::new(), boot_loader: false, stamp: None, root: None, seed: None };
    for entry in &table {
        let volume = Window::new(&file, entry.offset, entry.len);
        let fat = |name: &str| match read_fat_file(&volume, name, FILE_LIMIT) {
            Ok(content) => Ok(content),
            // A partition that is to be an ESP and has no file system yet.
            Err(FatError::Malformed { .. }) => Ok(None),
            Err(source) => Err(ReadBackError::Fat { path: path.to_owned(), number: entry.number, source }),
        };
        if Some(entry.type_guid) == type_guid("ef00") {
            found.boot_loader |= fat("EFI/BOOT/BOOTX64.EFI")?.is_some();
            if let Some(stamp) = fat(STAMP_PATH)? {
                let stamp = serde_json::from_slice(&stamp);
                found.stamp =
                    Some(stamp.map_err(|source| ReadBackError::Stamp { path: path.to_owned(), source })?);
            }
        } else if entry.name.eq_ignore_ascii_case("cidata") {
            let text = |name: &str| {
                fat(name).map(|content| content.map(|c| String::from_utf8_lossy(&c).into_owned()))
            };
            found.seed = Some(Seed {
                place: "cidata".to_owned(),
                user_data: text("user-data")?,
                meta_data: text("meta-data")?,
                network_config: text("network-config")?,
            });
        } else if let Some(root) = root(&file, entry).map_err(io)? {
            found.seed = found.seed.or_else(|| seed(&root));
            found.root = Some(root);
        }
    }
    found.partitions = table.into_iter().map(partition).collect();
    Ok(Some(found))
}

fn partition(entry: GptEntry) -> InstalledPartition {
    let GptEntry { number, type_guid, guid, offset, len, name } = entry;
    InstalledPartition { number, name, type_guid, guid, offset, len }
}

fn root(file: &File, entry: &GptEntry) -> io::Result<Option<RootContents>> {
    RootContents::read(|at, buffer| {
        if at + buffer.len() as u64 > entry.len {
            return Ok(false);
        }
        file.read_exact_at(buffer, entry.offset + at).map(|()| true)
    })
}

fn seed(root: &RootContents) -> Option<Seed> {
    let file = |name: &str| root.files.get(&format!("{SEED_DIRECTORY}/{name}")).cloned();
    let seed = Seed {
        place: SEED_DIRECTORY.to_owned(),
        user_data: file("user-data"),
        meta_data: file("meta-data"),
        network_config: file("network-config"),
    };
    (seed.user_data.is_some() || seed.meta_data.is_some()).then_some(seed)
}

/// A digest of everything on a disk: its size, and every block that is not all zeros with its place. Holes and written
/// zeros are the same.
pub fn digest(path: &Path) -> Result<String, ReadBackError> {
    let io = |source| ReadBackError::Io { path: path.to_owned(), source };
    let file = File::open(path).map_err(io)?;
    let len = file.metadata().map_err(io)?.len();
    let mut hash = Sha256::new();
    hash.update(len.to_be_bytes());
    let mut at = 0;
    while let Some(from) = next(&file, SeekFrom::Data(at)).map_err(io)?.filter(|from| *from < len) {
        let to = next(&file, SeekFrom::Hole(from)).map_err(io)?.unwrap_or(len);
        let mut block_at = from / BLOCK as u64 * BLOCK as u64;
        let mut block = vec![0; BLOCK];
        while block_at < to {
            let size = usize::try_from(len - block_at).unwrap_or(BLOCK).min(BLOCK);
            file.read_exact_at(&mut block[..size], block_at).map_err(io)?;
            if block[..size].iter().any(|byte| *byte != 0) {
                hash.update(block_at.to_be_bytes());
                hash.update(&block[..size]);
            }
            block_at += BLOCK as u64;
        }
        at = block_at.max(to);
    }
    Ok(crate::tls::hex(&hash.finalize()))
}

/// Where data, or a hole, begins; nothing behind the last of them.
fn next(file: &File, from: SeekFrom) -> io::Result<Option<u64>> {
    match seek(file, from) {
        Ok(at) => Ok(Some(at)),
        Err(Errno::NXIO) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
