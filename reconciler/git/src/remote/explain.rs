// SPDX-License-Identifier: AGPL-3.0-or-later
//! What a failure of libgit2's transports means for an operator.
//!
//! The library tells some of them apart by code, some by class, and some by their English text alone;
//! the tests hold the texts against it.

use git2::{ErrorClass, ErrorCode};

use crate::open::is_sha256;
use crate::{Cause, GitError, RemoteUrl};

/// Sorts the library's failure by what an operator would do about it.
pub(super) fn explain(action: &'static str, url: &RemoteUrl, error: &git2::Error) -> GitError {
    let url = url.clone();
    let source = Cause::of(error);
    let text = error.message();
    if is_sha256(error) {
        return GitError::Sha256 { repository: url.to_string() };
    }
    match (error.code(), error.class()) {
        (ErrorCode::Auth, _) => GitError::Auth { url, source },
        (ErrorCode::Certificate, _) => GitError::Untrusted { url, source },
        (ErrorCode::Timeout, _) | (_, ErrorClass::Os | ErrorClass::Ssl) => {
            GitError::Unreachable { url, source }
        }
        (_, ErrorClass::Http) => match http_status(text) {
            Some(401 | 403) => GitError::Auth { url, source },
            Some(404 | 410) => GitError::NotFound { url, source },
            None if text.contains("authentication") => GitError::Auth { url, source },
            _ => GitError::Remote { action, url, source },
        },
        (ErrorCode::Eof, _) => GitError::Unreachable { url, source },
        (_, ErrorClass::Net) if text.starts_with("failed to") => GitError::Unreachable { url, source },
        (_, ErrorClass::Ssh) if text.contains("uthenticat") => GitError::Auth { url, source },
        (_, ErrorClass::Ssh) => GitError::Unreachable { url, source },
        _ => GitError::Remote { action, url, source },
    }
}

fn http_status(text: &str) -> Option<u16> {
    text.rsplit_once("status code: ")?.1.trim().parse().ok()
}
