// SPDX-License-Identifier: AGPL-3.0-or-later
//! The footer of a composed image: its last 2 KiB sector, which says where the task volume is.
//!
//! All numbers are big endian:
//!
//! | offset | bytes | content |
//! |---|---|---|
//! | 0 | 8 | magic `SHOALTSK` |
//! | 8 | 4 | version, 1 |
//! | 12 | 4 | zero |
//! | 16 | 8 | offset of the task volume from the image's first byte |
//! | 24 | 8 | length of the task volume in bytes |
//! | 32 | 32 | SHA-256 of the task volume |
//! | 64 | 32 | volume identifier of the task volume, filled up with spaces |
//! | 96 | 1952 | zero |

/// Bytes of the footer: one sector.
pub const FOOTER_LEN: usize = 2048;

/// The first bytes of a footer.
pub const MAGIC: &[u8; 8] = b"SHOALTSK";

/// The version of the layout above.
pub const VERSION: u32 = 1;

/// What a footer says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Footer {
    /// Where the task volume begins, in bytes.
    pub offset: u64,
    /// Bytes of the task volume.
    pub len: u64,
    /// SHA-256 of the task volume.
    pub sha256: [u8; 32],
    /// Volume identifier of the task volume: at most 32 ASCII characters.
    pub volume_id: String,
}

/// Why a sector that begins as a footer is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FooterError {
    /// A version that this reader does not know.
    #[error("read footer: version {version}, {VERSION} is known")]
    Version {
        /// The version found.
        version: u32,
    },
    /// Bytes that must be zero are not.
    #[error("read footer: reserved bytes are set")]
    Reserved,
    /// The volume identifier is not ASCII text.
    #[error("read footer: the volume identifier is not text")]
    VolumeId,
}

impl Footer {
    /// The sector.
    pub fn encode(&self) -> [u8; FOOTER_LEN] {
        let mut id = [b' '; 32];
        for (to, from) in id.iter_mut().zip(self.volume_id.bytes()) {
            *to = from;
        }
        let mut sector = [0; FOOTER_LEN];
        sector[..8].copy_from_slice(MAGIC);
        sector[8..12].copy_from_slice(&VERSION.to_be_bytes());
        sector[16..24].copy_from_slice(&self.offset.to_be_bytes());
        sector[24..32].copy_from_slice(&self.len.to_be_bytes());
        sector[32..64].copy_from_slice(&self.sha256);
        sector[64..96].copy_from_slice(&id);
        sector
    }

    /// Reads a sector; nothing when it does not begin with [`MAGIC`].
    ///
    /// # Errors
    ///
    /// An unknown version, reserved bytes that are set, an identifier that is not ASCII text.
    pub fn decode(sector: &[u8; FOOTER_LEN]) -> Result<Option<Self>, FooterError> {
        if &sector[..8] != MAGIC {
            return Ok(None);
        }
        let version = u32::from_be_bytes(array(sector, 8));
        if version != VERSION {
            return Err(FooterError::Version { version });
        }
        if sector[12..16].iter().chain(&sector[96..]).any(|&b| b != 0) {
            return Err(FooterError::Reserved);
        }
        let id: [u8; 32] = array(sector, 64);
        let id = id.trim_ascii_end();
        if !id.iter().all(u8::is_ascii_graphic) {
            return Err(FooterError::VolumeId);
        }
        Ok(Some(Self {
            offset: u64::from_be_bytes(array(sector, 16)),
            len: u64::from_be_bytes(array(sector, 24)),
            sha256: array(sector, 32),
            volume_id: id.iter().copied().map(char::from).collect(),
        }))
    }
}

fn array<const N: usize>(sector: &[u8; FOOTER_LEN], at: usize) -> [u8; N] {
    let mut bytes = [0; N];
    bytes.copy_from_slice(&sector[at..at + N]);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn footer() -> Footer {
        Footer {
            offset: 0x0102_0304_0506_0708,
            len: 0x1112_1314_1516_1718,
            sha256: std::array::from_fn(|n| n as u8),
            volume_id: "TASK_0192F3A45B6C7D8E9FA0B1C2D3E".into(),
        }
    }

    #[test]
    fn the_layout_is_the_documented_one() {
        let sector = footer().encode();
        assert_eq!(&sector[..16], b"SHOALTSK\0\0\0\x01\0\0\0\0");
        assert_eq!(sector[16..24], [1, 2, 3, 4, 5, 6, 7, 8]);
        assert_eq!(sector[24..32], [0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18]);
        assert_eq!(sector[32..64], footer().sha256);
        assert_eq!(&sector[64..96], b"TASK_0192F3A45B6C7D8E9FA0B1C2D3E");
        assert!(sector[96..].iter().all(|&b| b == 0));
    }

    #[test]
    fn a_footer_reads_back() {
        assert_eq!(Footer::decode(&footer().encode()), Ok(Some(footer())));
        let short = Footer { volume_id: "ANY".into(), ..footer() };
        assert_eq!(Footer::decode(&short.encode()), Ok(Some(short)));
    }

    #[test]
    fn other_sectors_are_no_footer_and_broken_ones_are_errors() {
        assert_eq!(Footer::decode(&[0; FOOTER_LEN]), Ok(None));
        for (at, error) in [
            (11, FooterError::Version { version: 0 }),
            (12, FooterError::Reserved),
            (2047, FooterError::Reserved),
            (70, FooterError::VolumeId),
        ] {
            let mut sector = footer().encode();
            sector[at] = if at == 11 { 0 } else { 0x80 };
            assert_eq!(Footer::decode(&sector), Err(error));
        }
    }
}
