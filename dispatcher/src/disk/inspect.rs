// SPDX-License-Identifier: AGPL-3.0-or-later
//! What is on a disk: the answer that a permit, and a first install on blank disks, depend on.
//!
//! Blank is: no partition table, no signature of a file system, of swap, LVM, RAID or ZFS, and nothing but zeros in
//! the first and last 16 MiB. A disk that fails to be read is not blank but an error.

use std::io;

use shoal_schema::wire::stamp::{STAMP_PATH, Stamp};
use shoal_taskiso::{ReadAt, Window};
use uuid::{Uuid, uuid};

use super::fat;
use super::signature::probe;
use super::table::{self, GptEntry, TableError, read_gpt};
use super::window::fill;

/// Bytes at each end that must be zero.
const ENDS: u64 = 16 << 20;

/// Largest stamp that is read, in bytes.
const STAMP_LIMIT: usize = 64 << 10;

/// Partitions that are described one by one.
const DESCRIBED: usize = 16;

/// The type of an EFI system partition (UEFI 2.10, table 5.7).
const ESP: Uuid = uuid!("c12a7328-f81f-11d2-ba4b-00a0c93ec93b");

/// What was found on a disk.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inspection {
    /// Nothing at all.
    pub blank: bool,
    /// What there is, for people.
    pub contents: Vec<String>,
    /// The stamp of an earlier install.
    pub stamp: Option<Stamp>,
}

/// Looks at a disk without writing to it.
pub fn inspect(disk: &dyn ReadAt) -> io::Result<Inspection> {
    let mut found = Inspection::default();
    match read_gpt(disk) {
        Ok(Some(entries)) => partitions(disk, &entries, &mut found)?,
        Ok(None) => {}
        Err(TableError::Io(error)) => return Err(error),
        Err(error @ TableError::Malformed { .. }) => found.contents.push(format!("gpt, broken: {error}")),
    }
    if found.contents.is_empty() {
        if let Some(count) = table::dos_partitions(disk)? {
            found.contents.push(format!("dos: {count} partitions"));
        } else if table::has_backup_gpt(disk)? {
            found.contents.push("gpt: backup table only".to_owned());
        }
    }
    found.contents.extend(probe(disk)?);
    if found.contents.is_empty() {
        found.blank = ends_are_zero(disk)?;
        if !found.blank {
            found.contents.push("data without a known signature in the first or last 16 MiB".to_owned());
        }
    }
    Ok(found)
}

fn partitions(disk: &dyn ReadAt, entries: &[GptEntry], found: &mut Inspection) -> io::Result<()> {
    found.contents.push(format!("gpt: {} partitions", entries.len()));
    for entry in entries {
        let part = Window::new(disk, entry.offset, entry.len);
        if found.contents.len() <= DESCRIBED {
            let holds = probe(&part)?;
            let holds = if holds.is_empty() { "unknown".to_owned() } else { holds.join(", ") };
            found.contents.push(format!("{}: {holds}, {} MiB", entry.number, entry.len >> 20));
        }
        if entry.type_guid == ESP && found.stamp.is_none() {
            found.stamp = stamp(&part, entry.number, &mut found.contents)?;
        }
    }
    Ok(())
}

/// The stamp on an ESP. One that is there and unreadable is said, and counts as none: the controller decides.
fn stamp(esp: &dyn ReadAt, number: u32, contents: &mut Vec<String>) -> io::Result<Option<Stamp>> {
    let bytes = match fat::read_file(esp, STAMP_PATH, STAMP_LIMIT) {
        Ok(Some(bytes)) => bytes,
        Ok(None) => return Ok(None),
        Err(fat::FatError::Io(error)) => return Err(error),
        Err(_) => {
            contents.push(format!("{number}: no readable fat volume"));
            return Ok(None);
        }
    };
    if let Ok(stamp) = serde_json::from_slice(&bytes) {
        return Ok(Some(stamp));
    }
    contents.push(format!("{number}: a stamp that cannot be read"));
    Ok(None)
}

fn ends_are_zero(disk: &dyn ReadAt) -> io::Result<bool> {
    let len = disk.len();
    let last = len.saturating_sub(ENDS);
    // A disk below 32 MiB is read once.
    Ok(is_zero(disk, 0, len.min(ENDS))? && is_zero(disk, last.max(ENDS.min(len)), len)?)
}

fn is_zero(disk: &dyn ReadAt, from: u64, to: u64) -> io::Result<bool> {
    let mut buffer = vec![0; 1 << 20];
    let mut at = from;
    while at < to {
        let len = usize::try_from(to - at).unwrap_or(usize::MAX).min(buffer.len());
        if !fill(disk, at, &mut buffer[..len])? {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if buffer[..len].iter().any(|byte| *byte != 0) {
            return Ok(false);
        }
        at += len as u64;
    }
    Ok(true)
}
