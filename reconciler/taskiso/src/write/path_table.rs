// SPDX-License-Identifier: AGPL-3.0-or-later
//! Path tables (ECMA-119 9.4): all directories of a tree, once in each byte order.

use super::hierarchy::{Directory, Hierarchy};

/// Byte order of a table.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    Little,
    Big,
}

/// The root's identifier: one zero byte.
const ROOT: &[u8] = &[0];

/// Bytes of the table.
pub(super) fn len(hierarchy: &Hierarchy<'_>) -> u32 {
    let record = |directory: &Directory<'_>| 8 + identifier(directory).len().next_multiple_of(2);
    hierarchy.directories.iter().map(record).sum::<usize>() as u32
}

/// Appends the table.
pub(super) fn push(out: &mut Vec<u8>, hierarchy: &Hierarchy<'_>, order: Order) {
    for directory in &hierarchy.directories {
        let identifier = identifier(directory);
        // Directories are numbered from one; there are at most 4096.
        let parent = directory.parent as u16 + 1;
        out.extend_from_slice(&[identifier.len() as u8, 0]);
        match order {
            Order::Little => {
                out.extend_from_slice(&directory.sector.to_le_bytes());
                out.extend_from_slice(&parent.to_le_bytes());
            }
            Order::Big => {
                out.extend_from_slice(&directory.sector.to_be_bytes());
                out.extend_from_slice(&parent.to_be_bytes());
            }
        }
        out.extend_from_slice(identifier);
        if identifier.len() % 2 == 1 {
            out.push(0);
        }
    }
}

fn identifier<'a>(directory: &'a Directory<'_>) -> &'a [u8] {
    if directory.identifier.is_empty() { ROOT } else { &directory.identifier }
}
