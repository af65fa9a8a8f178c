// SPDX-License-Identifier: AGPL-3.0-or-later
//! Volume descriptors (ECMA-119 8.3, 8.4, 8.5; Joliet), one sector each.

use crate::SECTOR;

use super::fields::{Text, both16, both32, fill_sector, zeros};
use super::hierarchy::Namespace;
use super::record::Record;
use super::stamp::{Stamp, UNSPECIFIED};

/// Who made the volume, in both descriptors.
const PREPARER: &str = "SHOAL";

/// Escape sequence of UCS-2 level 3.
const UCS2_LEVEL_3: &[u8] = b"%/E";

/// What a descriptor points at.
pub(super) struct Descriptor<'a> {
    pub(super) namespace: Namespace,
    pub(super) volume_id: &'a str,
    /// Sectors of the whole volume.
    pub(super) sectors: u32,
    /// Bytes of a path table.
    pub(super) path_table_len: u32,
    /// First sector of the path table in each byte order.
    pub(super) path_table_little: u32,
    pub(super) path_table_big: u32,
    /// Extent of the root directory.
    pub(super) root_sector: u32,
    pub(super) root_len: u32,
}

impl Descriptor<'_> {
    pub(super) fn push(&self, out: &mut Vec<u8>, stamp: &Stamp) {
        let (kind, text) = match self.namespace {
            Namespace::Primary => (1, Text::Ascii),
            Namespace::Joliet => (2, Text::Ucs2),
        };
        out.push(kind);
        out.extend_from_slice(b"CD001\x01\0");
        text.push(out, "", 32); // system
        text.push(out, self.volume_id, 32);
        zeros(out, 8);
        both32(out, self.sectors);
        let escapes = out.len();
        if self.namespace == Namespace::Joliet {
            out.extend_from_slice(UCS2_LEVEL_3);
        }
        out.resize(escapes + 32, 0);
        both16(out, 1); // volumes in the set
        both16(out, 1); // number of this one
        both16(out, SECTOR as u16);
        both32(out, self.path_table_len);
        out.extend_from_slice(&self.path_table_little.to_le_bytes());
        out.extend_from_slice(&[0; 4]);
        out.extend_from_slice(&self.path_table_big.to_be_bytes());
        out.extend_from_slice(&[0; 4]);
        let root = Record {
            identifier: &[0],
            sector: self.root_sector,
            len: self.root_len,
            is_directory: true,
            susp: &[],
        };
        root.push(out, stamp);
        text.push(out, "", 128); // volume set
        text.push(out, "", 128); // publisher
        text.push(out, PREPARER, 128);
        text.push(out, "", 128); // application
        text.push(out, "", 37); // copyright file
        text.push(out, "", 37); // abstract file
        text.push(out, "", 37); // bibliographic file
        out.extend_from_slice(&stamp.long); // created
        out.extend_from_slice(&stamp.long); // modified
        out.extend_from_slice(UNSPECIFIED); // expires
        out.extend_from_slice(UNSPECIFIED); // effective
        out.push(1); // version of the file structure
        fill_sector(out);
    }
}

/// The end of the set of descriptors.
pub(super) fn terminator(out: &mut Vec<u8>) {
    out.extend_from_slice(b"\xFFCD001\x01");
    fill_sector(out);
}
