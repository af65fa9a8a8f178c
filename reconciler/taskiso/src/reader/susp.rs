// SPDX-License-Identifier: AGPL-3.0-or-later
//! System use fields: Rock Ridge entries, and the continuation areas they may go on in.

use crate::SECTOR;
use crate::source::ReadAt;

use super::walk::Budget;
use super::{ReadError, bytes, fill, le32};

/// Continuation areas of one record. Real ones have one, for a long name or link.
const MOST_AREAS: usize = 16;

/// Longest name, in bytes: what Linux takes.
const LONGEST_NAME: usize = 255;

/// The name stands for `.` or `..` and has no text.
const NM_SPECIAL: u8 = 0x02 | 0x04;

/// Owner and permissions as Rock Ridge has them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Posix {
    /// File type and permission bits, as in `st_mode`.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Names that point here, as in `st_nlink`.
    pub links: u32,
}

/// What the entries of a record say.
#[derive(Default)]
pub(super) struct Entries {
    /// The name, where there is one.
    pub(super) name: Option<Vec<u8>>,
    pub(super) posix: Option<Posix>,
    /// A place holder for a directory that stands elsewhere.
    pub(super) child_link: bool,
    /// Bytes to skip in every other system use field, if this one has the mark of SUSP.
    pub(super) skip: Option<u8>,
}

/// A place that the entries go on at.
#[derive(Clone, Copy)]
struct Area {
    sector: u32,
    offset: u32,
    len: u32,
}

/// Reads the entries of a system use field, from byte `at` of the medium, and of its
/// continuation areas.
pub(super) fn read<S: ReadAt + ?Sized>(
    source: &S,
    field: &[u8],
    at: u64,
    budget: &mut Budget,
) -> Result<Entries, ReadError> {
    let mut entries = Entries::default();
    let mut next = entries.take(field, at)?;
    let mut buffer = Vec::new();
    for _ in 0..MOST_AREAS {
        let Some(area) = next else {
            return Ok(entries);
        };
        let at = u64::from(area.sector) * SECTOR as u64 + u64::from(area.offset);
        if area.len as usize > SECTOR {
            return Err(malformed(at, "the continuation area is larger than a sector"));
        }
        budget.spend(u64::from(area.len))?;
        buffer.resize(area.len as usize, 0);
        fill(source, at, &mut buffer, "rock ridge continuation")?;
        next = entries.take(&buffer, at)?;
    }
    match next {
        None => Ok(entries),
        Some(_) => Err(malformed(at, "the continuation areas do not end")),
    }
}

impl Entries {
    /// Takes in one field or area; gives the area that follows.
    fn take(&mut self, field: &[u8], at: u64) -> Result<Option<Area>, ReadError> {
        let mut next = None;
        let mut rest = field;
        // Fewer than four bytes, or a zero where the length stands, are filling.
        while let Some([s0, s1, len, _version]) = bytes(rest, 0) {
            if len == 0 || [s0, s1] == *b"ST" {
                break;
            }
            let Some(data) = rest.get(4..usize::from(len)) else {
                return Err(malformed(at, "an entry is longer than its field"));
            };
            match &[s0, s1] {
                b"SP" => {
                    if let Some([0xBE, 0xEF, skip]) = bytes(data, 0) {
                        self.skip = Some(skip);
                    }
                }
                b"CE" => next = Some(area(data).ok_or_else(|| malformed(at, "short CE entry"))?),
                b"PX" => self.posix = Some(posix(data).ok_or_else(|| malformed(at, "short PX entry"))?),
                b"NM" => self.add_name(data, at)?,
                b"CL" => self.child_link = true,
                _ => {}
            }
            rest = rest.get(usize::from(len)..).unwrap_or_default();
        }
        Ok(next)
    }

    fn add_name(&mut self, data: &[u8], at: u64) -> Result<(), ReadError> {
        let Some((&flags, text)) = data.split_first() else {
            return Err(malformed(at, "short NM entry"));
        };
        if flags & NM_SPECIAL != 0 {
            return Ok(());
        }
        let name = self.name.get_or_insert_default();
        if name.len() + text.len() > LONGEST_NAME {
            return Err(malformed(at, "the name is too long"));
        }
        name.extend_from_slice(text);
        Ok(())
    }
}

fn area(data: &[u8]) -> Option<Area> {
    Some(Area { sector: le32(data, 0)?, offset: le32(data, 8)?, len: le32(data, 16)? })
}

fn posix(data: &[u8]) -> Option<Posix> {
    Some(Posix { mode: le32(data, 0)?, links: le32(data, 8)?, uid: le32(data, 16)?, gid: le32(data, 24)? })
}

fn malformed(at: u64, problem: &'static str) -> ReadError {
    ReadError::Malformed { what: "rock ridge entries".into(), at, problem }
}
