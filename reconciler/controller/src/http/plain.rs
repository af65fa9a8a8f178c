// SPDX-License-Identifier: AGPL-3.0-or-later
//! Refusals that the router makes by itself, in the form that all others have.
//!
//! Guarantees: an answer of the API that is an error has an [`shoal_schema::api::ErrorBody`], whichever
//! layer it comes from.

use axum::body::to_bytes;
use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, StatusCode, header};

use super::error::ApiError;

/// The most of a router's own words; it has none that are longer.
const MOST_WORDS: usize = 1024;

/// Gives a refusal without a form the one that all others have.
pub(crate) async fn explained(response: Response) -> Response {
    let (status, headers) = (response.status(), response.headers());
    if !(status.is_client_error() || status.is_server_error()) || has_a_form(headers) {
        return response;
    }
    let allowed = headers.get(header::ALLOW).cloned();
    let words = to_bytes(response.into_body(), MOST_WORDS).await.unwrap_or_default();
    let words = String::from_utf8_lossy(&words);
    let methods = allowed.as_ref().and_then(|allowed| allowed.to_str().ok()).unwrap_or_default();
    let mut explained = error(status, methods, words.trim()).into_response();
    if let Some(allowed) = allowed {
        explained.headers_mut().insert(header::ALLOW, allowed);
    }
    explained
}

/// Ours is JSON, and media tell of a range that they do not have in a header.
fn has_a_form(headers: &HeaderMap) -> bool {
    headers.contains_key(header::CONTENT_RANGE)
        || headers.get(header::CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"application/"))
}

fn error(status: StatusCode, methods: &str, words: &str) -> ApiError {
    match status {
        StatusCode::METHOD_NOT_ALLOWED => {
            let message = format!("this route does not take that method; it takes {methods}");
            ApiError::new(status, "wrong_method", message).hint("/openapi.json lists every route")
        }
        StatusCode::PAYLOAD_TOO_LARGE => {
            ApiError::new(status, "too_large", "the body is larger than this route takes")
                .hint("send less in one request")
        }
        _ => {
            let words = if words.is_empty() { status.canonical_reason().unwrap_or_default() } else { words };
            let error = if status.is_client_error() { "invalid_request" } else { "internal" };
            ApiError::new(status, error, words).hint("/openapi.json lists every route")
        }
    }
}
