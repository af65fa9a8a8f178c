// SPDX-License-Identifier: AGPL-3.0-or-later
//! Bodies of requests: within their limit, read into their type, explained where they are not of it.
//!
//! Guarantees: a body over its limit is refused by what its head announces, and else once the limit is
//! reached; no answer repeats a value that was sent, because it may be a secret.
//! What it does not do: look at `Content-Type`. Every body is JSON, and `curl -d` says otherwise.

use std::error::Error as _;

use axum::body::{Body, to_bytes};
use axum::extract::{FromRequest, Request};
use bytes::Bytes;
use http::{StatusCode, header};
use http_body_util::LengthLimitError;
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::de::DeserializeOwned;
use shoal_schema::api::Violation;
use shoal_validate::Validator;

use super::error::ApiError;

/// Violations that are told; a body can have as many as it has bytes.
const MOST_DETAILS: usize = 50;
/// The most characters of a pointer and of a message that are told: names of fields are the sender's too.
const SHOWN: usize = 400;

/// A body that is not read yet, so that whoever may not send one is refused before it is.
pub(crate) struct Sent {
    body: Body,
    announced: Option<u64>,
}

impl<S: Send + Sync> FromRequest<S> for Sent {
    type Rejection = std::convert::Infallible;

    async fn from_request(request: Request, _: &S) -> Result<Self, Self::Rejection> {
        let length = request.headers().get(header::CONTENT_LENGTH);
        let announced = length.and_then(|length| length.to_str().ok()?.parse().ok());
        Ok(Self { body: request.into_body(), announced })
    }
}

impl Sent {
    /// All of it, where it is of its type and no longer than `limit`.
    pub(crate) async fn read<T: DeserializeOwned + JsonSchema>(self, limit: usize) -> Result<T, ApiError> {
        read(&self.bytes(limit).await?)
    }

    async fn bytes(self, limit: usize) -> Result<Bytes, ApiError> {
        if self.announced.is_some_and(|length| length > limit as u64) {
            return Err(too_large(limit));
        }
        to_bytes(self.body, limit).await.map_err(|error| {
            if error.source().is_some_and(<dyn std::error::Error>::is::<LengthLimitError>) {
                return too_large(limit);
            }
            ApiError::new(StatusCode::BAD_REQUEST, "invalid_request", "the body broke off")
                .hint("send it again")
        })
    }
}

fn too_large(limit: usize) -> ApiError {
    let message = format!("the body is over {} MiB, the most that is taken here", limit >> 20);
    ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", message).hint("send less in one request")
}

/// Reads a body into its type.
pub(crate) fn read<T: DeserializeOwned + JsonSchema>(body: &[u8]) -> Result<T, ApiError> {
    // Straight into the type, and not by way of a value: only so a field that stands twice is seen. But
    // a list would be taken for the values of the fields in their order.
    let error = match serde_json::from_slice::<T>(body) {
        Ok(read) if body.trim_ascii_start().starts_with(b"{") => return Ok(read),
        Ok(_) => None,
        Err(error) => Some(error),
    };
    let place = |error: &serde_json::Error| format!("line {} column {}", error.line(), error.column());
    let value: serde_json::Value = match serde_json::from_slice(body) {
        Ok(value) => value,
        Err(error) => {
            let message = match body {
                [] => "the body is empty".to_owned(),
                // The parser says of a document that is too deep only where.
                _ if error.to_string().starts_with("recursion limit") => {
                    format!("the body is nested too deep: {}", place(&error))
                }
                _ => format!("the body is no JSON: {}", place(&error)),
            };
            return Err(ApiError::new(StatusCode::BAD_REQUEST, "invalid_json", message).hint(HINT));
        }
    };
    let found = violations::<T>(&value);
    let message = match found.first() {
        Some(first) if found.len() > 1 => format!("{} (and {} more)", in_words(first), found.len() - 1),
        Some(first) => in_words(first),
        // What no schema says: a field twice, a number out of its range.
        None => {
            let place = error.map_or_else(|| "line 1 column 1".to_owned(), |error| place(&error));
            format!("the body is not what this route takes: {place}")
        }
    };
    let details = found.into_iter().take(MOST_DETAILS).collect();
    Err(ApiError::new(StatusCode::BAD_REQUEST, "invalid_request", message).details(details).hint(HINT))
}

const HINT: &str = "send one JSON object; /openapi.json has the schema of every body";

fn in_words(violation: &Violation) -> String {
    if violation.path.is_empty() {
        return format!("the body: {}", violation.message);
    }
    format!("{}: {}", violation.path, violation.message)
}

/// What the type's schema says about a body that did not fit into it. Compiled anew each time: whoever
/// gets here has shown who they are.
fn violations<T: JsonSchema>(body: &serde_json::Value) -> Vec<Violation> {
    let schema = SchemaSettings::draft07().into_generator().into_root_schema_for::<T>().to_value();
    let Ok(validator) = Validator::new(schema) else { return Vec::new() };
    let told = |found: shoal_validate::Violation| Violation {
        path: found.pointer.chars().take(SHOWN).collect(),
        code: found.code.to_owned(),
        message: found.message.chars().take(SHOWN).collect(),
    };
    validator.check(body).into_iter().map(told).collect()
}

#[cfg(test)]
mod tests {
    use shoal_schema::api::{AcceptRequest, ApplyRequest, JobRequest, PauseRequest};
    use shoal_schema::wire::permit::PermitRequest;
    use shoal_schema::wire::progress::ProgressBody;
    use shoal_schema::wire::webhook::WebhookBody;

    use super::*;

    fn refusal<T: DeserializeOwned + JsonSchema>(body: &[u8]) -> (String, String) {
        let error = read::<T>(body).err().expect("it is refused");
        assert_eq!(error.status, StatusCode::BAD_REQUEST);
        assert!(error.body.hint.is_some());
        (error.body.error, error.body.message)
    }

    #[test]
    fn what_is_wrong_is_named_and_no_value_is_repeated() {
        let of = refusal::<PauseRequest>;
        for (body, error, words) in [
            (&b""[..], "invalid_json", "the body is empty"),
            (b"paused=c4n4ry", "invalid_json", "the body is no JSON: line 1 column 1"),
            (b"{\"paused\":true", "invalid_json", "the body is no JSON: line 1 column 14"),
            (b"\xff\xfe{}", "invalid_json", "the body is no JSON: line 1 column 1"),
            (b"[\"c4n4ry\"]", "invalid_request", "the body: "),
            (b"null", "invalid_request", "the body: "),
            (b"{}", "invalid_request", "paused"),
            (b"{\"paused\":\"c4n4ry\"}", "invalid_request", "/paused: "),
            (b"{\"paused\":true,\"until\":\"c4n4ry\"}", "invalid_request", "/until: "),
            (b"{\"paused\":true,\"paused\":false}", "invalid_request", "line 1 column "),
        ] {
            let (found, message) = of(body);
            assert_eq!(found, error, "{message}");
            assert!(message.contains(words) && !message.contains("c4n4ry"), "{words:?} in {message:?}");
        }
        let deep = "[".repeat(100_000);
        assert_eq!(of(deep.as_bytes()).1, "the body is nested too deep: line 1 column 128");
    }

    #[test]
    fn every_body_has_a_schema_that_explains_it() {
        for (_, message) in [
            refusal::<PauseRequest>(b"[]"),
            refusal::<AcceptRequest>(b"[]"),
            refusal::<ApplyRequest>(b"[]"),
            refusal::<JobRequest>(b"[]"),
            refusal::<PermitRequest>(b"[]"),
            refusal::<ProgressBody>(b"[]"),
            refusal::<WebhookBody>(b"[]"),
        ] {
            assert_eq!(message, "the body: expected a mapping, found a list");
        }
    }

    #[test]
    fn a_body_of_nothing_but_mistakes_has_a_short_answer() {
        let fields: Vec<String> = (0..20_000).map(|n| format!("\"{n}{}\":1", "x".repeat(30))).collect();
        let body = format!("{{{}}}", fields.join(","));
        let error = read::<PauseRequest>(body.as_bytes()).expect_err("it is refused");
        assert!(error.body.details.len() == MOST_DETAILS);
        assert!(serde_json::to_string(&error.body).unwrap().len() < 20_000, "{}", error.body.message);
        let body = format!("{{\"{}\":1}}", "x".repeat(500_000));
        let error = read::<PauseRequest>(body.as_bytes()).expect_err("it is refused");
        assert!(serde_json::to_string(&error.body).unwrap().len() < 3_000, "{}", error.body.message.len());
    }

    #[tokio::test]
    async fn a_body_over_its_limit_is_refused_by_its_head_and_by_what_comes() {
        let body = vec![b' '; (1 << 20) + 1];
        let announced = Request::post("/").header("content-length", (1 << 20) + 1);
        for request in [
            announced
                .body(Body::from_stream(futures_util::stream::pending::<Result<Bytes, std::io::Error>>())),
            Request::post("/").body(Body::from(body)),
        ] {
            let sent = Sent::from_request(request.unwrap(), &()).await.unwrap();
            let error = sent.read::<PauseRequest>(1 << 20).await.expect_err("it is refused");
            assert_eq!(error.status, StatusCode::PAYLOAD_TOO_LARGE);
            assert_eq!(error.body.message, "the body is over 1 MiB, the most that is taken here");
        }
        let broken = Body::from_stream(futures_util::stream::once(async {
            Err::<Bytes, _>(std::io::Error::other("gone"))
        }));
        let sent = Sent::from_request(Request::post("/").body(broken).unwrap(), &()).await.unwrap();
        let error = sent.read::<PauseRequest>(1 << 20).await.expect_err("it is refused");
        assert_eq!((error.status, &*error.body.message), (StatusCode::BAD_REQUEST, "the body broke off"));
    }
}
