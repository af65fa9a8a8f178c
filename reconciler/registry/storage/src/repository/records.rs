// SPDX-License-Identifier: AGPL-3.0-or-later
//! The small JSON files of a repository: what they hold, and reading one that may be damaged.
//!
//! Fields that a later version adds are ignored, so that going back one version works.

use std::error::Error;

use jiff::Timestamp;
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Serialize};
use shoal_oci::Digest;

use crate::layout::Place;
use crate::{Storage, StorageError};

/// The most bytes such a file can have: a referrer's descriptor carries its manifest's annotations.
pub(super) const MAX_RECORD: u64 = 8 << 20;

/// `_manifests/ALG/HEX`: a manifest in a repository.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ManifestRecord {
    /// The type it was pushed with.
    pub(crate) media_type: String,
    /// Bytes.
    pub(crate) size: u64,
    /// When it was pushed last.
    pub(crate) pushed: Timestamp,
}

/// `_tags/TAG`: what a tag points at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TagRecord {
    /// The manifest.
    pub(crate) digest: Digest,
    /// The type it was pushed with.
    pub(crate) media_type: String,
    /// Bytes.
    pub(crate) size: u64,
    /// When the tag was pushed last.
    pub(crate) pushed: Timestamp,
    /// The order of all pushes of tags, which a clock that jumps cannot change.
    #[serde(default)]
    pub(crate) sequence: u64,
}

/// What was found where a record should be.
#[derive(Debug)]
pub(crate) enum Found<T> {
    /// No file.
    Nothing,
    /// The record.
    Record(T),
    /// A file that is no record, and why not.
    Damaged(serde_json::Error),
}

// === impl Found ===

impl<T> Found<T> {
    /// The record, where a damaged one is an error.
    pub(crate) fn whole(self, place: &Place) -> Result<Option<T>, StorageError> {
        match self {
            Self::Nothing => Ok(None),
            Self::Record(record) => Ok(Some(record)),
            Self::Damaged(source) => Err(StorageError::Malformed { path: place.into(), source }),
        }
    }
}

impl Storage {
    /// Reads a record. A file that is larger than any record is a damaged one, and so is one that the
    /// disk cannot read.
    pub(crate) fn record<T: DeserializeOwned>(&self, place: &Place) -> Result<Found<T>, StorageError> {
        let bytes = match self.files().read(place, MAX_RECORD) {
            Ok(Some(bytes)) => bytes,
            Ok(None) => return Ok(Found::Nothing),
            Err(error) if error.is_too_large() => {
                return Ok(Found::Damaged(serde_json::Error::custom("it is too large")));
            }
            Err(error) if error.is_damage() => {
                return Ok(Found::Damaged(serde_json::Error::custom("the disk cannot read it")));
            }
            Err(error) => return Err(error),
        };
        Ok(match serde_json::from_slice(&bytes) {
            Ok(record) => Found::Record(record),
            Err(source) => Found::Damaged(source),
        })
    }

    /// Writes a record, durable when it returns; its file's time is `when`.
    pub(crate) fn write_record(
        &self,
        place: &Place,
        record: &impl Serialize,
        when: Timestamp,
    ) -> Result<(), StorageError> {
        self.replace_record(place, record)?;
        self.files().sync_parent(place)?;
        self.note_time(place, when);
        Ok(())
    }

    /// The first half of that: the record is in place and not durable.
    pub(super) fn replace_record(&self, place: &Place, record: &impl Serialize) -> Result<(), StorageError> {
        let bytes = serde_json::to_vec(record)
            .map_err(|source| StorageError::Malformed { path: place.into(), source })?;
        self.files().replace(place, &bytes)
    }

    /// Gives a record's file its time. Neither is that needed to be durable nor is failing to a reason to fail:
    /// what the system wrote as the time is about the same.
    pub(super) fn note_time(&self, place: &Place, when: Timestamp) {
        if let Err(error) = self.files().touch(place, when) {
            tracing::warn!(%place, error = &error as &dyn Error, "the time of a record could not be written");
        }
    }
}
