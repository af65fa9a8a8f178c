// SPDX-License-Identifier: AGPL-3.0-or-later
//! Partition tables, read to say what is there. Checksums are not verified: a table that is slightly wrong is still
//! somebody's table.

use std::io;

use shoal_taskiso::ReadAt;
use uuid::Uuid;

use super::window::{le16, le32, le64, read};

/// Entries read from a table. Tools make 128.
const MOST_ENTRIES: u32 = 1024;

/// A used entry of a GUID partition table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GptEntry {
    /// Its place in the table, from 1.
    pub number: u32,
    /// What it is for.
    pub type_guid: Uuid,
    /// Which one it is.
    pub guid: Uuid,
    /// First byte.
    pub offset: u64,
    /// Bytes.
    pub len: u64,
    /// Its name.
    pub name: String,
}

/// Why a table cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// The disk failed.
    #[error("read the partition table")]
    Io(#[from] io::Error),
    /// The table contradicts itself.
    #[error("read the partition table: {problem}")]
    Malformed {
        /// What is wrong.
        problem: &'static str,
    },
}

/// The used entries of the GUID partition table; nothing when there is none.
///
/// Disks have sectors of 512 or 4096 bytes; the table's header tells by where it stands.
pub fn read_gpt(source: &dyn ReadAt) -> Result<Option<Vec<GptEntry>>, TableError> {
    for sector in [512, 4096] {
        if let Some(header) = read(source, sector, 92)?
            && header.starts_with(b"EFI PART")
        {
            return entries(source, &header, sector).map(Some);
        }
    }
    Ok(None)
}

fn entries(source: &dyn ReadAt, header: &[u8], sector: u64) -> Result<Vec<GptEntry>, TableError> {
    let malformed = |problem| TableError::Malformed { problem };
    let (count, size) = (le32(header, 80), le32(header, 84));
    if count > MOST_ENTRIES || !(128..=4096).contains(&size) {
        return Err(malformed("the size of its entries is not one that exists"));
    }
    let at =
        le64(header, 72).checked_mul(sector).ok_or_else(|| malformed("its entries are behind the end"))?;
    let table = read(source, at, (count * size) as usize)?
        .ok_or_else(|| malformed("its entries are behind the end"))?;
    let mut found = Vec::new();
    for (index, entry) in table.chunks_exact(size as usize).enumerate() {
        let type_guid = guid(entry, 0);
        if type_guid.is_nil() {
            continue;
        }
        let (first, last) = (le64(entry, 32), le64(entry, 40));
        let sectors = last.checked_sub(first).and_then(|count| count.checked_add(1));
        let offset = first.checked_mul(sector);
        let len = sectors.and_then(|count| count.checked_mul(sector));
        let (Some(offset), Some(len)) = (offset, len) else {
            return Err(malformed("a partition ends before it begins"));
        };
        let units: Vec<u16> =
            (0..36).map(|unit| le16(entry, 56 + unit * 2)).take_while(|unit| *unit != 0).collect();
        let name = String::from_utf16_lossy(&units);
        let number = u32::try_from(index + 1).unwrap_or(u32::MAX);
        found.push(GptEntry { number, type_guid, guid: guid(entry, 16), offset, len, name });
    }
    Ok(found)
}

/// GUIDs stand in the mixed byte order of UEFI (appendix A).
fn guid(bytes: &[u8], at: usize) -> Uuid {
    bytes.get(at..at + 16).and_then(|b| b.try_into().ok()).map_or(Uuid::nil(), Uuid::from_bytes_le)
}

/// Whether a backup table stands in the last sector.
pub(super) fn has_backup_gpt(source: &dyn ReadAt) -> io::Result<bool> {
    for sector in [512, 4096] {
        let Some(at) = source.len().checked_sub(sector) else { continue };
        if read(source, at, 8)?.as_deref() == Some(b"EFI PART") {
            return Ok(true);
        }
    }
    Ok(false)
}

/// How many partitions a DOS table has; nothing when there is no such table, or it only protects a GPT.
pub(super) fn dos_partitions(source: &dyn ReadAt) -> io::Result<Option<usize>> {
    let Some(sector) = read(source, 0, 512)? else { return Ok(None) };
    if sector[510..] != [0x55, 0xaa] {
        return Ok(None);
    }
    let kinds: Vec<u8> = (0..4).map(|entry| sector[446 + entry * 16 + 4]).filter(|kind| *kind != 0).collect();
    // File systems put a boot sector with the same mark there; their entries are not plausible.
    let states = (0..4).map(|entry| sector[446 + entry * 16]);
    let plausible = states.into_iter().all(|state| matches!(state, 0 | 0x80));
    Ok((plausible && !kinds.is_empty() && kinds != [0xee]).then_some(kinds.len()))
}
