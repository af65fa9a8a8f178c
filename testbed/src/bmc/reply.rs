// SPDX-License-Identifier: AGPL-3.0-or-later
//! An answer before it becomes HTTP.

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http::header::{HeaderName, HeaderValue};
use http::{Response, StatusCode, header};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Frame;
use serde_json::Value;

/// A response body. It fails only when it was told to.
pub(crate) type Body = BoxBody<Bytes, std::io::Error>;

/// The connection closes without an answer.
#[derive(Debug, thiserror::Error)]
#[error("the connection is closed without an answer")]
pub(crate) struct Hangup;

/// An answer.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    pub(crate) payload: Payload,
}

/// What an answer carries.
#[derive(Debug)]
pub(crate) enum Payload {
    Empty,
    Json(Value),
    Xml(String),
}

impl Reply {
    pub(crate) fn new(status: u16, payload: Payload) -> Self {
        Self { status, headers: Vec::new(), payload }
    }

    /// Adds a header; a value that HTTP cannot carry is left out.
    pub(crate) fn with(mut self, name: HeaderName, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.push((name, value));
        }
        self
    }

    /// The HTTP response. With `headers_only` the body stays behind (HEAD); with `truncate` it ends early.
    pub(crate) fn into_response(self, headers_only: bool, truncate: Option<usize>) -> Response<Body> {
        let (bytes, kind) = match self.payload {
            Payload::Empty => (Bytes::new(), None),
            Payload::Json(value) => (
                Bytes::from(value.to_string()),
                Some("application/json;odata.metadata=minimal;charset=utf-8"),
            ),
            Payload::Xml(text) => (Bytes::from(text), Some("application/xml;charset=utf-8")),
        };
        let length = bytes.len();
        let body = match truncate {
            _ if headers_only => Full::new(Bytes::new()).map_err(|never| match never {}).boxed(),
            Some(keep) if keep < length => {
                let part = stream::once(std::future::ready(Ok(Frame::data(bytes.slice(..keep)))));
                // The pause makes hyper send what it has before it meets the error and closes.
                let end = stream::once(async {
                    tokio::task::yield_now().await;
                    Err(std::io::Error::other("truncated on purpose"))
                });
                BoxBody::new(StreamBody::new(part.chain(end)))
            }
            _ => Full::new(bytes).map_err(|never| match never {}).boxed(),
        };
        let mut response = Response::new(body);
        *response.status_mut() =
            StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        if let Some(kind) = kind {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        }
        if !matches!(self.status, 204 | 304) {
            headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
        }
        headers.insert("odata-version", HeaderValue::from_static("4.0"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        for (name, value) in self.headers {
            headers.append(name, value);
        }
        response
    }
}
