// SPDX-License-Identifier: AGPL-3.0-or-later
//! The number and text fields of ECMA-119 (sections 7.2, 7.3, 7.4), appended to a buffer.

use crate::SECTOR;

/// Both byte orders, little endian first (7.2.3).
pub(super) fn both16(out: &mut Vec<u8>, value: u16) {
    out.extend_from_slice(&value.to_le_bytes());
    out.extend_from_slice(&value.to_be_bytes());
}

/// Both byte orders, little endian first (7.3.3).
pub(super) fn both32(out: &mut Vec<u8>, value: u32) {
    out.extend_from_slice(&value.to_le_bytes());
    out.extend_from_slice(&value.to_be_bytes());
}

/// `len` zero bytes.
pub(super) fn zeros(out: &mut Vec<u8>, len: usize) {
    out.resize(out.len() + len, 0);
}

/// Zero bytes up to the next sector.
pub(super) fn fill_sector(out: &mut Vec<u8>) {
    out.resize(out.len().next_multiple_of(SECTOR), 0);
}

/// A text field in which a descriptor's strings are kept: padded with spaces, cut at its end.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Text {
    /// One byte a character.
    Ascii,
    /// UCS-2, big endian, as Joliet has it.
    Ucs2,
}

impl Text {
    /// Appends ASCII `text` as a field of `len` bytes. UCS-2 fields of odd length end with a zero.
    pub(super) fn push(self, out: &mut Vec<u8>, text: &str, len: usize) {
        let end = out.len() + len;
        match self {
            Self::Ascii => {
                out.extend(text.bytes().take(len));
                out.resize(end, b' ');
            }
            Self::Ucs2 => {
                let padded = text.bytes().chain(std::iter::repeat(b' '));
                for byte in padded.take(len / 2) {
                    out.extend_from_slice(&[0, byte]);
                }
                out.resize(end, 0);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_fields_have_their_length_whatever_is_put_in() {
        for (kind, text, len, expected) in [
            (Text::Ascii, "AB", 4, &b"AB  "[..]),
            (Text::Ascii, "ABCDE", 4, b"ABCD"),
            (Text::Ucs2, "AB", 6, b"\0A\0B\0 "),
            (Text::Ucs2, "ABCD", 5, b"\0A\0B\0"),
        ] {
            let mut out = vec![7];
            kind.push(&mut out, text, len);
            assert_eq!(&out[1..], expected);
        }
    }
}
