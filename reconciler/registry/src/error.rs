// SPDX-License-Identifier: AGPL-3.0-or-later
//! How failures are answered. What the client can mend is said to it in full; what it cannot goes to the
//! log, and the client learns that it is there.

use std::error::Error;

use http::StatusCode;
use serde_json::json;
use shoal_oci::{Digest, ErrorBody, ErrorCode};
use shoal_registry_storage::StorageError;
use tokio::task::JoinError;

use crate::audit;
use crate::body::Stopped;
use crate::metrics::RegistryMetrics;
use crate::respond::Rejection;

/// So many missing digests are named in one answer.
const NAMED: usize = 100;

impl From<StorageError> for Rejection {
    fn from(error: StorageError) -> Self {
        let message = error.to_string();
        match error {
            StorageError::DigestMismatch { expected, got } => Self::bad(ErrorCode::DigestInvalid, message)
                .with_detail(json!({"expected": expected.as_str(), "got": got.as_str()})),
            StorageError::UploadUnknown(_) => Self::not_found(ErrorCode::BlobUploadUnknown, message),
            StorageError::UploadBusy(_) => {
                Self::new(StatusCode::CONFLICT, ErrorCode::BlobUploadInvalid, message)
            }
            StorageError::MissingContent(digests) => missing(&digests, &message),
            StorageError::TagImmutable(_) => Self::new(StatusCode::CONFLICT, ErrorCode::Denied, message),
            StorageError::Corrupt { .. } => {
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, ErrorCode::BlobUnknown, message)
            }
            error if error.is_no_space() => {
                tracing::error!(error = %chain(&error), "the registry's disk is full");
                Self::full("the registry's disk is full: free some space there, then try again")
            }
            error => {
                tracing::error!(error = %chain(&error), "the registry's storage failed");
                Self::failed("the registry's storage failed; the registry's log says more")
            }
        }
    }
}

impl From<JoinError> for Rejection {
    fn from(error: JoinError) -> Self {
        tracing::error!(%error, "a request failed");
        Self::failed("the registry failed at this request; its log says more")
    }
}

impl From<Stopped> for Rejection {
    fn from(stopped: Stopped) -> Self {
        match stopped {
            Stopped::TooSlow => Self::new(
                StatusCode::REQUEST_TIMEOUT,
                ErrorCode::BlobUploadInvalid,
                "too little came for too long: what did arrive is kept; ask for the upload's status and go on",
            ),
            Stopped::Gone(error) => {
                tracing::debug!(%error, "a client hung up");
                let message = "the body broke off: ask for the upload's status and go on from there";
                Self::bad(ErrorCode::SizeInvalid, message)
            }
            Stopped::TooLong => Self::bad(
                ErrorCode::SizeInvalid,
                "the body is longer than its Content-Range says: ask for the upload's status and go on from there",
            ),
            Stopped::TooShort(got) => Self::bad(
                ErrorCode::SizeInvalid,
                format!(
                    "the body has {got} bytes, fewer than its Content-Range says: ask for the upload's status \
                     and go on from there"
                ),
            ),
            Stopped::Rejected(rejection) => rejection,
            Stopped::Storage(error) => error.into(),
            Stopped::Lost(error) => error.into(),
        }
    }
}

/// Counts and tells of content that was found damaged: the log of audit events is where operators look.
pub(crate) fn note(error: &StorageError, metrics: &RegistryMetrics) {
    if let StorageError::Corrupt { digest } = error {
        metrics.corrupt(1);
        audit::corrupt(digest);
    }
}

/// One error for each digest (distribution-spec, Push).
fn missing(digests: &[Digest], message: &str) -> Rejection {
    let mut errors = digests.iter().take(NAMED).map(|digest| {
        let message = format!("{digest} is not in this repository: push it first");
        ErrorBody::new(ErrorCode::ManifestBlobUnknown, message)
            .with_detail(json!({"digest": digest.as_str()}))
    });
    let mut body = errors.next().unwrap_or_else(|| ErrorBody::new(ErrorCode::ManifestBlobUnknown, message));
    body.errors.extend(errors.flat_map(|error| error.errors));
    Rejection::with_body(StatusCode::NOT_FOUND, body)
}

/// An error with its causes, for logs.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use shoal_oci::Algorithm;

    use super::*;

    #[test]
    fn every_missing_digest_is_named_up_to_a_bound() {
        let digests: Vec<_> = (0..150_u32).map(|n| Digest::of(Algorithm::Sha256, &n.to_le_bytes())).collect();
        let rejection = Rejection::from(StorageError::MissingContent(digests.clone()));
        assert_eq!(rejection.status(), 404);
        assert!(rejection.message().contains(digests[0].as_str()));
        let text = format!("{rejection:?}");
        assert!(text.contains(digests[99].as_str()));
        assert!(!text.contains(digests[100].as_str()));
    }
}
