// SPDX-License-Identifier: AGPL-3.0-or-later
//! The name of an upload: a random UUID, which nobody can guess.

use std::fmt;
use std::io;

use uuid::Uuid;

use crate::StorageError;

/// The name of one upload session. Random (UUID version 4), so knowing it is what lets a client go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UploadId(Uuid);

impl UploadId {
    /// A fresh one, from the operating system's random numbers.
    ///
    /// # Errors
    /// [`StorageError::Random`] when there are none.
    pub fn random() -> Result<Self, StorageError> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes)
            .map_err(|source| StorageError::Random { source: io::Error::other(source.to_string()) })?;
        Ok(Self(uuid::Builder::from_random_bytes(bytes).into_uuid()))
    }

    /// Reads the form with hyphens that `Display` writes; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let id = Uuid::try_parse(text).ok()?;
        // One spelling only: the name is a file name too.
        (id.hyphenated().to_string() == text).then_some(Self(id))
    }
}

impl fmt::Display for UploadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_back_and_has_one_spelling() {
        let id = UploadId::random().unwrap();
        assert_eq!(UploadId::parse(&id.to_string()), Some(id));
        assert_eq!(UploadId::parse(&id.to_string().to_uppercase().replace('-', "")), None);
        assert_eq!(UploadId::parse("../../../../etc/passwd"), None);
        assert_ne!(id, UploadId::random().unwrap());
    }
}
