// SPDX-License-Identifier: AGPL-3.0-or-later
//! The body of an error answer (distribution-spec, Error Codes).

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// An error code of the specification.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ErrorCode {
    /// The blob is not in the repository.
    BlobUnknown,
    /// The upload cannot go on like this.
    BlobUploadInvalid,
    /// There is no such upload.
    BlobUploadUnknown,
    /// The digest is malformed, or not the content's.
    DigestInvalid,
    /// The manifest names content that is not in the repository.
    ManifestBlobUnknown,
    /// The manifest cannot be read or contradicts itself.
    ManifestInvalid,
    /// The manifest is not in the repository.
    ManifestUnknown,
    /// The repository's name is malformed.
    NameInvalid,
    /// There is no such repository.
    NameUnknown,
    /// The length is not what was announced.
    SizeInvalid,
    /// Nobody is logged in, or with the wrong password.
    Unauthorized,
    /// Who is logged in may not do this.
    Denied,
    /// This registry does not do this.
    Unsupported,
    /// Too many requests from there.
    TooManyRequests,
}

// === impl ErrorCode ===

impl ErrorCode {
    /// All of them, in the specification's order.
    pub const ALL: [Self; 14] = [
        Self::BlobUnknown,
        Self::BlobUploadInvalid,
        Self::BlobUploadUnknown,
        Self::DigestInvalid,
        Self::ManifestBlobUnknown,
        Self::ManifestInvalid,
        Self::ManifestUnknown,
        Self::NameInvalid,
        Self::NameUnknown,
        Self::SizeInvalid,
        Self::Unauthorized,
        Self::Denied,
        Self::Unsupported,
        Self::TooManyRequests,
    ];

    /// The code as it is sent.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::BlobUnknown => "BLOB_UNKNOWN",
            Self::BlobUploadInvalid => "BLOB_UPLOAD_INVALID",
            Self::BlobUploadUnknown => "BLOB_UPLOAD_UNKNOWN",
            Self::DigestInvalid => "DIGEST_INVALID",
            Self::ManifestBlobUnknown => "MANIFEST_BLOB_UNKNOWN",
            Self::ManifestInvalid => "MANIFEST_INVALID",
            Self::ManifestUnknown => "MANIFEST_UNKNOWN",
            Self::NameInvalid => "NAME_INVALID",
            Self::NameUnknown => "NAME_UNKNOWN",
            Self::SizeInvalid => "SIZE_INVALID",
            Self::Unauthorized => "UNAUTHORIZED",
            Self::Denied => "DENIED",
            Self::Unsupported => "UNSUPPORTED",
            Self::TooManyRequests => "TOOMANYREQUESTS",
        }
    }

    /// The code of that name; none where the specification has no such code.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|code| code.as_str() == text)
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The body of an error answer: `{"errors": […]}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorBody {
    /// What went wrong; the first is the main one.
    pub errors: Vec<ErrorItem>,
}

/// One error. Codes of other registries are kept as they came.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorItem {
    /// The code, one of [`ErrorCode`] from us.
    pub code: String,
    /// For people.
    #[serde(default)]
    pub message: String,
    /// For programs; its form depends on the code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<Value>,
}

// === impl ErrorBody ===

impl ErrorBody {
    /// One error.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            errors: vec![ErrorItem { code: code.as_str().to_owned(), message: message.into(), detail: None }],
        }
    }

    /// Says more about the last error.
    #[must_use]
    pub fn with_detail(mut self, detail: Value) -> Self {
        if let Some(item) = self.errors.last_mut() {
            item.detail = Some(detail);
        }
        self
    }

    /// Adds an error.
    #[must_use]
    pub fn and(mut self, code: ErrorCode, message: impl Into<String>) -> Self {
        self.errors.extend(Self::new(code, message).errors);
        self
    }

    /// The body as JSON.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("strings and JSON values are JSON, and the keys are strings")
    }
}

// === impl ErrorItem ===

impl ErrorItem {
    /// The code where it is one of the specification.
    pub fn known(&self) -> Option<ErrorCode> {
        ErrorCode::parse(&self.code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_capital_letters_and_found_by_its_name() {
        for code in ErrorCode::ALL {
            assert!(code.as_str().bytes().all(|b| b.is_ascii_uppercase() || b == b'_'), "{code}");
            assert_eq!(ErrorCode::parse(code.as_str()), Some(code));
        }
        assert_eq!(ErrorCode::parse("NOT_A_CODE"), None);
    }

    #[test]
    fn a_body_has_the_form_of_the_specification() {
        let body = ErrorBody::new(ErrorCode::ManifestBlobUnknown, "a layer is missing")
            .with_detail(serde_json::json!({"digest": "sha256:ab"}))
            .and(ErrorCode::Denied, "no");
        assert_eq!(
            body.to_json(),
            r#"{"errors":[{"code":"MANIFEST_BLOB_UNKNOWN","message":"a layer is missing","detail":{"digest":"sha256:ab"}},{"code":"DENIED","message":"no"}]}"#
        );
        assert_eq!(serde_json::from_str::<ErrorBody>(&body.to_json()).unwrap(), body);
    }

    #[test]
    fn bodies_of_other_registries_are_read() {
        let text =
            r#"{"errors":[{"code":"QUOTA","extra":1},{"code":"DENIED","message":"no","detail":null}]}"#;
        let body: ErrorBody = serde_json::from_str(text).unwrap();
        assert_eq!(body.errors[0].known(), None);
        assert_eq!(body.errors[1].known(), Some(ErrorCode::Denied));
    }
}
