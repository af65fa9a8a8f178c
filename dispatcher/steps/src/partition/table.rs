// SPDX-License-Identifier: AGPL-3.0-or-later
//! The partition table that is on a disk, if it is whole: both copies with their checksums, and the same in both.

use std::io;

use flate2::Crc;
use shoal_dispatcher::disk::{GptEntry, TableError, read_gpt};
use shoal_taskiso::ReadAt;
use uuid::Uuid;

/// Bytes of a header (UEFI 2.10, table 5.5).
const HEADER: usize = 92;

/// The most bytes of entries that are read.
const MOST_ENTRIES: u64 = 1 << 20;

/// A whole table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// The disk's GUID.
    pub guid: Uuid,
    /// The used entries.
    pub entries: Vec<GptEntry>,
}

/// A header as far as it is compared.
#[derive(PartialEq, Eq)]
struct Header {
    guid: Uuid,
    entries: Vec<u8>,
}

/// Reads the table; nothing where there is none or where it is not whole.
pub fn read(disk: &dyn ReadAt) -> io::Result<Option<Table>> {
    for sector in [512, 4096] {
        let Some(last) = (disk.len() / sector).checked_sub(1) else { continue };
        let Some(first) = header(disk, sector, 1)? else { continue };
        let second = header(disk, sector, last)?;
        if second.is_none_or(|second| second != first) {
            return Ok(None);
        }
        return match read_gpt(disk) {
            Ok(entries) => Ok(entries.map(|entries| Table { guid: first.guid, entries })),
            Err(TableError::Io(error)) => Err(error),
            Err(TableError::Malformed { .. }) => Ok(None),
        };
    }
    Ok(None)
}

/// A header that fits its checksum and its place, with entries that fit theirs.
fn header(disk: &dyn ReadAt, sector: u64, at: u64) -> io::Result<Option<Header>> {
    let Some(mut bytes) = read_exact(disk, at * sector, HEADER)? else { return Ok(None) };
    if !bytes.starts_with(b"EFI PART") || le32(&bytes, 12) as usize != HEADER || le64(&bytes, 24) != at {
        return Ok(None);
    }
    let wanted = le32(&bytes, 16);
    bytes[16..20].fill(0);
    if crc(&bytes) != wanted {
        return Ok(None);
    }
    let (start, count, size) = (le64(&bytes, 72), le32(&bytes, 80), le32(&bytes, 84));
    let len = u64::from(count) * u64::from(size);
    let Some(start) = start.checked_mul(sector).filter(|_| len <= MOST_ENTRIES) else { return Ok(None) };
    let Some(entries) = read_exact(disk, start, len as usize)? else { return Ok(None) };
    if crc(&entries) != le32(&bytes, 88) {
        return Ok(None);
    }
    let mut guid = [0; 16];
    guid.copy_from_slice(&bytes[56..72]);
    Ok(Some(Header { guid: Uuid::from_bytes_le(guid), entries }))
}

fn read_exact(disk: &dyn ReadAt, offset: u64, len: usize) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = vec![0; len];
    let mut done = 0;
    while done < len {
        match disk.read_at(offset.saturating_add(done as u64), &mut bytes[done..]) {
            Ok(0) => return Ok(None),
            Ok(count) => done += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(Some(bytes))
}

fn crc(bytes: &[u8]) -> u32 {
    let mut crc = Crc::new();
    crc.update(bytes);
    crc.sum()
}

fn le32(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at + 4).and_then(|b| b.try_into().ok()).map_or(0, u32::from_le_bytes)
}

fn le64(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..at + 8).and_then(|b| b.try_into().ok()).map_or(0, u64::from_le_bytes)
}
