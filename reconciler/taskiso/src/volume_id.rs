// SPDX-License-Identifier: AGPL-3.0-or-later
//! The volume identifier that names a job: how it is made and how it is recognised.
//!
//! ECMA-119 gives a volume identifier 32 characters out of `A-Z 0-9 _`. Ours use all of them:
//! `TASK_` and the first 27 hex digits of the job id, in upper case. The Joliet descriptor has
//! room for 16 UCS-2 characters and repeats the first 16; tools that prefer Joliet (older
//! `blkid`) therefore show a shorter label with the same prefix.

use shoal_schema::wire::task::TASK_LABEL_PREFIX;

/// Hex digits of the job id in a volume identifier.
const DIGITS: usize = 27;

/// Why a job id cannot name a volume.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VolumeIdError {
    /// Something else than hex digits and hyphens.
    #[error("name the volume: job id {job_id:?} has {character:?}, which is no hex digit")]
    NotHex {
        /// The job id as given.
        job_id: String,
        /// The first character that is out of place.
        character: char,
    },
    /// Fewer digits than the identifier takes.
    #[error("name the volume: job id {job_id:?} has {digits} hex digits, {DIGITS} are needed")]
    TooShort {
        /// The job id as given.
        job_id: String,
        /// The hex digits found.
        digits: usize,
    },
}

/// The volume identifier of a job: `TASK_` and its first 27 hex digits in upper case.
///
/// Hyphens, as in the usual form of a UUID, are skipped.
///
/// # Errors
///
/// A job id with any other character, or with fewer than 27 digits.
pub fn volume_id(job_id_hex: &str) -> Result<String, VolumeIdError> {
    let mut id = String::with_capacity(TASK_LABEL_PREFIX.len() + DIGITS);
    id.push_str(TASK_LABEL_PREFIX);
    let mut digits = 0;
    for character in job_id_hex.chars().filter(|&c| c != '-') {
        if !character.is_ascii_hexdigit() {
            return Err(VolumeIdError::NotHex { job_id: job_id_hex.to_owned(), character });
        }
        if digits < DIGITS {
            id.push(character.to_ascii_uppercase());
        }
        digits += 1;
    }
    if digits < DIGITS {
        return Err(VolumeIdError::TooShort { job_id: job_id_hex.to_owned(), digits });
    }
    Ok(id)
}

/// Whether a volume identifier is one that [`volume_id`] makes.
///
/// Stricter than the prefix alone: a foreign disc called `TASK_FORCE` is no task medium, and must
/// not count as a second one.
pub fn is_task_volume_id(id: &str) -> bool {
    id.strip_prefix(TASK_LABEL_PREFIX).is_some_and(|digits| {
        digits.len() == DIGITS && digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'A'..=b'F'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_volume_id_is_32_characters_of_prefix_and_upper_case_digits() {
        let id = volume_id("0192f3a4-5b6c-7d8e-9fa0-b1c2d3e4f506").expect("a uuid");
        assert_eq!(id, "TASK_0192F3A45B6C7D8E9FA0B1C2D3E");
        assert_eq!(id.len(), 32);
        assert!(is_task_volume_id(&id));
    }

    #[test]
    fn exactly_27_digits_are_enough_and_26_are_not() {
        assert!(volume_id(&"a".repeat(27)).is_ok());
        assert_eq!(
            volume_id(&"a".repeat(26)),
            Err(VolumeIdError::TooShort { job_id: "a".repeat(26), digits: 26 })
        );
        assert!(volume_id("").is_err());
    }

    #[test]
    fn a_job_id_that_is_not_hex_is_refused_even_behind_the_digits_that_count() {
        let job_id = format!("{}g", "0".repeat(27));
        assert_eq!(volume_id(&job_id), Err(VolumeIdError::NotHex { job_id, character: 'g' }));
        // A full-width digit is not an ASCII one.
        assert!(volume_id(&"\u{ff11}".repeat(27)).is_err());
    }

    #[test]
    fn labels_that_only_share_the_prefix_are_not_task_media() {
        for label in [
            "TASK_FORCE",
            "TASK_",
            "TASK_0192F3A45B6C7D8E9FA0B1C2D3",
            "TASK_0192f3a45b6c7d8e9fa0b1c2d3e",
            "task_0192F3A45B6C7D8E9FA0B1C2D3E",
            "",
        ] {
            assert!(!is_task_volume_id(label), "{label}");
        }
    }
}
