// SPDX-License-Identifier: AGPL-3.0-or-later
//! The set of volume descriptors, from sector 16 on.

use crate::SECTOR;
use crate::source::ReadAt;

use super::record::Extent;
use super::{ReadError, Sector, fill, le16, le32};

/// First sector of the set.
const FIRST: u64 = 16;

/// Descriptors looked at. Real sets have three to six.
const MOST: u64 = 64;

/// What the primary descriptor and, where there is one, the Joliet descriptor say.
pub(super) struct Descriptors {
    pub(super) primary: Primary,
    /// The root of the Joliet tree.
    pub(super) joliet: Option<Extent>,
}

/// The primary descriptor.
pub(crate) struct Primary {
    pub(crate) volume_id: String,
    /// Bytes of the volume.
    pub(crate) len: u64,
    pub(super) root: Extent,
}

/// The primary descriptor alone, of a source that is an ISO 9660 volume.
pub(crate) fn primary<S: ReadAt + ?Sized>(source: &S) -> Result<Primary, ReadError> {
    let mut found = None;
    scan(source, |sector, at| {
        if sector[0] == 1 {
            found = Some(parse_primary(sector, at)?);
        }
        Ok(found.is_some())
    })?;
    found.ok_or(ReadError::NotIso)
}

/// All descriptors that matter here.
pub(super) fn read<S: ReadAt + ?Sized>(source: &S) -> Result<Descriptors, ReadError> {
    let mut found = None;
    let mut joliet = None;
    scan(source, |sector, at| {
        // The first of each kind counts, as in Linux.
        if sector[0] == 1 && found.is_none() {
            found = Some(parse_primary(sector, at)?);
        }
        if sector[0] == 2 && joliet.is_none() && is_joliet(sector) {
            check_block_size(sector, at)?;
            joliet = Some(root(sector, at)?);
        }
        Ok(false)
    })?;
    Ok(Descriptors { primary: found.ok_or(ReadError::NotIso)?, joliet })
}

/// Hands each descriptor and its place to `visit`, until that says true or the set ends.
fn scan<S: ReadAt + ?Sized>(
    source: &S,
    mut visit: impl FnMut(&Sector, u64) -> Result<bool, ReadError>,
) -> Result<(), ReadError> {
    let mut sector = [0; SECTOR];
    for number in FIRST..FIRST + MOST {
        let at = number * SECTOR as u64;
        match fill(source, at, &mut sector, "volume descriptor") {
            // Whatever is too short for a first descriptor is something else.
            Err(ReadError::Truncated { .. }) if number == FIRST => return Err(ReadError::NotIso),
            other => other?,
        }
        if &sector[1..7] != b"CD001\x01" {
            if number == FIRST {
                return Err(ReadError::NotIso);
            }
            return Err(ReadError::Malformed {
                what: "volume descriptor".into(),
                at,
                problem: "the set has no end",
            });
        }
        if sector[0] == 255 || visit(&sector, at)? {
            return Ok(());
        }
    }
    Err(ReadError::TooMany { what: "volume descriptors", limit: MOST })
}

fn parse_primary(sector: &Sector, at: u64) -> Result<Primary, ReadError> {
    check_block_size(sector, at)?;
    let id = &sector[40..72];
    let end = id.iter().rposition(|b| !matches!(b, b' ' | 0));
    let id = end.map_or(&id[..0], |end| &id[..=end]);
    let sectors = le32(sector, 80).unwrap_or_default();
    Ok(Primary {
        volume_id: String::from_utf8_lossy(id).into_owned(),
        len: u64::from(sectors) * SECTOR as u64,
        root: root(sector, at)?,
    })
}

fn check_block_size(sector: &Sector, at: u64) -> Result<(), ReadError> {
    if le16(sector, 128) == Some(SECTOR as u16) {
        return Ok(());
    }
    Err(ReadError::Malformed { what: "volume descriptor".into(), at, problem: "the block size is not 2048" })
}

/// Whether a supplementary descriptor announces UCS-2 of level 1, 2 or 3.
fn is_joliet(sector: &Sector) -> bool {
    [b"%/@", b"%/C", b"%/E"].contains(&&[sector[88], sector[89], sector[90]])
}

/// The extent of the root directory, out of the record in the descriptor.
fn root(sector: &Sector, at: u64) -> Result<Extent, ReadError> {
    match (le32(sector, 156 + 2), le32(sector, 156 + 10)) {
        (Some(first), Some(len)) => {
            Ok(Extent { sector: first.saturating_add(u32::from(sector[156 + 1])), len })
        }
        _ => Err(ReadError::Malformed { what: "volume descriptor".into(), at, problem: "no root directory" }),
    }
}
