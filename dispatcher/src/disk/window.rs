// SPDX-License-Identifier: AGPL-3.0-or-later
//! Whole reads out of a source that may read less than asked for.

use std::io;

use shoal_taskiso::ReadAt;

/// `len` bytes from `offset` on; nothing when the source ends before.
pub(super) fn read(source: &dyn ReadAt, offset: u64, len: usize) -> io::Result<Option<Vec<u8>>> {
    if offset.checked_add(len as u64).is_none_or(|end| end > source.len()) {
        return Ok(None);
    }
    let mut buffer = vec![0; len];
    fill(source, offset, &mut buffer).map(|filled| filled.then_some(buffer))
}

/// Fills the buffer; false when the source ends before.
pub(super) fn fill(source: &dyn ReadAt, offset: u64, buffer: &mut [u8]) -> io::Result<bool> {
    let mut done = 0;
    while done < buffer.len() {
        match source.read_at(offset + done as u64, &mut buffer[done..]) {
            Ok(0) => return Ok(false),
            Ok(count) => done += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(true)
}

pub(super) fn le16(bytes: &[u8], at: usize) -> u16 {
    bytes.get(at..at + 2).and_then(|b| b.try_into().ok()).map_or(0, u16::from_le_bytes)
}

pub(super) fn le32(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at + 4).and_then(|b| b.try_into().ok()).map_or(0, u32::from_le_bytes)
}

pub(super) fn le64(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..at + 8).and_then(|b| b.try_into().ok()).map_or(0, u64::from_le_bytes)
}
