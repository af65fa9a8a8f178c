// SPDX-License-Identifier: AGPL-3.0-or-later
//! The raw-image form, for BMCs that offer one CD and one USB or floppy slot.
//!
//! The content is the ISO 9660 volume itself, from byte 0: Linux finds the file system and its
//! label on the whole disk, without a partition table. Only zeros follow, up to a size that a USB
//! disk may have. Such an image is served under a name that ends in `.img`.

use bytes::Bytes;

use crate::medium::{Iso, MAX_VOLUME_LEN};

/// Size step of a raw image unless the caller says otherwise: 1 MiB, in bytes. Tools and firmware
/// that think in cylinders or mebibytes see a whole number of them.
pub const DEFAULT_RAW_MULTIPLE: u64 = 1024 * 1024;

/// Bytes in a sector of a USB disk.
const DISK_SECTOR: u64 = 512;

/// Why there is no raw image.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RawImageError {
    /// The size step is no whole number of disk sectors, zero, or above 256 MiB.
    #[error("pad raw image of {volume_id}: {multiple} is no multiple of 512 up to 256 MiB")]
    Multiple {
        /// The volume.
        volume_id: String,
        /// The size step as given, in bytes.
        multiple: u64,
    },
}

/// The raw form of a volume: its bytes, then zeros up to the next multiple of `multiple` bytes.
///
/// The digest is that of the padded image. A volume that has such a size already is not copied.
///
/// # Errors
///
/// A `multiple` that is zero, no multiple of 512, or above 256 MiB.
pub fn raw_image(iso: &Iso, multiple: u64) -> Result<Iso, RawImageError> {
    if multiple == 0 || !multiple.is_multiple_of(DISK_SECTOR) || multiple > MAX_VOLUME_LEN {
        return Err(RawImageError::Multiple { volume_id: iso.volume_id.clone(), multiple });
    }
    // Both are at most 256 MiB.
    let len = iso.bytes.len().next_multiple_of(multiple as usize);
    if len == iso.bytes.len() {
        return Ok(iso.clone());
    }
    let mut bytes = Vec::with_capacity(len);
    bytes.extend_from_slice(&iso.bytes);
    bytes.resize(len, 0);
    Ok(Iso::new(Bytes::from(bytes), iso.volume_id.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{DEFAULT_LIMIT, TaskFiles, build_volume};

    fn iso() -> Iso {
        let mut files = TaskFiles::new();
        files.insert("ks.cfg", "vmaccepteula").expect("free");
        build_volume("ANY", &files, 0, 0, DEFAULT_LIMIT).expect("small")
    }

    #[test]
    fn a_raw_image_is_the_volume_and_zeros_up_to_a_disk_size() {
        let iso = iso();
        let raw = raw_image(&iso, DEFAULT_RAW_MULTIPLE).expect("a mebibyte");
        assert_eq!(raw.bytes.len(), 1024 * 1024);
        let (content, zeros) = raw.bytes.split_at(iso.bytes.len());
        assert_eq!(content, iso.bytes);
        assert!(zeros.iter().all(|&b| b == 0));
        assert_ne!(raw.sha256, iso.sha256);
        assert_eq!(raw.volume_id, iso.volume_id);
    }

    #[test]
    fn a_volume_of_that_size_is_its_own_raw_image() {
        let iso = iso();
        let raw = raw_image(&iso, 512).expect("a sector");
        assert_eq!(raw, iso);
        assert_eq!(raw.bytes.as_ptr(), iso.bytes.as_ptr());
    }

    #[test]
    fn sizes_that_no_disk_has_are_refused() {
        for multiple in [0, 1, 511, 1000, u64::MAX, MAX_VOLUME_LEN + 512] {
            assert!(raw_image(&iso(), multiple).is_err(), "{multiple}");
        }
    }
}
