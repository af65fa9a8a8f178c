// SPDX-License-Identifier: AGPL-3.0-or-later
//! Answers: refusals with the specification's body, and the headers that every answer has.
//!
//! Guarantees: every 4xx and 5xx has a JSON body of the form of distribution-spec, Error Codes; a 4xx has
//! one of its codes. Locations are paths without a host, so that they hold behind any proxy.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::{self, HeaderName, HeaderValue};
use shoal_oci::{Digest, ErrorBody, ErrorCode, ErrorItem, RepositoryName};

/// The digest of what was stored or is sent.
pub(crate) const CONTENT_DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");
/// The name of an upload, as Docker's registry says it.
pub(crate) const UPLOAD_UUID: HeaderName = HeaderName::from_static("docker-upload-uuid");
/// Tags that a push by digest made.
pub(crate) const OCI_TAG: HeaderName = HeaderName::from_static("oci-tag");
/// The subject that a push was filed under.
pub(crate) const OCI_SUBJECT: HeaderName = HeaderName::from_static("oci-subject");
/// Filters that a list went through.
pub(crate) const FILTERS_APPLIED: HeaderName = HeaderName::from_static("oci-filters-applied");
/// By this clients know a registry.
const API_VERSION: HeaderName = HeaderName::from_static("docker-distribution-api-version");

/// A request that is not served: its status, and the body that says why and what to do.
#[derive(Debug)]
pub(crate) struct Rejection {
    status: StatusCode,
    body: ErrorBody,
    headers: Vec<(HeaderName, HeaderValue)>,
}

// === impl Rejection ===

impl Rejection {
    /// Refuses with one error.
    pub(crate) fn new(status: StatusCode, code: ErrorCode, message: impl Into<String>) -> Self {
        Self { status, body: ErrorBody::new(code, message), headers: Vec::new() }
    }

    /// 400.
    pub(crate) fn bad(code: ErrorCode, message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, message)
    }

    /// 404.
    pub(crate) fn not_found(code: ErrorCode, message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, code, message)
    }

    /// 405, with what is allowed.
    pub(crate) fn method(allowed: &'static str) -> Self {
        let message = format!("this method does nothing here: use {allowed}");
        Self::new(StatusCode::METHOD_NOT_ALLOWED, ErrorCode::Unsupported, message)
            .with_header(header::ALLOW, HeaderValue::from_static(allowed))
    }

    /// 429, with when to come back.
    pub(crate) fn too_many(message: impl Into<String>, after_seconds: u64) -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, ErrorCode::TooManyRequests, message)
            .with_header(header::RETRY_AFTER, HeaderValue::from(after_seconds))
    }

    /// 507: what is full, and what helps.
    pub(crate) fn full(message: impl Into<String>) -> Self {
        Self::new(StatusCode::INSUFFICIENT_STORAGE, ErrorCode::Denied, message)
    }

    /// 500. The specification has no code for it; this is the one that registries use.
    pub(crate) fn failed(message: impl Into<String>) -> Self {
        let item = ErrorItem { code: "UNKNOWN".to_owned(), message: message.into(), detail: None };
        let body = ErrorBody { errors: vec![item] };
        Self { status: StatusCode::INTERNAL_SERVER_ERROR, body, headers: Vec::new() }
    }

    /// Refuses with a body of several errors.
    pub(crate) fn with_body(status: StatusCode, body: ErrorBody) -> Self {
        Self { status, body, headers: Vec::new() }
    }

    /// Adds a header.
    pub(crate) fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// Adds to the last error what programs can use.
    pub(crate) fn with_detail(mut self, detail: serde_json::Value) -> Self {
        self.body = self.body.with_detail(detail);
        self
    }

    /// The status.
    #[cfg(test)]
    pub(crate) fn status(&self) -> StatusCode {
        self.status
    }

    /// Why, for logs and audit.
    pub(crate) fn message(&self) -> &str {
        self.body.errors.first().map_or("", |error| error.message.as_str())
    }
}

impl IntoResponse for Rejection {
    fn into_response(self) -> Response {
        let mut response = json(self.status, "application/json", self.body.to_json());
        response.headers_mut().extend(self.headers);
        response
    }
}

/// An answer with a JSON text.
pub(crate) fn json(status: StatusCode, media_type: &'static str, text: String) -> Response {
    let mut response = empty(status);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    *response.body_mut() = Body::from(text);
    response
}

/// An answer without a body.
pub(crate) fn empty(status: StatusCode) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

/// Sets a header. The values are names, digests, numbers and paths that were parsed before, which are all
/// printable ASCII; whatever else there may be is left out rather than sent.
pub(crate) fn set(response: &mut Response, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().append(name, value);
    }
}

/// The answer to content that was stored: 201, where it is, and its digest.
pub(crate) fn created(location: &str, digest: &Digest) -> Response {
    let mut response = empty(StatusCode::CREATED);
    set(&mut response, header::LOCATION, location);
    set(&mut response, CONTENT_DIGEST, digest.as_str());
    response
}

/// What every answer says.
pub(crate) fn mark(response: &mut Response) {
    let headers = response.headers_mut();
    headers.insert(API_VERSION, HeaderValue::from_static("registry/2.0"));
    // Content is whatever was pushed: no browser shall guess that it is a page.
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
}

/// Where a blob can be pulled.
pub(crate) fn blob_location(repository: &RepositoryName, digest: &Digest) -> String {
    format!("/v2/{repository}/blobs/{digest}")
}

/// Where a manifest can be pulled.
pub(crate) fn manifest_location(repository: &RepositoryName, digest: &Digest) -> String {
    format!("/v2/{repository}/manifests/{digest}")
}

/// The `Link` to the next page (RFC 5988).
pub(crate) fn next_page(path: &str, query: &[(&str, &str)]) -> String {
    let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(query).finish();
    format!("<{path}?{query}>; rel=\"next\"")
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;

    #[tokio::test]
    async fn a_refusal_has_the_body_of_the_specification_and_its_headers() {
        let rejection = Rejection::too_many("later", 5).with_detail(serde_json::json!({"waiting": 3}));
        let response = rejection.into_response();
        assert_eq!(response.status(), 429);
        assert_eq!(response.headers()[header::RETRY_AFTER], "5");
        assert_eq!(response.headers()[header::CONTENT_TYPE], "application/json");
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let expected = r#"{"errors":[{"code":"TOOMANYREQUESTS","message":"later","detail":{"waiting":3}}]}"#;
        assert_eq!(body, expected);
    }

    #[test]
    fn a_link_is_encoded() {
        let link = next_page("/v2/_catalog", &[("n", "2"), ("last", "a/b&c")]);
        assert_eq!(link, "</v2/_catalog?n=2&last=a%2Fb%26c>; rel=\"next\"");
    }

    #[test]
    fn what_is_no_header_is_left_out() {
        let mut response = empty(StatusCode::OK);
        set(&mut response, OCI_TAG, "a\r\nx: y");
        assert!(response.headers().is_empty());
    }
}
