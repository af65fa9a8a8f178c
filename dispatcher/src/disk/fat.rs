// SPDX-License-Identifier: AGPL-3.0-or-later
//! Reads one file out of a FAT volume: the stamp on an ESP.
//!
//! The volume may be of any age and in any state, so nothing in it is believed: every chain of clusters is bounded,
//! every place is checked against the volume's end, and what does not add up is an error, never a hang or a panic.
//! Long names are read because `stamp.json` has one.

use std::io;

use shoal_taskiso::ReadAt;

use super::window::{fill, le16, le32, read};

/// Entries read from a directory, in bytes. The standard ends at 2 MiB.
const LARGEST_DIRECTORY: usize = 2 << 20;

const DIRECTORY: u8 = 0x10;
const VOLUME_LABEL: u8 = 0x08;
const LONG_NAME: u8 = 0x0f;

/// Why a file was not read.
#[derive(Debug, thiserror::Error)]
pub enum FatError {
    /// The disk failed.
    #[error("read the fat volume")]
    Io(#[from] io::Error),
    /// It is no FAT volume, or a broken one.
    #[error("read the fat volume: {problem}")]
    Malformed {
        /// What is wrong.
        problem: &'static str,
    },
    /// The file is larger than the caller allows.
    #[error("read {path}: it has {len} bytes, at most {limit} are read")]
    TooLarge {
        /// The file.
        path: String,
        /// Its bytes.
        len: u64,
        /// Bytes allowed.
        limit: usize,
    },
}

/// The content of `path`, with `/` between names, in any case; nothing when there is no such file.
pub fn read_file(source: &dyn ReadAt, path: &str, limit: usize) -> Result<Option<Vec<u8>>, FatError> {
    let volume = Volume::open(source)?;
    let mut directory = volume.root()?;
    let mut names = path.split('/').peekable();
    while let Some(name) = names.next() {
        let Some(entry) = entries(&directory).find(|entry| entry.is(name)) else { return Ok(None) };
        if names.peek().is_some() {
            if !entry.directory {
                return Ok(None);
            }
            directory = volume.chain(entry.cluster, LARGEST_DIRECTORY)?;
            continue;
        }
        if entry.directory {
            return Ok(None);
        }
        if entry.len as usize > limit {
            return Err(FatError::TooLarge { path: path.to_owned(), len: entry.len.into(), limit });
        }
        if entry.len == 0 {
            return Ok(Some(Vec::new()));
        }
        let mut content = volume.chain(entry.cluster, entry.len as usize)?;
        if content.len() < entry.len as usize {
            return Err(FatError::Malformed { problem: "a file ends before its length" });
        }
        content.truncate(entry.len as usize);
        return Ok(Some(content));
    }
    Ok(None)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Width {
    Fat12,
    Fat16,
    Fat32,
}

struct Volume<'a> {
    source: &'a dyn ReadAt,
    width: Width,
    cluster_len: usize,
    clusters: u32,
    /// Bytes from the start of the volume.
    fat: u64,
    root: u64,
    root_len: usize,
    root_cluster: u32,
    data: u64,
}

impl<'a> Volume<'a> {
    /// Reads the boot sector (Microsoft's "FAT32 File System Specification", the same numbers as in `fatgen103`).
    fn open(source: &'a dyn ReadAt) -> Result<Self, FatError> {
        let malformed = |problem| FatError::Malformed { problem };
        let boot = read(source, 0, 512)?.ok_or_else(|| malformed("it is too short"))?;
        let sector = u64::from(le16(&boot, 11));
        let per_cluster = u64::from(boot[13]);
        let fats = u64::from(boot[16]);
        let known = matches!(sector, 512 | 1024 | 2048 | 4096)
            && per_cluster.is_power_of_two()
            && (1..=4).contains(&fats);
        if !known || boot[510..] != [0x55, 0xaa] {
            return Err(malformed("this is none"));
        }
        let either = |short: u16, long: u32| if short != 0 { u64::from(short) } else { u64::from(long) };
        let reserved = u64::from(le16(&boot, 14));
        let total = either(le16(&boot, 19), le32(&boot, 32));
        let fat_sectors = either(le16(&boot, 22), le32(&boot, 36));
        let root_len = u64::from(le16(&boot, 17)) * 32;
        let root = reserved + fats * fat_sectors;
        let data = root + root_len.div_ceil(sector);
        let clusters = total.checked_sub(data).ok_or_else(|| malformed("its areas are larger than it is"))?
            / per_cluster;
        let width = match clusters {
            0..4085 => Width::Fat12,
            4085..65525 => Width::Fat16,
            _ => Width::Fat32,
        };
        Ok(Self {
            source,
            width,
            cluster_len: (sector * per_cluster) as usize,
            clusters: u32::try_from(clusters).map_err(|_| malformed("it has too many clusters"))?,
            fat: reserved * sector,
            root: root * sector,
            root_len: root_len as usize,
            root_cluster: le32(&boot, 44),
            data: data * sector,
        })
    }

    fn root(&self) -> Result<Vec<u8>, FatError> {
        if self.width == Width::Fat32 {
            return self.chain(self.root_cluster, LARGEST_DIRECTORY);
        }
        read(self.source, self.root, self.root_len)?
            .ok_or(FatError::Malformed { problem: "the root directory is behind the end" })
    }

    /// The content of a chain of clusters, up to the cluster that holds byte `most`.
    fn chain(&self, first: u32, most: usize) -> Result<Vec<u8>, FatError> {
        let mut content = Vec::new();
        let mut cluster = first;
        while content.len() < most {
            let index = cluster.checked_sub(2).filter(|index| *index < self.clusters);
            let index = index.ok_or(FatError::Malformed { problem: "a chain leaves the volume" })?;
            let at = self.data + u64::from(index) * self.cluster_len as u64;
            let from = content.len();
            content.resize(from + self.cluster_len, 0);
            if !fill(self.source, at, &mut content[from..])? {
                return Err(FatError::Malformed { problem: "a cluster is behind the end" });
            }
            match self.next(cluster)? {
                Some(next) => cluster = next,
                None => break,
            }
        }
        Ok(content)
    }

    /// What follows a cluster; nothing at the end of a chain. A loop ends with the length that the caller wants.
    fn next(&self, cluster: u32) -> Result<Option<u32>, FatError> {
        let short = FatError::Malformed { problem: "the table is behind the end" };
        let place = u64::from(cluster);
        let (at, len) = match self.width {
            Width::Fat12 => (place + place / 2, 2),
            Width::Fat16 => (place * 2, 2),
            Width::Fat32 => (place * 4, 4),
        };
        let Some(bytes) = read(self.source, self.fat + at, len)? else { return Err(short) };
        let (next, end) = match self.width {
            Width::Fat12 if cluster.is_multiple_of(2) => (u32::from(le16(&bytes, 0) & 0xfff), 0xff8),
            Width::Fat12 => (u32::from(le16(&bytes, 0) >> 4), 0xff8),
            Width::Fat16 => (u32::from(le16(&bytes, 0)), 0xfff8),
            Width::Fat32 => (le32(&bytes, 0) & 0x0fff_ffff, 0x0fff_fff8),
        };
        Ok((next < end).then_some(next))
    }
}

struct Entry {
    long: String,
    short: String,
    directory: bool,
    cluster: u32,
    len: u32,
}

impl Entry {
    fn is(&self, name: &str) -> bool {
        self.long.eq_ignore_ascii_case(name) || self.short.eq_ignore_ascii_case(name)
    }
}

/// The files and directories of a directory. A long name stands in front of its entry, last part first.
fn entries(directory: &[u8]) -> impl Iterator<Item = Entry> {
    let mut parts: Vec<[u16; 13]> = Vec::new();
    directory.chunks_exact(32).take_while(|record| record[0] != 0).filter_map(move |record| {
        let attributes = record[11];
        if record[0] == 0xe5 {
            parts.clear();
            return None;
        }
        if attributes & 0x3f == LONG_NAME {
            if record[0] & 0x40 != 0 {
                parts.clear();
            }
            // 20 parts hold the 255 characters that a name may have.
            if parts.len() < 20 {
                let mut part = [0; 13];
                let places = (1..11).step_by(2).chain((14..26).step_by(2)).chain((28..32).step_by(2));
                for (unit, at) in part.iter_mut().zip(places) {
                    *unit = le16(record, at);
                }
                parts.push(part);
            }
            return None;
        }
        let units: Vec<u16> =
            parts.drain(..).rev().flatten().take_while(|unit| !matches!(unit, 0 | 0xffff)).collect();
        if attributes & VOLUME_LABEL != 0 {
            return None;
        }
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end().to_owned();
        let (stem, extension) = (text(&record[..8]), text(&record[8..11]));
        let short = if extension.is_empty() { stem } else { format!("{stem}.{extension}") };
        Some(Entry {
            long: String::from_utf16_lossy(&units),
            short,
            directory: attributes & DIRECTORY != 0,
            cluster: u32::from(le16(record, 20)) << 16 | u32::from(le16(record, 26)),
            len: le32(record, 28),
        })
    })
}
