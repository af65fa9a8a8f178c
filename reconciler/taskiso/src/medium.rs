// SPDX-License-Identifier: AGPL-3.0-or-later
//! From a job's files to the bytes of its medium.
//!
//! # Guarantees
//!
//! * The bytes are a function of the arguments: no clock, no randomness, no locale.
//! * A medium above its limit is refused before its bytes are made.

use std::fmt;

use bytes::Bytes;
use sha2::{Digest, Sha256};

use crate::files::TaskFiles;
use crate::volume_id::{VolumeIdError, volume_id};
use crate::write::{Layout, Stamp};

/// Largest medium unless the caller says otherwise: 10 MiB, in bytes.
pub const DEFAULT_LIMIT: u64 = 10 * 1024 * 1024;

/// Largest volume that is written whatever the limit says, and that the reader accepts behind a
/// footer: 256 MiB, in bytes. Media are kept in memory, one per machine in flight.
pub const MAX_VOLUME_LEN: u64 = 256 * 1024 * 1024;

/// Everything that the bytes of a task medium depend on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskMedium {
    /// The job id: at least 27 hex digits, hyphens allowed. It becomes the volume identifier.
    pub job_id: String,
    /// What is on the medium.
    pub files: TaskFiles,
    /// The one time on the medium, in seconds since 1970 (`SOURCE_DATE_EPOCH`).
    pub epoch: u64,
    /// Zero bytes behind the last file, rounded up to whole sectors; they belong to the volume.
    /// Some BMCs and read-ahead of old kernels dislike a volume that ends with its last file
    /// (`mkisofs -pad` adds 300 KiB for that reason).
    pub pad: u64,
    /// Largest volume allowed, in bytes, pad included ([`DEFAULT_LIMIT`] where nothing is said).
    pub limit: u64,
}

/// A volume in memory. `Debug` leaves the bytes out: they may hold a token.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Iso {
    /// The image: a multiple of 2048 bytes.
    pub bytes: Bytes,
    /// SHA-256 of `bytes`.
    pub sha256: [u8; 32],
    /// The volume identifier in its primary descriptor.
    pub volume_id: String,
}

impl Iso {
    pub(crate) fn new(bytes: Bytes, volume_id: String) -> Self {
        Self { sha256: Sha256::digest(&bytes).into(), bytes, volume_id }
    }

    /// The digest in lower-case hex digits, as an `ETag` or a log line has it.
    pub fn sha256_hex(&self) -> String {
        let mut hex = String::with_capacity(64);
        for byte in self.sha256 {
            for digit in [byte >> 4, byte & 0xF] {
                hex.extend(char::from_digit(digit.into(), 16));
            }
        }
        hex
    }
}

impl fmt::Debug for Iso {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Iso")
            .field("volume_id", &self.volume_id)
            .field("len", &self.bytes.len())
            .field("sha256", &self.sha256_hex())
            .finish()
    }
}

/// Why a medium was not built.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// The job id names no volume.
    #[error("build task medium")]
    JobId(#[from] VolumeIdError),
    /// A volume identifier that ECMA-119 does not allow.
    #[error("build volume {volume_id:?}: its name must be 1 to 32 of A-Z 0-9 _")]
    VolumeId {
        /// The identifier as given.
        volume_id: String,
    },
    /// A time that no directory record can hold.
    #[error("build volume {volume_id}: epoch {epoch} s is behind the year 2155")]
    Epoch {
        /// The volume that was to be built.
        volume_id: String,
        /// The time as given, in seconds since 1970.
        epoch: u64,
    },
    /// The volume would be larger than allowed.
    #[error("build volume {volume_id}: it has {len} bytes, at most {limit} are allowed")]
    TooLarge {
        /// The volume that was to be built.
        volume_id: String,
        /// Bytes of the volume, pad included.
        len: u64,
        /// Bytes allowed: the caller's limit, or [`MAX_VOLUME_LEN`] where that is less.
        limit: u64,
    },
}

/// Builds the medium of a job. The same [`TaskMedium`] gives the same bytes everywhere.
///
/// # Errors
///
/// A job id that names no volume, a time outside of what ISO 9660 can hold, a medium above its
/// limit. Nothing is allocated for a medium that is too large.
pub fn build(spec: &TaskMedium) -> Result<Iso, BuildError> {
    let id = volume_id(&spec.job_id)?;
    build_volume(&id, &spec.files, spec.epoch, spec.pad, spec.limit)
}

/// Builds a volume of any name, in the same form as a task medium: for media that are not of a
/// job, such as a stand-in for a maintenance ISO on a simulated machine.
///
/// `epoch` is in seconds since 1970; `pad` and `limit` are in bytes, as in [`TaskMedium`].
///
/// # Errors
///
/// As [`build`], and a volume identifier that is not 1 to 32 characters of `A-Z 0-9 _`.
pub fn build_volume(
    volume_id: &str,
    files: &TaskFiles,
    epoch: u64,
    pad: u64,
    limit: u64,
) -> Result<Iso, BuildError> {
    let legal = |b| matches!(b, b'A'..=b'Z' | b'0'..=b'9' | b'_');
    if volume_id.is_empty() || volume_id.len() > 32 || !volume_id.bytes().all(legal) {
        return Err(BuildError::VolumeId { volume_id: volume_id.to_owned() });
    }
    let stamp = Stamp::from_epoch(epoch)
        .ok_or_else(|| BuildError::Epoch { volume_id: volume_id.to_owned(), epoch })?;
    let limit = limit.min(MAX_VOLUME_LEN);
    let too_large = |len| BuildError::TooLarge { volume_id: volume_id.to_owned(), len, limit };
    // Before the layout, whose sector numbers have 32 bits: content and pad alone must fit.
    let least = files.iter().fold(pad, |sum, (_, content)| sum.saturating_add(content.len() as u64));
    if least > limit {
        return Err(too_large(least));
    }
    let layout = Layout::plan(files, pad);
    if layout.len() > limit {
        return Err(too_large(layout.len()));
    }
    let bytes = Bytes::from(layout.render(volume_id, &stamp));
    Ok(Iso::new(bytes, volume_id.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const JOB: &str = "0192f3a4-5b6c-7d8e-9fa0-b1c2d3e4f506";

    fn medium(content: &str) -> TaskMedium {
        let mut files = TaskFiles::new();
        files.insert("recipe.json", content.to_owned()).expect("free");
        TaskMedium { job_id: JOB.into(), files, epoch: 1_700_000_000, pad: 0, limit: DEFAULT_LIMIT }
    }

    #[test]
    fn a_medium_at_its_limit_is_built_and_one_byte_above_is_refused() {
        let mut spec = medium("{}");
        let len = build(&spec).expect("small").bytes.len() as u64;
        spec.limit = len;
        assert!(build(&spec).is_ok());
        spec.limit = len - 1;
        assert_eq!(
            build(&spec),
            Err(BuildError::TooLarge { volume_id: volume_id(JOB).expect("a uuid"), len, limit: len - 1 })
        );
    }

    #[test]
    fn content_above_the_default_limit_is_refused() {
        let spec = medium(&"x".repeat(DEFAULT_LIMIT as usize));
        assert!(matches!(build(&spec), Err(BuildError::TooLarge { .. })));
    }

    #[test]
    fn the_pad_counts_and_no_number_overflows() {
        let mut spec = medium("{}");
        let plain = build(&spec).expect("small").bytes.len();
        spec.pad = 1;
        assert_eq!(build(&spec).expect("small").bytes.len(), plain + 2048);
        spec.pad = 300 * 1024;
        assert_eq!(build(&spec).expect("small").bytes.len(), plain + 300 * 1024);
        spec.pad = u64::MAX;
        spec.limit = u64::MAX;
        assert!(matches!(build(&spec), Err(BuildError::TooLarge { limit: MAX_VOLUME_LEN, .. })));
    }

    #[test]
    fn a_time_that_no_record_can_hold_is_refused() {
        let mut spec = medium("{}");
        // 2155-12-31T23:59:59Z: the year is one byte that counts from 1900.
        spec.epoch = 5_869_583_999;
        assert!(build(&spec).is_ok());
        for epoch in [5_869_584_000, u64::MAX] {
            spec.epoch = epoch;
            assert!(matches!(build(&spec), Err(BuildError::Epoch { .. })), "{epoch}");
        }
    }

    #[test]
    fn a_volume_id_outside_the_standard_is_refused() {
        let files = TaskFiles::new();
        for id in ["", "lower", "A B", "\u{c4}", &"A".repeat(33)] {
            assert_eq!(
                build_volume(id, &files, 0, 0, DEFAULT_LIMIT),
                Err(BuildError::VolumeId { volume_id: id.into() })
            );
        }
        assert!(build_volume(&"A".repeat(32), &files, 0, 0, DEFAULT_LIMIT).is_ok());
    }

    #[test]
    fn debug_shows_no_byte_of_the_content() {
        let spec = medium("token-of-the-job");
        let iso = build(&spec).expect("small");
        for text in [format!("{spec:?}"), format!("{iso:?}")] {
            assert!(!text.contains("token"), "{text}");
        }
    }
}
