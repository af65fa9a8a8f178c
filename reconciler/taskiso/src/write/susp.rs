// SPDX-License-Identifier: AGPL-3.0-or-later
//! Rock Ridge entries (SUSP 1.10, RRIP 1.10) of the system use fields.
//!
//! The older `RRIP_1991A` with `RR` and the short `PX` is what mkisofs and xorriso write by
//! default: every reader takes it, some do not take 1.12.

use super::fields::both32;
use super::stamp::Stamp;

const SP: usize = 7;
const RR: usize = 5;
const PX: usize = 36;
const TF: usize = 26;
const CE: usize = 28;

/// Bytes of the entries of `.` in the root.
pub(super) const ROOT_LEN: usize = SP + UNNAMED_LEN + CE;

/// Bytes of the entries of `.` and `..` elsewhere.
pub(super) const UNNAMED_LEN: usize = RR + PX + TF;

/// Bytes of the entries of a record with a name.
pub(super) const fn named_len(name: &str) -> usize {
    UNNAMED_LEN + 5 + name.len()
}

const IDENTIFIER: &[u8] = b"RRIP_1991A";
const DESCRIPTOR: &[u8] =
    b"THE ROCK RIDGE INTERCHANGE PROTOCOL PROVIDES SUPPORT FOR POSIX FILE SYSTEM SEMANTICS";
const SOURCE: &[u8] = b"PLEASE CONTACT DISC PUBLISHER FOR SPECIFICATION SOURCE.  \
    SEE PUBLISHER IDENTIFIER IN PRIMARY VOLUME DESCRIPTOR FOR CONTACT INFORMATION.";

/// Bytes of the `ER` entry.
const ER: usize = 8 + IDENTIFIER.len() + DESCRIPTOR.len() + SOURCE.len();

// Presence flags of the RR entry.
const HAS_PX: u8 = 0x01;
const HAS_NM: u8 = 0x08;
const HAS_TF: u8 = 0x80;

/// Modification, access and attribute change in the short form.
const TF_FLAGS: u8 = 0x02 | 0x04 | 0x08;

/// A regular file that everybody reads and nobody writes.
const FILE_MODE: u32 = 0o100_444;

/// A directory that everybody reads and enters.
const DIRECTORY_MODE: u32 = 0o040_555;

/// Entries of a file called `name`.
pub(super) fn file(out: &mut Vec<u8>, name: &str, stamp: &Stamp) {
    common(out, Some(name), FILE_MODE, 1, stamp);
}

/// Entries of a directory called `name`, or of `.` and `..` without one.
pub(super) fn directory(out: &mut Vec<u8>, name: Option<&str>, links: u32, stamp: &Stamp) {
    common(out, name, DIRECTORY_MODE, links, stamp);
}

/// Entries of `.` in the root: the mark of SUSP first, and where to find [`extensions`].
pub(super) fn root(out: &mut Vec<u8>, links: u32, stamp: &Stamp, continuation: u32) {
    out.extend_from_slice(&[b'S', b'P', SP as u8, 1, 0xBE, 0xEF, 0]);
    directory(out, None, links, stamp);
    out.extend_from_slice(&[b'C', b'E', CE as u8, 1]);
    both32(out, continuation);
    both32(out, 0);
    both32(out, ER as u32);
}

/// The continuation area of the root: which extension is in use. It is too long for a record.
pub(super) fn extensions(out: &mut Vec<u8>) {
    let lens = [IDENTIFIER.len(), DESCRIPTOR.len(), SOURCE.len()].map(|len| len as u8);
    out.extend_from_slice(&[b'E', b'R', ER as u8, 1]);
    out.extend_from_slice(&lens);
    out.push(1);
    out.extend_from_slice(IDENTIFIER);
    out.extend_from_slice(DESCRIPTOR);
    out.extend_from_slice(SOURCE);
}

fn common(out: &mut Vec<u8>, name: Option<&str>, mode: u32, links: u32, stamp: &Stamp) {
    let named = if name.is_some() { HAS_NM } else { 0 };
    out.extend_from_slice(&[b'R', b'R', RR as u8, 1, HAS_PX | HAS_TF | named]);
    if let Some(name) = name {
        out.extend_from_slice(&[b'N', b'M', 5 + name.len() as u8, 1, 0]);
        out.extend_from_slice(name.as_bytes());
    }
    out.extend_from_slice(&[b'P', b'X', PX as u8, 1]);
    both32(out, mode);
    both32(out, links);
    both32(out, 0); // owner
    both32(out, 0); // group
    out.extend_from_slice(&[b'T', b'F', TF as u8, 1, TF_FLAGS]);
    for _ in 0..3 {
        out.extend_from_slice(&stamp.short);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_as_long_as_announced() {
        let stamp = Stamp::from_epoch(0).expect("in range");
        let mut out = Vec::new();
        root(&mut out, 2, &stamp, 23);
        assert_eq!(out.len(), ROOT_LEN);
        out.clear();
        directory(&mut out, None, 2, &stamp);
        assert_eq!(out.len(), UNNAMED_LEN);
        out.clear();
        file(&mut out, "recipe.json", &stamp);
        assert_eq!(out.len(), named_len("recipe.json"));
        out.clear();
        extensions(&mut out);
        assert_eq!(out.len(), ER);
        assert_eq!(ER, 237);
    }
}
